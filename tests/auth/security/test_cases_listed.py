"""The list of security cases names tests that exist."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
DOCUMENT = Path(__file__).parents[3] / "docs" / "security-cases.md"
ROWS = re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.read_text(), re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1].strip().replace(" ", "_"))
def test_case_when_it_is_listed_then_the_tests_that_show_it_exist(row: tuple[str, str, str, str]) -> None:
    named = re.findall(r"`([^`]+)::([^`]+)`", row[3])
    missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (HERE / file).resolve().read_text()]
    assert named
    assert missing == []


def test_cases_when_counted_then_there_are_twenty_six_in_order() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 27))
