"""What starts pipelines: events on the bus, alerts that begin to fire, and the clock."""

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from services.automation.pipelines import store
from services.automation.pipelines.engine import Engine, Started
from services.automation.pipelines.executing import Registry
from services.automation.pipelines.pipeline import Cause, Pipeline
from services.automation.pipelines.schedules import Calendar, latest_due, next_due
from services.contracts.alerting import AlertFired
from services.contracts.events import Envelope
from services.contracts.pipelines import CauseKind
from services.kit.bus import Consumer
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.facts import Transaction
from telemetry.catalogue import PIPELINE_SCHEDULE_LAG
from telemetry.emit.metrics import Metrics

ANY_ALERT: Final = "*"
"""Among a pipeline's alerts: every one that it wants."""

_log = logging.getLogger("services.automation.pipelines")


def starting_consumer(registry: Registry, engine: Engine) -> Consumer:
    """Notes the runs that an event starts, in the transaction in which the event counts as handled."""

    def handle(tx: Transaction, envelope: Envelope) -> None:
        for pipeline in registry:
            cause = cause_of(pipeline, envelope)
            if cause is not None:
                engine.note(tx, pipeline, cause)

    return Consumer(name="start_pipelines", event_types=tuple(sorted(_event_types(registry))), handler=handle)


def cause_of(pipeline: Pipeline, envelope: Envelope) -> Cause | None:
    """What the event is to the pipeline: the cause of a run, or None."""
    if envelope.event_type == AlertFired.event_type and pipeline.alerts:
        cause = _by_alert(envelope)
        if not {cause.name, ANY_ALERT} & set(pipeline.alerts):
            return None
    elif envelope.event_type in pipeline.events:
        cause = Cause(
            kind=CauseKind.EVENT,
            cause_id=envelope.event_id,
            name=envelope.event_type,
            target=envelope.subject,
            payload=envelope.payload,
            traceparent=envelope.traceparent,
        )
    else:
        return None
    if not pipeline.wants(cause):
        return None
    return Cause(
        kind=cause.kind,
        cause_id=cause.cause_id,
        name=cause.name,
        target=pipeline.target(cause),
        payload=cause.payload,
        traceparent=cause.traceparent,
    )


class Scheduler:
    """Starts what the clock makes due. What was missed while the platform was down is made up for while useful."""

    def __init__(  # noqa: PLR0913 -- the service's parts, each by its name
        self,
        registry: Registry,
        engine: Engine,
        database: Database,
        *,
        calendar: Calendar,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._registry, self._engine, self._database = registry, engine, database
        self._calendar, self._clock, self._metrics = calendar, clock, metrics
        self._since = clock.now()

    def look(self) -> list[Started]:
        """Start every run that is due and has not been started; those that this call started."""
        now, new = self._clock.now(), []
        for pipeline, due in self._due(now):
            started = self._engine.start(pipeline, _by_schedule(pipeline, due))
            if started.new:
                self._metrics.gauge(PIPELINE_SCHEDULE_LAG, pipeline=pipeline.name).set((now - due).total_seconds())
                new.append(started)
        return new

    def overdue(self) -> dict[str, float]:
        """For each pipeline with a schedule: for how many seconds a run has been due that has not been started."""
        now = self._clock.now()
        late = {pipeline.name: 0.0 for pipeline in self._registry if pipeline.schedule is not None}
        for pipeline, due in self._due(now):
            with self._database.reading() as connection:
                if store.one(connection, pipeline.run_id(_by_schedule(pipeline, due))) is None:
                    late[pipeline.name] = (now - due).total_seconds()
        return late

    def _due(self, now: datetime) -> Iterator[tuple[Pipeline, datetime]]:
        """What has come and is still worth it, started or not."""
        for pipeline in self._registry:
            if pipeline.schedule is not None:
                due = latest_due(pipeline.schedule, now, self._calendar)
                if due is not None and (due >= self._since or self._ran_before(pipeline)):
                    yield pipeline, due

    def _ran_before(self, pipeline: Pipeline) -> bool:
        """A platform that was just installed has missed nothing."""
        with self._database.reading() as connection:
            return store.has_run(connection, pipeline.name)

    def next_due(self, pipeline: Pipeline) -> datetime | None:
        """When the pipeline starts by itself next."""
        if pipeline.schedule is None:
            return None
        return next_due(pipeline.schedule, self._clock.now(), self._calendar)


def _by_alert(envelope: Envelope) -> Cause:
    """An occurrence of an alert is named by its fingerprint and start: told again it is the same cause."""
    payload = envelope.payload
    return Cause(
        kind=CauseKind.ALERT,
        cause_id=f"{payload['fingerprint']}:{payload['starts_at']}",
        name=payload["alert_name"],
        target=payload.get("target") or payload["service_name"] or None,
        payload=payload,
        traceparent=envelope.traceparent,
    )


def _by_schedule(pipeline: Pipeline, due: datetime) -> Cause:
    cause = Cause(kind=CauseKind.SCHEDULE, cause_id=f"{due:%Y-%m-%dT%H:%M:%SZ}", name=pipeline.name)
    return Cause(kind=cause.kind, cause_id=cause.cause_id, name=cause.name, target=pipeline.target(cause))


def _event_types(registry: Iterable[Pipeline]) -> set[str]:
    # Always the alerts too: a consumer needs something to consume, and an alert is what anyone may add to a pipeline.
    return {AlertFired.event_type} | {event_type for pipeline in registry for event_type in pipeline.events}
