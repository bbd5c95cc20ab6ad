"""What `sightline doctor` finds, and what it says to do."""

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from services.console.stack.components import Component
from services.console.stack.doctor import Finding, Verdict, examine
from services.console.stack.inventory import LOKI, MAIL
from services.console.stack.layout import Layout, checkout
from services.console.stack.make_secrets import NATIVE, ensure_secrets
from services.kit.clock import SystemClock
from tests.stack.native_parts import component, layout_in


def findings(layout: Layout, *components: Component) -> dict[str, Finding]:
    return {finding.subject: finding for finding in examine(components, layout, SystemClock())}


def test_examine_when_a_required_component_is_missing_then_that_is_wrong_and_has_a_remedy(tmp_path: Path) -> None:
    found = findings(layout_in(tmp_path), component("sightline-test-bus", 1))["sightline-test-bus"]

    assert (found.verdict, found.remedy) == (Verdict.WRONG, "write sightline-test-bus anew")


@pytest.mark.skipif(shutil.which("loki") is not None, reason="a loki is on PATH")
def test_examine_when_an_optional_component_is_missing_then_it_says_what_is_lost(tmp_path: Path) -> None:
    found = findings(layout_in(tmp_path), LOKI)["loki"]

    assert found.verdict is Verdict.LACKING
    assert "log alerts" in found.detail


def test_examine_when_a_port_is_taken_then_it_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        found = findings(layout_in(tmp_path), component("sightline-test-bus", port))["ports"]

    assert found.verdict is Verdict.WRONG
    assert f"{port} (sightline-test-bus) by " in found.detail


def test_examine_when_all_is_there_then_nothing_is_wrong(tmp_path: Path, free_port: Callable[[], int]) -> None:
    layout = layout_in(tmp_path)
    ensure_secrets(layout.secrets_dir, NATIVE, slack_url="http://127.0.0.1:8710/local/slack", slack_is_given=False)

    found = examine(
        [MAIL],
        Layout(
            root=checkout(),
            data_dir=layout.data_dir,
            secrets_dir=layout.secrets_dir,
            port_offset=free_port() - MAIL.ports["mail"],
        ),
        SystemClock(),
    )

    assert [finding for finding in found if finding.verdict is Verdict.WRONG] == []


def test_examine_when_a_secret_lies_open_then_it_says_which_chmod(tmp_path: Path) -> None:
    layout = layout_in(tmp_path)
    ensure_secrets(layout.secrets_dir, NATIVE, slack_url="http://127.0.0.1:8710/local/slack", slack_is_given=False)
    (layout.secrets_dir / "nats_token").chmod(0o644)

    found = findings(layout)["secrets"]

    assert found.verdict is Verdict.WRONG
    assert "chmod 600" in found.remedy


def test_examine_when_the_telemetry_store_is_no_database_then_that_is_wrong(tmp_path: Path) -> None:
    layout = layout_in(tmp_path)
    layout.telemetry_file.parent.mkdir(parents=True)
    layout.telemetry_file.write_text("this is no database" * 100)

    assert findings(layout)["telemetry store"].verdict is Verdict.WRONG


def test_examine_when_much_waits_in_the_spool_then_it_is_told(tmp_path: Path) -> None:
    layout = layout_in(tmp_path)
    spool = layout.data_dir / "spool" / "console"
    spool.mkdir(parents=True)
    (spool / "batch").write_bytes(b"x" * 9 * 1024**2)

    found = findings(layout)["spool"]

    assert (found.verdict, found.detail) == (Verdict.LACKING, "9.0 MiB wait to be delivered")


def test_examine_when_the_checkout_is_incomplete_then_what_it_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()

    found = findings(layout_in(tmp_path, root=tmp_path))["configuration"]

    assert found.verdict is Verdict.WRONG
    assert "nats/nats.conf" in found.detail


def test_examine_when_every_finding_is_not_well_then_it_has_a_remedy(tmp_path: Path) -> None:
    layout = layout_in(tmp_path)

    for finding in examine([LOKI, component("sightline-test-bus", 1)], layout, SystemClock()):
        assert finding.verdict is Verdict.WELL or finding.remedy
