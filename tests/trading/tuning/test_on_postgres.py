"""Many workers at one study, on a real Postgres."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from services.kit.clock import SystemClock
from services.trading.tuning.home import DatabaseHome, opened
from services.trading.tuning.ledger import Kind
from services.trading.tuning.opening import open_study
from services.trading.tuning.plan import Plan
from tests.fakes.clock import FakeClock
from tests.trading.tuning.market import noise, subject
from tests.trading.tuning.worker import BARS, SEED, STUDY

pytestmark = [pytest.mark.needs("initdb", "postgres")]

ROOT = Path(__file__).parents[3]
WORKERS, TRIALS = 3, 24


@pytest.fixture
def url(postgres_server: str) -> Iterator[str]:
    """A database of its own on the shared server."""
    server = create_engine(make_url(f"{postgres_server}/postgres"), isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("CREATE DATABASE tuning_test"))
    yield f"{postgres_server}/tuning_test"
    with server.connect() as connection:
        connection.execute(text("DROP DATABASE tuning_test WITH (FORCE)"))
    server.dispose()


@pytest.mark.slow
@pytest.mark.timeout(400)  # the first to run compiles the kernel, beside others
def test_workers_share_a_study_and_no_trial_is_doubled(url: str) -> None:
    command = [sys.executable, "-m", "tests.trading.tuning.worker", url, str(TRIALS)]
    workers = [
        subprocess.Popen(command, cwd=ROOT)  # noqa: S603 -- our own program and arguments
        for _ in range(WORKERS)
    ]
    assert [worker.wait(timeout=300) for worker in workers] == [0] * WORKERS
    with opened(url, Path("unused"), SystemClock()) as home:
        trials, _ = home.ledger.of_study(STUDY)
    searched = {trial.setting for trial in trials if trial.kind is Kind.SEARCH}
    assert TRIALS <= len(searched) <= TRIALS + WORKERS - 1, [
        (trial.number, trial.kind.value, trial.setting) for trial in trials
    ]
    assert len({trial.number for trial in trials}) == len(trials)


def test_what_a_dead_worker_was_at_is_taken_over_after_a_while_and_not_before(url: str) -> None:
    about = subject(noise(BARS, SEED))

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    clock = FakeClock()
    with opened(url, Path("unused"), clock) as home:
        left = subject(noise(BARS, SEED), evaluate=dies)
        with (
            pytest.raises(KeyboardInterrupt),
            open_study(home, STUDY, left, Plan(), resume=False, clock=clock) as study,
        ):
            study.run(5)
        with open_study(home, STUDY, about, Plan(), resume=True, clock=clock) as study:
            study.run(3)
        assert 0 not in {trial.number for trial in home.ledger.of_study(STUDY)[0]}
        clock.advance(timedelta(minutes=11).total_seconds())
        with open_study(home, STUDY, about, Plan(), resume=True, clock=clock) as study:
            study.run(4)
        assert 0 in {trial.number for trial in home.ledger.of_study(STUDY)[0]}


def test_workers_have_seeds_of_their_own(url: str) -> None:
    home = DatabaseHome(url, FakeClock())
    assert home.worker != 0
    home.close()
