"""The main job and the demo, as a user runs them on a platform of their own."""

import json
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from services.console.stack import processes
from tests.end_to_end.conftest import SIGHTLINE, Platform, free_offset

pytestmark = [pytest.mark.needs("prometheus", "nats-server"), pytest.mark.slow, pytest.mark.timeout(1200)]


def test_up_ends_with_strategies_that_trade_and_says_where_to_look(trading: Platform) -> None:
    again = trading.run("up", "--native", "--no-fetch", timeout_seconds=200)

    assert again.returncode == 0, again.stdout + again.stderr
    assert "robinhood-paper by totp" in again.stdout
    assert "first fill" in again.stdout
    assert "sightline demo" in again.stdout
    assert "momentum" in trading.run("strategies", "list").stdout


def test_demo_shows_each_fault_seen_told_mended_and_written_up(trading: Platform) -> None:
    done = trading.run("demo", "--json", timeout_seconds=900)
    told = json.loads(done.stdout)

    assert (done.returncode, told["problems"]) == (0, []), done.stdout
    assert told["seconds"] < 300
    assert [fault["scene"] for fault in told["faults"]] == ["refused", "session", "outage"]
    assert [fault for fault in told["faults"] if fault["seen"] > 60 or fault["written"] > 300] == []


def test_demo_of_a_fault_that_does_not_exist_says_which_there_are(trading: Platform) -> None:
    asked = trading.run("demo", "--only", "earthquake")

    assert asked.returncode == 1
    assert "refused, session, outage" in asked.stderr.replace("\n", " ")


def test_interrupt_while_up_waits_for_the_main_job_leaves_nothing_behind(trading: Platform) -> None:
    data_dir = Path(tempfile.mkdtemp(prefix="sightline-"))
    own = {"SIGHTLINE_DATA_DIR": str(data_dir), "SIGHTLINE_PORT_OFFSET": str(free_offset())}
    command = [str(SIGHTLINE), "up", "--native", "--no-fetch", "--timeout", "240"]
    environment = {**trading.environment, **own}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as started:  # noqa: S603 -- our own command
        assert started.stdout is not None
        for line in started.stdout:
            if line.split()[:1] == ["logins"]:
                started.send_signal(signal.SIGINT)
                break
        rest = started.stdout.read()

    assert started.returncode == 130, rest
    assert "stopping what was started" in rest
    assert processes.with_environment(f"SIGHTLINE_DATA_DIR={data_dir}") == []
    assert list(data_dir.rglob("*.sock")) == []
    shutil.rmtree(data_dir)
