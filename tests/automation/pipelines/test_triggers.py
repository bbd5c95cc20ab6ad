"""What starts runs: events and alerts, each once, and the clock, for which a stopped platform makes up."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest

from services.automation.instruments import TABLE
from services.automation.pipelines import store
from services.automation.pipelines.engine import Started
from services.automation.pipelines.executing import Registry, Runner
from services.automation.pipelines.pipeline import Cause, Pipeline
from services.automation.pipelines.schedules import At, Every
from services.automation.pipelines.triggers import ANY_ALERT, Scheduler, cause_of, starting_consumer
from services.contracts.alerting import AlertFired
from services.contracts.events import Envelope
from services.contracts.ids import EventId
from services.contracts.pipelines import CauseKind
from services.kit.database import Database
from services.kit.facts import Facts, Transaction
from services.kit.instruments import Instruments
from services.kit.market_calendar import MarketCalendar
from telemetry.catalogue import PIPELINE, PIPELINE_SCHEDULE_LAG
from telemetry.emit.metrics import Metrics
from tests.automation.conftest import MIGRATIONS
from tests.fakes.clock import FakeClock
from tests.fakes.pipelines import surroundings
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock

NIGHT = datetime(2026, 3, 3, 7, tzinfo=UTC)  # 2:00 in New York


def nothing(_context: object) -> None:
    """No step."""


NIGHTLY = Pipeline(name="nightly", purpose="A test.", run=nothing, schedule=At(time=time(2, 0), useful_seconds=7_200))
OFTEN = Pipeline(name="often", purpose="A test.", run=nothing, schedule=Every(seconds=300))
BY_EVENT = Pipeline(
    name="by_event",
    purpose="A test.",
    run=nothing,
    events=("trading.stream_lost",),
    wants=lambda cause: cause.payload.get("reason") != "asked for",
)
BY_ALERT = Pipeline(name="by_alert", purpose="A test.", run=nothing, alerts=("BrokerDown",))
BY_ANY = Pipeline(name="by_any", purpose="A test.", run=nothing, alerts=(ANY_ALERT,))


@dataclass
class Noting:
    """Notes runs as the engine does, and begins none."""

    directory: Path
    clock: FakeClock

    def __post_init__(self) -> None:
        url = f"sqlite:///{self.directory / 'automation.db'}"
        self.database = Database(url, service="automation", versions=[MIGRATIONS])
        self.database.migrate()
        self.registry = Registry((NIGHTLY, OFTEN, BY_EVENT, BY_ALERT, BY_ANY))
        self.telemetry = RecordedTelemetry(Metrics(_TelemetryClock()))
        self.telemetry.metrics.declare(PIPELINE_SCHEDULE_LAG, PIPELINE.name, [each.name for each in self.registry])
        self.facts = Facts(self.database, Instruments(TABLE), self.telemetry, self.clock, "automation")
        self.runner = Runner(self.registry, self.facts, self.telemetry.metrics, surroundings(self.clock))
        self.scheduler = self.restarted()

    def restarted(self) -> Scheduler:
        calendar = MarketCalendar(self.clock)
        return Scheduler(
            self.registry,
            self,  # type: ignore[arg-type] # as much of an engine as is asked for
            self.database,
            calendar=calendar,
            clock=self.clock,
            metrics=self.telemetry.metrics,
        )

    def note(self, tx: Transaction, pipeline: Pipeline, cause: Cause) -> Started:
        return Started(pipeline.run_id(cause), self.runner.add(tx, pipeline, cause))

    def start(self, pipeline: Pipeline, cause: Cause) -> Started:
        with self.facts.transaction() as tx:
            return self.note(tx, pipeline, cause)

    def take(self, *envelopes: Envelope) -> None:
        consumer = starting_consumer(self.registry, self)  # type: ignore[arg-type] # as above
        for envelope in envelopes:
            assert envelope.event_type in consumer.event_types
            with self.facts.transaction() as tx:
                consumer.handler(tx, envelope)

    def runs(self) -> list[str]:
        with self.database.reading() as connection:
            return sorted(each.run_id for each in store.listing(connection, pipeline=None, status=None, limit=50))


@pytest.fixture
def noting(tmp_path: Path) -> Iterator[Noting]:
    made = Noting(tmp_path, FakeClock(datetime(2026, 3, 2, 12, tzinfo=UTC)))
    yield made
    made.database.close()


def event(event_id: str, event_type: str = "trading.stream_lost", subject: str = "alpha", **payload: Any) -> Envelope:  # noqa: ANN401 -- an event's fields
    return Envelope(
        event_id=EventId(event_id),
        event_type=event_type,
        version=1,
        subject=subject,
        occurred_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
        source="trading",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        payload=payload,
    )


def alert(event_id: str, *, fingerprint: str = "00ff", starts_at: str = "2026-03-02T12:00:00Z") -> Envelope:
    payload = {"fingerprint": fingerprint, "starts_at": starts_at, "service_name": "trading", "target": "alpha"}
    return event(event_id, AlertFired.event_type, alert_name="BrokerDown", severity="critical", **payload)


def test_event_when_delivered_again_then_one_run_starts(noting: Noting) -> None:
    noting.take(event("e1"), event("e1"), event("e2"))
    assert noting.runs() == ["by_event:e1", "by_event:e2"]


def test_event_when_its_pipeline_does_not_want_it_then_nothing_starts(noting: Noting) -> None:
    noting.take(event("e1", reason="asked for"))
    assert noting.runs() == []


def test_event_when_it_starts_a_run_then_the_run_knows_its_subject_and_trace() -> None:
    cause = cause_of(BY_EVENT, event("e1"))
    assert cause is not None
    assert (cause.kind, cause.cause_id, cause.target) == (CauseKind.EVENT, "e1", "alpha")
    assert cause.traceparent.startswith("00-0af7")


def test_alert_when_told_again_then_each_pipeline_that_takes_it_runs_once(noting: Noting) -> None:
    noting.take(alert("e1"), alert("e2"))
    occurrence = "00ff:2026-03-02T12:00:00Z"
    assert noting.runs() == [f"by_alert:{occurrence}", f"by_any:{occurrence}"]


def test_alert_when_it_fires_a_second_time_then_it_is_another_cause(noting: Noting) -> None:
    noting.take(alert("e1"), alert("e2", starts_at="2026-03-02T13:00:00Z"))
    assert len(noting.runs()) == 4


def test_schedule_when_its_moment_comes_then_one_run_starts_however_often_one_looks(noting: Noting) -> None:
    noting.clock.advance((NIGHT - noting.clock.now()).total_seconds() - 1)
    noting.scheduler.look()
    noting.clock.advance(2)
    new = [started.run_id for _ in range(3) for started in noting.scheduler.look()]
    assert [each for each in new if each.startswith("nightly")] == ["nightly:2026-03-03T07:00:00Z"]
    assert noting.telemetry.value("sightline_pipeline_schedule_lag_seconds", pipeline="nightly") == 1


def test_schedule_when_looked_at_every_five_seconds_then_no_interval_is_missed(noting: Noting) -> None:
    noting.clock.advance(3)  # never on the moment itself
    for _ in range(240):
        noting.clock.advance(5)
        noting.scheduler.look()
    assert [each for each in noting.runs() if each.startswith("often")] == [
        f"often:2026-03-02T12:{minute:02}:00Z" for minute in (0, 5, 10, 15, 20)
    ]


def test_schedule_when_the_platform_was_just_installed_then_nothing_was_missed(noting: Noting) -> None:
    noting.clock.advance((NIGHT - noting.clock.now()).total_seconds() + 60)
    assert noting.restarted().look() == []


def test_schedule_when_missed_while_the_platform_was_down_then_it_is_made_up_for(noting: Noting) -> None:
    noting.clock.advance((NIGHT - noting.clock.now()).total_seconds())
    noting.scheduler.look()
    noting.clock.advance(24 * 3_600 + 1_800)
    after = noting.restarted()
    assert after.overdue()["nightly"] == 1_800
    assert "nightly:2026-03-04T07:00:00Z" in {started.run_id for started in after.look()}
    assert after.overdue() == {"nightly": 0.0, "often": 0.0}
    assert noting.telemetry.value("sightline_pipeline_schedule_lag_seconds", pipeline="nightly") == 1_800


def test_schedule_when_missed_for_too_long_then_it_waits_for_the_next(noting: Noting) -> None:
    noting.clock.advance((NIGHT - noting.clock.now()).total_seconds())
    noting.scheduler.look()
    noting.clock.advance(24 * 3_600 + 7_200)
    after = noting.restarted()
    assert [each.run_id for each in after.look() if each.run_id.startswith("nightly")] == []
    assert after.next_due(NIGHTLY) == datetime(2026, 3, 5, 7, tzinfo=UTC)


def test_pipeline_when_it_has_no_schedule_then_it_is_never_due(noting: Noting) -> None:
    assert noting.scheduler.next_due(BY_EVENT) is None
