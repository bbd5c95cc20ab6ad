"""The automation service's parts over a real database, SQLite and Postgres."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select

from services.automation.alerts import AlertDesk
from services.automation.instruments import TABLE
from services.contracts.events import Envelope
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.instruments import Instruments
from services.kit.tables import OUTBOX
from telemetry.emit.metrics import Metrics
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock, postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]  # fixtures that are asked for here too

MIGRATIONS = Path(__file__).parents[2] / "services" / "automation" / "migrations" / "versions"
SILENCE_LIMIT = timedelta(seconds=300)


@dataclass
class Desk:
    """An alert desk and what can be seen of it."""

    database: Database
    telemetry: RecordedTelemetry
    clock: FakeClock

    def __post_init__(self) -> None:
        self.facts = Facts(self.database, Instruments(TABLE), self.telemetry, self.clock, "automation")
        self.desk = self.opened()

    def opened(self) -> AlertDesk:
        """A desk over the same database, as after a restart."""
        desk = AlertDesk(self.facts, self.database, self.telemetry.metrics, self.clock, silence_limit=SILENCE_LIMIT)
        desk.open()
        return desk

    def stated(self) -> list[Envelope]:
        """Every fact so far, in order."""
        with self.database.reading() as connection:
            rows = connection.execute(select(OUTBOX.c.envelope).order_by(OUTBOX.c.position)).scalars()
            return [Envelope.model_validate_json(row) for row in rows]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("initdb", "postgres"))])
def storage(request: pytest.FixtureRequest) -> str | None:
    """URL of an empty Postgres database, or None for SQLite in the engine's own directory."""
    if request.param == "sqlite":
        return None
    server, name = request.getfixturevalue("postgres_server"), f"pipelines_{secrets.token_hex(6)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{server}/{name}"


@pytest.fixture
def desk(tmp_path: Path, storage: str | None) -> Iterator[Desk]:
    url = storage or f"sqlite:///{tmp_path}/automation.db"
    database = Database(url, service="automation", versions=[MIGRATIONS])
    database.migrate()
    yield Desk(database, RecordedTelemetry(Metrics(_TelemetryClock())), FakeClock())
    database.close()
