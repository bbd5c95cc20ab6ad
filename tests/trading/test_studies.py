"""Studies of other processes, made visible by the trading service."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from services.contracts.strategies import StudyFinished, StudyVerdict
from services.kit.database import Database
from services.kit.database_errors import DatabaseError
from services.trading.strategy_gauges import declare_tuned
from services.trading.studies import METADATA, StudyFollower, ledger_at
from services.trading.tuning.home import FileHome
from services.trading.tuning.ledger import Judgement, Kind, Outcome, Trial
from telemetry.catalogue import emitted_by
from telemetry.emit.clock import SystemClock
from telemetry.emit.metrics import Metrics
from tests.auth.support import KeptFacts
from tests.fakes.clock import FakeClock
from tests.trading.desk.support import VERSIONS

_KINDS = ("sma-cross", "band-reversion")


@dataclass
class _House:
    """A trading service's own database beside a directory of studies."""

    database: Database
    directory: Path
    clock: FakeClock

    def __post_init__(self) -> None:
        self.facts = KeptFacts(self.database)
        self.start()

    def start(self) -> None:
        """As at the start of a process."""
        self.metrics = Metrics(SystemClock(), emitted_by("trading"))
        declare_tuned(self.metrics, _KINDS)
        self.follower = StudyFollower(
            ledger_at(None, self.directory), facts=self.facts, metrics=self.metrics, kinds=_KINDS
        )

    def shown(self, name: str, kind: str = "sma-cross") -> float:
        found = {(sample.name, sample.labels): sample.value for sample in self.metrics.samples()}
        return found[f"sightline_trading_study_{name}", (("kind", kind),)]

    def verdicts(self) -> list[StudyFinished]:
        return [fact for fact in self.facts.facts if isinstance(fact, StudyFinished)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[_House]:
    database = Database(f"sqlite:///{tmp_path / 'trading.db'}", service="trading", versions=(VERSIONS,))
    database.migrate()
    made = _House(database, tmp_path / "tuning", FakeClock())
    yield made
    made.follower.close()
    database.close()


@pytest.fixture
def home(house: _House) -> Iterator[FileHome]:
    home = FileHome(house.directory, house.clock)
    home.ledger.begin("one", strategy="sma-cross", version=1, data="AAPL 1day split", description="{}")
    yield home
    home.close()


def _try(house: _House, home: FileHome, *numbers: int, study: str = "one", kind: Kind = Kind.SEARCH) -> None:
    for number in numbers:
        house.clock.advance(2)
        home.ledger.append(
            Trial(
                study=study,
                number=number,
                kind=kind,
                outcome=Outcome.COMPLETE,
                setting=f'{{"fast":{number}}}',
                score=1.0,
                sharpe=0.1,
                bars=500,
                trades=31,
                folds=(1.0,),
            )
        )


def _judgement(*, trials: int = 4, recommended: bool = False) -> Judgement:
    failed = () if recommended else ("round trips",)
    return Judgement(study="one", trials=trials, recommended=recommended, failed=failed, deflated_sharpe=0.4)


def test_before_there_is_a_ledger_nothing_is_shown_and_none_is_made(house: _House) -> None:
    house.follower.look()

    assert not house.directory.exists()
    assert house.shown("trials_total") == 0


def test_trials_are_counted_from_the_start_of_the_process_on(house: _House, home: FileHome) -> None:
    _try(house, home, 0, 1)
    house.follower.look()
    assert house.shown("trials_total") == 0

    _try(house, home, 2, 3, 4)
    house.follower.look()
    house.follower.look()

    assert house.shown("trials_total") == 3
    assert house.shown("trials_total", "band-reversion") == 0


def test_progress_is_that_of_the_study_that_was_run_last(house: _House, home: FileHome) -> None:
    home.ledger.want("one", 4)
    _try(house, home, 0, 1, 2)
    _try(house, home, 3, kind=Kind.NEIGHBOUR)
    house.follower.look()
    assert house.shown("progress_ratio") == 0.75

    home.ledger.begin("two", strategy="sma-cross", version=1, data="IBM 1day split", description="{}")
    home.ledger.want("two", 10)
    _try(house, home, 0, study="two")
    house.follower.look()
    assert house.shown("progress_ratio") == 0.1


def test_a_verdict_is_stated_with_what_it_rests_on(house: _House, home: FileHome) -> None:
    _try(house, home, 0, 1, 2, 3)
    home.ledger.judge(_judgement())

    house.follower.look()

    (fact,) = house.verdicts()
    assert fact == StudyFinished(
        subject="one",
        kind="sma-cross",
        market="AAPL 1day split",
        trials=4,
        verdict=StudyVerdict.NO_EDGE,
        failed=("round trips",),
        deflated_sharpe=0.4,
        duration_seconds=6,
    )


def test_a_verdict_is_stated_once_over_restarts(house: _House, home: FileHome) -> None:
    _try(house, home, 0)
    home.ledger.judge(_judgement())
    house.follower.look()
    house.follower.look()
    house.follower.close()

    house.start()
    house.follower.look()

    assert len(house.verdicts()) == 1


def test_the_same_verdict_again_is_no_news_and_another_one_is(house: _House, home: FileHome) -> None:
    _try(house, home, 0)
    assert home.ledger.judge(_judgement())
    house.clock.advance(1)
    assert not home.ledger.judge(_judgement())
    house.clock.advance(1)
    assert home.ledger.judge(_judgement(trials=9, recommended=True))

    house.follower.look()

    assert [fact.verdict for fact in house.verdicts()] == [StudyVerdict.NO_EDGE, StudyVerdict.RECOMMENDED]


def test_the_migrated_table_is_as_the_code_has_it(house: _House) -> None:
    with house.database.reading() as connection:
        options = {"include_object": lambda _made, name, kind, *_: kind != "table" or name == "told_studies"}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)
    assert differences == []


def test_a_ledger_that_cannot_be_read_is_said_in_words_and_followed_once_it_can(house: _House) -> None:
    house.directory.mkdir()
    ledger = house.directory / "ledger.db"
    ledger.write_bytes(b"no database" * 100)
    with pytest.raises(DatabaseError):
        house.follower.look()

    ledger.unlink()
    home = FileHome(house.directory, house.clock)
    home.ledger.begin("one", strategy="sma-cross", version=1, data="AAPL 1day split", description="{}")
    house.follower.look()
    _try(house, home, 0, 1)
    house.follower.look()

    assert house.shown("trials_total") == 2
    home.close()
