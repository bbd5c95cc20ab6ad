"""A knowledge base over real files and a real SQLite database."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from services.content.instruments import TABLE
from services.content.knowledge.base import KnowledgeBase
from services.content.knowledge.entries import Entry, read_entry
from services.content.knowledge.library import Places
from services.contracts.events import Envelope
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.instruments import Instruments
from services.kit.tables import OUTBOX
from telemetry.emit.metrics import Metrics
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock

MIGRATIONS = Path(__file__).parents[3] / "services" / "content" / "migrations" / "versions"
STALE_AFTER = timedelta(days=90)
FAMILIES = {"alpha": "alpaca"}


def entry_text(entry_id: str, body: str = "It means this. Do that.", **fields: str) -> str:
    """An entry's file; `fields` are lines of its front matter, "" leaves one out."""
    front = {
        "id": entry_id,
        "kind": "behaviour",
        "title": f"About {entry_id}",
        "severity": "warning",
        "source": "made up for a test",
        "verified_at": "2026-03-01",
    } | fields
    lines = [f"{name}: {value}" for name, value in front.items() if value]
    return "\n".join(["---", *lines, "---", "", body, ""])


def made(entry_id: str, body: str = "It means this. Do that.", **fields: str) -> Entry:
    """An entry as it is read from such a file."""
    return read_entry(entry_text(entry_id, body, **fields), path=f"knowledge/{entry_id}.md")


@dataclass
class Shelf:
    """Directories that entries are put into."""

    directory: Path
    places: Places = field(init=False)

    def __post_init__(self) -> None:
        self.places = Places(docs=self.directory / "docs", own=self.directory / "own")
        for name in ("docs/knowledge", "docs/runbooks", "own"):
            (self.directory / name).mkdir(parents=True)

    def put(self, entry_id: str, body: str = "It means this. Do that.", **fields: str) -> Path:
        """Put a shipped entry there."""
        return self.write(f"docs/knowledge/{entry_id}.md", entry_text(entry_id, body, **fields))

    def put_own(self, entry_id: str, body: str = "It means this. Do that.", **fields: str) -> Path:
        """Put an entry of the operator's there."""
        return self.write(f"own/{entry_id}.md", entry_text(entry_id, body, **fields))

    def write(self, name: str, text: str) -> Path:
        """Put a file there as it stands."""
        path = self.directory / name
        path.write_text(text)
        return path


@dataclass
class House:
    """A knowledge base and what can be seen of it."""

    shelf: Shelf
    database: Database
    telemetry: RecordedTelemetry
    clock: FakeClock

    def __post_init__(self) -> None:
        self.facts = Facts(self.database, Instruments(TABLE), self.telemetry, self.clock, "content")

    def opened(self) -> KnowledgeBase:
        """A base over the files as they are now."""
        base = KnowledgeBase(
            self.shelf.places,
            self.facts,
            self.database,
            self.telemetry.metrics,
            self.clock,
            stale_after=STALE_AFTER,
            families=FAMILIES,
        )
        base.open()
        return base

    def stated(self, event_type: str) -> list[Envelope]:
        """Every fact of a type so far, in order."""
        with self.database.reading() as connection:
            rows = connection.execute(select(OUTBOX.c.envelope).order_by(OUTBOX.c.position)).scalars()
            envelopes = [Envelope.model_validate_json(row) for row in rows]
        return [envelope for envelope in envelopes if envelope.event_type == event_type]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


@pytest.fixture
def house(shelf: Shelf, tmp_path: Path) -> Iterator[House]:
    database = Database(f"sqlite:///{tmp_path}/content.db", service="content", versions=[MIGRATIONS])
    database.migrate()
    clock = FakeClock(datetime(2026, 3, 2, 12, tzinfo=UTC))
    yield House(shelf, database, RecordedTelemetry(Metrics(_TelemetryClock())), clock)
    database.close()
