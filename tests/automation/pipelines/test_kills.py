"""Killed with signal 9 in each step of each pipeline: every run ends once, and nothing that it does comes twice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.automation.routines.table import routines
from tests.automation.routines.conftest import Here, here

__all__ = ["here"]

LONG_SECONDS = 300
PIPELINES = (
    "anomaly_triage",
    "data_stale",
    "keep_sessions_alive",
    "nightly_reconciliation",
    "order_unknown",
    "preflight_before_open",
    "recover_session",
    "strategy_stopped",
    "venue_degraded",
)


@pytest.mark.slow
@pytest.mark.timeout(LONG_SECONDS)
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_run_when_killed_in_any_step_then_it_ends_as_if_it_had_not_been(pipeline: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.automation.pipelines.killing", str(tmp_path), pipeline]
    done = subprocess.run(  # noqa: S603 -- this interpreter with a module of ours
        command, capture_output=True, text=True, check=False, timeout=LONG_SECONDS
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    untouched, *killed = [json.loads(line) for line in done.stdout.splitlines()]
    assert killed
    assert untouched["status"] == "succeeded"
    for each in killed:
        assert {**each, "kill": "never 0"} == untouched, each["kill"]


def test_kills_when_a_pipeline_is_added_then_it_is_killed_too(here: Here) -> None:
    assert {each.name for each in routines(here.house)} == set(PIPELINES)
