"""A desk over a real database and the real embedded store, and an incident that was told of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from services.content.instruments import TABLE
from services.content.writing.desk import DocumentDesk
from services.content.writing.gathering import Gatherer
from services.contracts.events import Envelope, Event
from services.contracts.ids import EventId
from services.contracts.incidents import (
    IncidentActed,
    IncidentDiagnosed,
    IncidentOpened,
    IncidentResolved,
    IncidentSeverity,
)
from services.kit.database import Database
from services.kit.envelopes import seal
from services.kit.facts import Facts
from services.kit.instruments import Instruments
from services.kit.tables import OUTBOX
from telemetry.emit.metrics import Metrics
from telemetry.emit.redaction import Redactor
from telemetry.query.open import Readers, ReadersOptions, open_readers
from telemetry.records import LogEntry, Outcome
from telemetry.sinks.embedded import EmbeddedStore
from tests.content.knowledge.conftest import MIGRATIONS
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock
from tests.telemetry.query_backs import StoppedClock

BEGAN = datetime(2026, 3, 2, 12, tzinfo=UTC)
INCIDENT = "20260302-1200-0a1b2c3d"
TRACE = "0af7651916cd43dd8448eb211c80319c"
HOSTILE = "<script>alert(1)</script> | [x](https://evil.example/) `a`\n# title"


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def line(seconds: float, text: str, *, level: str = "info", event_type: str = "", event_id: str = "") -> LogEntry:
    fields = (("event_id", event_id), ("event_type", event_type)) if event_type else ()
    return LogEntry(int(after(seconds).timestamp()) * 10**9, level, "facts.trading", text, TRACE, "", fields)


@dataclass
class House:
    """A desk and what can be seen of it."""

    directory: Path
    database: Database
    clock: FakeClock
    telemetry: RecordedTelemetry = field(default_factory=lambda: RecordedTelemetry(Metrics(_TelemetryClock())))

    def __post_init__(self) -> None:
        self.store = self.directory / "telemetry.db"
        self.readers: Readers = open_readers(ReadersOptions(embedded_path=self.store))
        self.facts = Facts(self.database, Instruments(TABLE), self.telemetry, self.clock, "content")
        self.desk = DocumentDesk(self.facts, self.database, Gatherer(self.readers, Redactor()), self.clock)

    def log(self, *entries: LogEntry, service_name: str = "trading") -> None:
        """Have these lines in the embedded store."""
        store = EmbeddedStore(self.store, service_name=service_name, env="test", clock=StoppedClock())
        logs, spans, metrics = store.log_sink(), store.span_sink(), store.metric_sink()
        assert logs.send(entries) is Outcome.DELIVERED
        for sink in (logs, spans, metrics):
            sink.close()

    def hear(self, *told: tuple[float, Event]) -> None:
        """Have the desk hear these, each so many seconds after the beginning."""
        for seconds, event in told:
            envelope = seal(
                event,
                event_id=EventId(f"{event.event_type}-{seconds}"),
                occurred_at=after(seconds),
                source="automation",
            ).model_copy(update={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
            with self.facts.transaction() as tx:
                self.desk.hear(tx, envelope)

    def stated(self, event_type: str) -> list[Envelope]:
        with self.database.reading() as connection:
            rows = connection.execute(select(OUTBOX.c.envelope).order_by(OUTBOX.c.position)).scalars()
            envelopes = [Envelope.model_validate_json(row) for row in rows]
        return [envelope for envelope in envelopes if envelope.event_type == event_type]


def incident(title: str = "alpha is slow", detail: str = "nothing new goes there") -> Sequence[tuple[float, Event]]:
    """What is told of an incident that began at noon and was over after five minutes."""
    same = {"subject": INCIDENT, "incident_id": INCIDENT, "title": title, "target": "alpha"}
    opened = IncidentOpened(
        **same,
        severity=IncidentSeverity.WARNING,
        cause_kind="alert",
        cause_id="a1",
        service_name="trading",
        started_at=BEGAN,
        alert_name="BrokerDown",
    )
    return (
        (20, opened),
        (25, IncidentDiagnosed(**same, causes=("venue_slow", "rate_limited"), confidence=0.8, knowledge_ids=("slow",))),
        (30, IncidentActed(**same, action="hold_venue", outcome="done", detail=detail)),
        (
            300,
            IncidentResolved(
                **same,
                severity=IncidentSeverity.WARNING,
                started_at=BEGAN,
                detected_at=after(20),
                mitigated_at=after(30),
                resolved_at=after(300),
                seconds_to_detect=20.0,
                seconds_to_mitigate=30.0,
                seconds_to_resolve=300.0,
                actions=("hold_venue: done",),
                causes=("venue_slow", "rate_limited"),
                knowledge_ids=("slow",),
            ),
        ),
    )


ORDERS = (
    line(-3_600, "too early", event_type="trading.order_filled", event_id="e0"),
    line(5, "o1 goes to alpha", event_type="trading.order_submitting", event_id="e1"),
    line(6, "o2 goes to alpha", event_type="trading.order_submitting", event_id="e2"),
    line(6, "o2 goes to alpha", event_type="trading.order_submitting", event_id="e2"),
    line(9, "nobody knows whether o2 is there", level="error", event_type="trading.order_unknown", event_id="e3"),
    line(11, "buy 10 SPY", event_type="trading.fill_booked", event_id="e4"),
    line(12, "alpha answers slowly", level="warning"),
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    database = Database(f"sqlite:///{tmp_path}/content.db", service="content", versions=[MIGRATIONS])
    database.migrate()
    made = House(tmp_path, database, FakeClock(after(300)))
    yield made
    made.readers.close()
    database.close()
