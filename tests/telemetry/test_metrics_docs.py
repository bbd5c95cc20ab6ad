"""docs/metrics.md is what the catalogue says."""

from pathlib import Path

import pytest

from telemetry.catalogue import METRICS, SPAN_ATTRIBUTES
from telemetry.catalogue_docs import main, page

_PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_check_page_when_the_catalogue_has_not_changed_then_it_is_current() -> None:
    assert main(["--check"], _PAGE) == 0


def test_check_page_when_it_is_out_of_date_then_the_remedy_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "metrics.md"
    stale.write_text("old")

    assert main(["--check"], stale) == 1
    assert "run `python -m telemetry.catalogue_docs`" in capsys.readouterr().err
    assert stale.read_text() == "old"


def test_write_page_when_directory_is_missing_then_it_is_made_and_current(tmp_path: Path) -> None:
    path = tmp_path / "docs" / "metrics.md"

    assert main([], path) == 0
    assert main(["--check"], path) == 0


def test_render_page_when_the_catalogue_lists_something_then_it_is_documented() -> None:
    text = page()

    assert [metric.name for metric in METRICS if f"### `{metric.name}`\n" not in text] == []
    assert [name for name in SPAN_ATTRIBUTES if f"- `{name}`\n" not in text] == []
