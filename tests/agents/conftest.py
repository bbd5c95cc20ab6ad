"""The agents' parts over real databases."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.agents.analyst.analyst import Analyst, AnalystParts, Knowledge, Writer
from services.agents.analyst.causes import load_causes
from services.agents.instruments import TABLE
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.instruments import Instruments
from telemetry.emit.metrics import Metrics
from telemetry.query.open import Readers
from tests.agents.story import Story
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock

MIGRATIONS = Path(__file__).parents[2] / "services" / "agents" / "migrations" / "versions"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/agents.db", service="agents", versions=[MIGRATIONS])
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def telemetry() -> RecordedTelemetry:
    return RecordedTelemetry(Metrics(_TelemetryClock()))


@pytest.fixture
def facts(database: Database, telemetry: RecordedTelemetry, clock: FakeClock) -> Facts:
    return Facts(database, Instruments(TABLE), telemetry, clock, "agents")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "telemetry.db")


@pytest.fixture
def analyst(database: Database, facts: Facts, clock: FakeClock) -> Callable[..., Analyst]:
    def make(readers: Readers, *, knowledge: Knowledge | None = None, writer: Writer | None = None) -> Analyst:
        table = load_causes()
        return Analyst(AnalystParts(readers, facts, database, clock, table, knowledge, writer))

    return make
