"""Killed with signal 9 in each step of each pipeline: every run ends once, and nothing that it does comes twice."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from services.automation.routines.table import every
from tests.automation.routines.conftest import Here, here
from tests.automation.routines.test_chores import Work

__all__ = ["here"]

LONG_SECONDS = 600
EFFECTS = {
    "alert_triage": 3,
    "anomaly_triage": 3,
    "data_stale": 0,
    "dead_letters": 2,
    "digest": 1,
    "incident_postmortem": 1,
    "keep_sessions_alive": 1,
    "knowledge_refresh": 0,
    "nightly_backtest": 2,
    "nightly_reconciliation": 1,
    "order_unknown": 1,
    "preflight_before_open": 0,
    "recover_session": 1,
    "strategy_stopped": 1,
    "trading_halted": 1,
    "venue_degraded": 3,
    "weekly_review": 1,
    "audit_report": 1,
}
"""For each pipeline how many different things its run brings about outside."""


def runs(pipeline: str, directory: Path, *more: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.automation.pipelines.killing", str(directory), pipeline, *more]
    done = subprocess.run(  # noqa: S603 -- this interpreter with a module of ours
        command, capture_output=True, text=True, check=False, timeout=LONG_SECONDS
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_as_if_untouched(pipeline: str, found: list[dict[str, Any]]) -> None:
    untouched, *killed = found
    assert killed
    assert untouched["told"]["status"] == "succeeded"
    assert len(untouched["told"]["done"]) == EFFECTS[pipeline]
    for each in killed:
        assert each["told"] == untouched["told"], each["kills"]
        assert each["told"]["facts"].count("pipelines.pipeline_ended") == 1
        # What is asked of others more often is what a step asked that a kill cut short, and that once.
        again = Counter(each["asked"]) - Counter(untouched["asked"])
        assert again <= Counter(each["cut"]), each["kills"]


@pytest.mark.slow
@pytest.mark.timeout(LONG_SECONDS)
@pytest.mark.parametrize("pipeline", EFFECTS)
def test_run_when_killed_in_every_step_in_turn_then_it_ends_as_if_it_had_not_been(
    pipeline: str, tmp_path: Path
) -> None:
    assert_as_if_untouched(pipeline, runs(pipeline, tmp_path))


@pytest.mark.long
@pytest.mark.timeout(LONG_SECONDS)
@pytest.mark.parametrize("pipeline", EFFECTS)
def test_run_when_killed_before_or_after_one_step_then_it_ends_as_if_it_had_not_been(
    pipeline: str, tmp_path: Path
) -> None:
    assert_as_if_untouched(pipeline, runs(pipeline, tmp_path, "alone"))


def test_kills_when_a_pipeline_is_added_then_it_is_killed_too(here: Here) -> None:
    assert {each.name for each in every(here.house, Work().office())} == set(EFFECTS)
