"""The front door of the console service: telemetry and alerts, read back."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from services.clients.automation import AutomationClient
from services.console.answers import LogsAnswer, MetricAnswer, TimelineAnswer, TraceAnswer, TracesAnswer
from services.console.windows import Window, WindowOf
from services.contracts.alerting import AlertList, AlertStatus
from services.kit.clock import Clock
from services.kit.errors import NotFoundError, SightlineError, UnavailableError
from services.kit.guards import require_scope
from telemetry.query.errors import InvalidQueryError, QueryError, RefusedQueryError
from telemetry.query.open import Readers
from telemetry.query.ports import LogQuery, SeriesQuery, TraceQuery
from telemetry.query.timeline import timeline

_TRACE_ID = Path(description="32 hexadecimal digits.", pattern=r"^[0-9a-fA-F]{32}$")
_MOST_LINES = 5_000


class BadQuestionError(SightlineError):
    """The question cannot be asked like this; the detail says what to change."""

    status_code = HTTPStatus.BAD_REQUEST
    code = "bad_question"
    title = "The question cannot be asked like this"


class TelemetryAwayError(UnavailableError):
    """What keeps the telemetry does not answer."""

    code = "telemetry_away"
    title = "The telemetry cannot be read now"


@contextmanager
def _told_in_problems() -> Iterator[None]:
    try:
        yield
    except (InvalidQueryError, RefusedQueryError) as error:
        raise BadQuestionError(str(error)) from error
    except QueryError as error:
        raise TelemetryAwayError(str(error)) from error


def telemetry_router(readers: Readers, clock: Clock) -> APIRouter:
    """Logs, traces, metrics and the merged timeline."""
    router = APIRouter(prefix="/api", tags=["telemetry"], dependencies=[Depends(require_scope("telemetry:read"))])
    window_of = WindowOf(clock)

    @router.get("/logs")
    def logs(  # noqa: PLR0913, PLR0917 -- each parameter narrows the question down
        window: Annotated[Window, Depends(window_of)],
        service: Annotated[tuple[str, ...], Query(description="Names of services, any of them.")] = (),
        min_level: Annotated[str | None, Query(description="This level and those above it.")] = None,
        logger: Annotated[str | None, Query(max_length=200, description="Lines of this logger alone.")] = None,
        text: Annotated[str, Query(max_length=1_000, description="Text that the line contains.")] = "",
        trace_id: Annotated[str | None, Query(description="Lines of one trace.")] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST_LINES)] = 200,
    ) -> LogsAnswer:
        """Log lines, the newest first."""
        with _told_in_problems():
            query = LogQuery(
                start=window.start,
                end=window.end,
                services=service,
                min_level=min_level,
                logger=logger,
                text=text,
                trace_id=trace_id,
                limit=limit,
            )
            return LogsAnswer.of(readers.logs.search(query))

    @router.get("/traces")
    def traces(  # noqa: PLR0913, PLR0917 -- each parameter narrows the question down
        window: Annotated[Window, Depends(window_of)],
        service: Annotated[str | None, Query()] = None,
        name: Annotated[str | None, Query(description="A span's exact name.")] = None,
        min_duration_seconds: Annotated[float | None, Query(ge=0)] = None,
        status: Annotated[str | None, Query(description="unset, ok or error.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    ) -> TracesAnswer:
        """Traces that hold a span which meets every condition, the newest first."""
        with _told_in_problems():
            query = TraceQuery(
                start=window.start,
                end=window.end,
                service=service,
                name=name,
                min_duration_seconds=min_duration_seconds,
                status=status,
                limit=limit,
            )
            return TracesAnswer.of(readers.traces.search(query))

    @router.get("/traces/{trace_id}")
    def trace(trace_id: Annotated[str, _TRACE_ID], window: Annotated[Window, Depends(window_of)]) -> TraceAnswer:
        """One trace and the log lines written inside it; the window is for the lines."""
        with _told_in_problems():
            found = readers.traces.trace(trace_id)
            if found is None:
                raise NotFoundError("Nothing of this trace is stored; if it is new, try again in seconds.")
            query = LogQuery(
                start=window.start, end=window.end, trace_id=trace_id, limit=_MOST_LINES, newest_first=False
            )
            return TraceAnswer.of(found, readers.logs.search(query))

    @router.get("/metrics/{metric}")
    def series(
        metric: Annotated[str, Path(max_length=200)],
        window: Annotated[Window, Depends(window_of)],
        label: Annotated[tuple[str, ...], Query(description="Exact labels, each as name=value.")] = (),
        step_seconds: Annotated[float, Query(ge=1)] = 15.0,
    ) -> MetricAnswer:
        """Series of one metric."""
        with _told_in_problems():
            query = SeriesQuery(
                metric=metric,
                start=window.start,
                end=window.end,
                step_seconds=step_seconds,
                labels=_labels(label),
            )
            return MetricAnswer.of(readers.metrics.series(query))

    @router.get("/timeline")
    def merged(
        window: Annotated[Window, Depends(window_of)],
        service: Annotated[tuple[str, ...], Query()] = (),
        trace_id: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST_LINES)] = 500,
    ) -> TimelineAnswer:
        """Warnings, facts, failed spans and metric changes in one order, the oldest first."""
        with _told_in_problems():
            return TimelineAnswer.of(
                timeline(readers, window.start, window.end, services=service, trace_id=trace_id, limit=limit)
            )

    return router


def alert_router(automation: AutomationClient) -> APIRouter:
    """Alerts, asked of the service that keeps them."""
    router = APIRouter(prefix="/api", tags=["alerts"], dependencies=[Depends(require_scope("alerts:read"))])

    @router.get("/alerts")
    async def alerts(
        status: Annotated[AlertStatus | None, Query(description="Only alerts in this state.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> AlertList:
        """Alerts as the platform knows them, the newest first."""
        return await automation.alerts(status=status, limit=limit)

    return router


def _labels(pairs: tuple[str, ...]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise BadQuestionError("Write each label as name=value.")
        labels[name] = value
    return labels
