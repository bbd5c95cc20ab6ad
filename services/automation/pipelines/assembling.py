"""The pipelines' part of the automation service, put together."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter

from services.automation.approvals.api import StepUp, approval_router
from services.automation.approvals.desk import ApprovalDesk
from services.automation.pipelines.api import pipeline_router
from services.automation.pipelines.dbos_engine import DbosEngine, StoppableWaiter
from services.automation.pipelines.executing import Registry, Runner, nothing
from services.automation.pipelines.pipeline import Pipeline
from services.automation.pipelines.running import Surroundings
from services.automation.pipelines.triggers import Scheduler, starting_consumer
from services.automation.pipelines.views import PipelineViews, gauges
from services.automation.settings import AutomationSettings
from services.kit.bus import Consumer
from services.kit.chassis import Background, Chassis
from services.kit.ids import SystemRandomness
from services.kit.market_calendar import MarketCalendar
from services.kit.repeating import repeating
from telemetry.catalogue import APPROVALS_OLDEST, APPROVALS_PENDING, METRICS, PIPELINE, PIPELINE_OVERDUE
from telemetry.emit.metrics import Metrics
from telemetry.emit.redaction import Redactor

_SCHEDULE_SECONDS = 5.0
_CLOSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class PipelineSide:
    """What pipelines add to the service."""

    engine: DbosEngine
    routers: list[APIRouter]
    consumers: list[Consumer]
    background: list[Background]


def pipeline_side(chassis: Chassis[AutomationSettings], pipelines: Iterable[Pipeline], step_up: StepUp) -> PipelineSide:
    """Put engine, triggers, approvals and their routes together. Raises `StartError`."""
    registry, metrics, clock = Registry(tuple(pipelines)), chassis.telemetry.metrics, chassis.clock
    _declare(metrics, registry)
    waiter, randomness = StoppableWaiter(), SystemRandomness()
    approvals = ApprovalDesk(chassis.facts, clock, randomness)
    around = Surroundings(
        clock=clock,
        randomness=randomness,
        waiter=waiter,
        tracer=chassis.telemetry.tracer("services.automation.pipelines"),
        redactor=Redactor(),
        asking=approvals,
        holds=nothing,
        told=nothing,
        retried=nothing,
    )
    settings = chassis.settings
    url = settings.full_database_url().get_secret_value()
    engine = DbosEngine(
        Runner(registry, chassis.facts, metrics, around),
        waiter,
        url=url if chassis.database.dialect == "postgresql" else None,
        directory=settings.data_dir / "automation",
    )
    scheduler = Scheduler(
        registry, engine, chassis.database, calendar=MarketCalendar(clock), clock=clock, metrics=metrics
    )
    views = PipelineViews(registry, chassis.database, engine, scheduler)
    metrics.before_collecting(gauges(registry, chassis.database, metrics, clock))
    metrics.before_collecting(partial(_show_waiting, approvals, metrics))
    metrics.before_collecting(partial(_show_overdue, scheduler, metrics))

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        engine.open()
        try:
            yield
        finally:
            engine.close()

    look = partial(repeating, scheduler.look, every_seconds=_SCHEDULE_SECONDS, purpose="start what is due")
    close = partial(
        repeating, approvals.close_left, every_seconds=_CLOSE_SECONDS, purpose="close what nobody waits for"
    )
    return PipelineSide(
        engine=engine,
        routers=[
            pipeline_router(registry, engine, views, chassis.facts, around.redactor),
            approval_router(approvals, step_up),
        ],
        consumers=[starting_consumer(registry, engine)],
        background=[running, look, close],
    )


def _declare(metrics: Metrics, registry: Registry) -> None:
    names = [pipeline.name for pipeline in registry]
    for metric in METRICS:
        if PIPELINE in metric.labels:
            metrics.declare(metric, PIPELINE.name, names)


def _show_overdue(scheduler: Scheduler, metrics: Metrics) -> None:
    for pipeline, seconds in scheduler.overdue().items():
        metrics.gauge(PIPELINE_OVERDUE, pipeline=pipeline).set(seconds)


def _show_waiting(approvals: ApprovalDesk, metrics: Metrics) -> None:
    count, oldest = approvals.waiting()
    metrics.gauge(APPROVALS_PENDING).set(count)
    metrics.gauge(APPROVALS_OLDEST).set(oldest)
