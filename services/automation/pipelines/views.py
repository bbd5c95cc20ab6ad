"""What is told of pipelines and their runs."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from services.automation.pipelines import store
from services.automation.pipelines.engine import UnknownRunError
from services.automation.pipelines.executing import Registry
from services.automation.pipelines.pipeline import Pipeline
from services.automation.pipelines.triggers import Scheduler
from services.contracts.pipelines import (
    PipelineList,
    PipelineView,
    RunList,
    RunStatus,
    RunView,
    StepView,
)
from services.kit.clock import Clock
from services.kit.database import Database
from telemetry.catalogue import PIPELINE_LAST_SUCCESS, PIPELINE_OLDEST, PIPELINE_OPEN
from telemetry.emit.metrics import Metrics


class Steps(Protocol):
    """Who keeps the steps of runs."""

    def steps(self, run_id: str) -> list[Any]:
        """As DBOS lists them."""


class PipelineViews:
    """Answers from the database. Its methods block."""

    def __init__(self, registry: Registry, database: Database, steps: Steps, scheduler: Scheduler) -> None:
        self._registry, self._database = registry, database
        self._steps, self._scheduler = steps, scheduler

    def pipelines(self) -> PipelineList:
        """Every pipeline, by name."""
        with self._database.reading() as connection:
            successes = store.last_success(connection)
        ordered = sorted(self._registry, key=lambda each: each.name)
        return PipelineList(pipelines=tuple(self._pipeline(each, successes.get(each.name)) for each in ordered))

    def runs(self, *, pipeline: str | None, status: RunStatus | None, limit: int) -> RunList:
        """Runs without their steps, the newest first. Raises `UnknownPipelineError`."""
        if pipeline is not None:
            self._registry.get(pipeline)
        with self._database.reading() as connection:
            return RunList(runs=tuple(store.listing(connection, pipeline=pipeline, status=status, limit=limit)))

    def run(self, run_id: str) -> RunView:
        """A run with its steps. Raises `UnknownRunError`."""
        with self._database.reading() as connection:
            run = store.one(connection, run_id)
        if run is None:
            raise UnknownRunError(f"There is no run {run_id}; `sightline runs` lists them.")
        return run.model_copy(update={"steps": tuple(_step(each) for each in self._steps.steps(run_id))})

    def _pipeline(self, pipeline: Pipeline, last_success: datetime | None) -> PipelineView:
        schedule = () if pipeline.schedule is None else (pipeline.schedule.words(),)
        alerts = tuple(f"alert {name}" for name in pipeline.alerts)
        return PipelineView(
            name=pipeline.name,
            purpose=pipeline.purpose,
            triggers=(*pipeline.events, *alerts, *schedule, *(("by hand",) if pipeline.by_hand else ())),
            replaces=pipeline.replaces,
            last_success_at=last_success,
            next_due_at=self._scheduler.next_due(pipeline),
        )


def gauges(registry: Registry, database: Database, metrics: Metrics, clock: Clock) -> Callable[[], None]:
    """Sets how runs stand, before each scrape."""
    open_states = [status for status in RunStatus if not status.ended]

    def refresh() -> None:
        with database.reading() as connection:
            standing, successes = store.standing(connection), store.last_success(connection)
        for status in open_states:
            count = sum(each[2] for each in standing if each[1] == status)
            metrics.gauge(PIPELINE_OPEN, status=status.value).set(count)
        waiting = RunStatus.WAITING_APPROVAL
        ages = [(clock.now() - since).total_seconds() for _, status, _, since in standing if status != waiting]
        metrics.gauge(PIPELINE_OLDEST).set(max(ages, default=0.0))
        for pipeline in registry:
            last = successes.get(pipeline.name)
            metrics.gauge(PIPELINE_LAST_SUCCESS, pipeline=pipeline.name).set(0.0 if last is None else last.timestamp())

    return refresh


def _step(known: dict[str, Any]) -> StepView:
    kept = known["output"]
    failure = kept.get("failure") if isinstance(kept, dict) else None
    return StepView(
        name=known["function_name"],
        ok=failure is None and known["error"] is None,
        started_at=_moment(known["started_at_epoch_ms"]),
        ended_at=_moment(known["completed_at_epoch_ms"]),
        attempts=kept.get("tries", 1) if isinstance(kept, dict) else 1,
        detail="" if failure is None else f"{failure[0]}: {failure[1]}",
    )


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
