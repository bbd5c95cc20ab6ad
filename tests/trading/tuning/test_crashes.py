"""Real processes that are killed in the middle of a study."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from services.kit.clock import SystemClock
from services.trading.tuning.home import FileHome
from services.trading.tuning.ledger import Kind, Trial
from tests.trading.tuning.worker import STUDY, work

ROOT = Path(__file__).parents[3]
TRIALS = 90


def _start(place: Path | str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.trading.tuning.worker", str(place), str(TRIALS)]
    return subprocess.Popen(  # noqa: S603 -- our own program and arguments
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def _ledger_of(place: Path) -> Sequence[Trial]:
    home = FileHome(place, SystemClock())
    try:
        return home.ledger.of_study(STUDY)[0]
    finally:
        home.close()


def _when_more(place: Path, than: int, worker: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while worker.poll() is None and time.monotonic() < deadline:
        if len(_ledger_of(place)) > than:
            return
        time.sleep(0.002)
    assert worker.poll() is not None, "the worker made no trial in a minute"


@pytest.mark.slow
def test_a_study_killed_again_and_again_has_the_trials_of_one_that_was_left_alone(tmp_path: Path) -> None:
    random = Random(8)  # noqa: S311 -- moments to kill at, the same in each run
    work(str(tmp_path / "alone"), TRIALS)
    killed = tmp_path / "killed"
    killed.mkdir()
    ends: list[int] = []
    for _ in range(6):
        before = len(_ledger_of(killed))
        with _start(killed) as worker:
            assert worker.stdout is not None
            worker.stdout.readline()
            _when_more(killed, before + random.randint(1, 12), worker)
            worker.kill()
            ends.append(worker.wait())
    with _start(killed) as worker:
        assert worker.wait(timeout=100) == 0
    assert ends.count(-9) >= 4
    alone = _ledger_of(tmp_path / "alone")
    assert _ledger_of(killed) == alone
    assert [trial.kind for trial in alone].count(Kind.SEARCH) == TRIALS
