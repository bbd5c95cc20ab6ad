"""What happened, in one order: warnings, facts, failed spans and metric changes between two moments."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from telemetry.query.checks import check_trace_id, nanoseconds
from telemetry.query.errors import QueryError
from telemetry.query.open import Readers
from telemetry.query.ports import LogLine, LogQuery, Results, Series, SeriesQuery, TraceQuery
from telemetry.records import SpanEntry

FACT_FIELD = "event_type"
MAX_TRACES = 50
MAX_STEPS = 1_000
MIN_STEP_SECONDS = 15.0
# A span that failed in the window may belong to a trace that began before it.
LONGEST_TRACE = timedelta(minutes=10)
_NS = 1_000_000_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A metric whose changes belong on a timeline, by exact labels."""

    metric: str
    labels: tuple[tuple[str, str], ...] = ()


DEFAULT_WATCHED = (
    Watched(metric="ALERTS", labels=(("alertstate", "firing"),)),
    Watched(metric="sightline_dependency_ready"),
    Watched(metric="sightline_bus_connected"),
)


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """One thing that happened.

    Attributes:
        time_ns: When, in nanoseconds since the Unix epoch; for a metric the step at which the change was seen.
        source: "log", "fact", "span" or "metric".
        service_name: Who said so, "" where that is not known.
        level: Severity: a log level, or "error" for a failed span, or "info" for a metric.
        text: What happened, in one line or more.
        reference: Where to look further: `logger:NAME`, `event:ID`, `span:ID` or `series:SELECTOR`.
        trace_id: 32 hexadecimal digits, or "".
    """

    time_ns: int
    source: str
    service_name: str
    level: str
    text: str
    reference: str
    trace_id: str


class Timeline(Results[Moment]):
    """Moments, oldest first; `missing` names each source that gave no answer, and why."""

    def __init__(self, moments: Iterable[Moment], *, truncated: bool, missing: Sequence[str]) -> None:
        super().__init__(moments, truncated=truncated)
        self.missing = tuple(missing)


def timeline(  # noqa: PLR0913 -- each one narrows the question down
    readers: Readers,
    start: datetime,
    end: datetime,
    *,
    services: tuple[str, ...] = (),
    trace_id: str | None = None,
    watched: Sequence[Watched] = DEFAULT_WATCHED,
    limit: int = 500,
) -> Timeline:
    """Everything of note in the window `[start, end)`, oldest first.

    Args:
        readers: Where to read.
        start: Aware datetime, part of the window.
        end: Aware datetime, not part of the window.
        services: Only these services; metrics count as a service's by their label `service_name`.
        trace_id: Only this trace: its warnings, facts and failed spans, and no metrics.
        watched: The metrics whose changes are shown.
        limit: Most moments to return; beyond that the oldest are kept, as an incident's beginning tells its cause.

    A source that cannot answer is named in `missing`; the others still answer. Raises InvalidQueryError for a
    question that no source could answer.
    """
    base = LogQuery(start=start, end=end, services=services, trace_id=trace_id, limit=limit, newest_first=False)
    asked = _Asked(readers, base, watched)
    parts = [asked.collect("logs", asked.logs), asked.collect("traces", asked.spans)]
    if trace_id is None:
        parts.append(asked.collect("metrics", asked.metrics))
    moments = sorted({moment for part in parts for moment in part})
    cut = len(moments) > limit or any(part.truncated for part in parts)
    return Timeline(moments[:limit], truncated=cut, missing=asked.missing)


class _Asked:
    """One question put to every source."""

    def __init__(self, readers: Readers, base: LogQuery, watched: Sequence[Watched]) -> None:
        self._readers = readers
        self._base = base
        self._watched = watched
        self.missing: list[str] = []

    def collect(self, source: str, ask: Callable[[], Results[T]]) -> Results[T]:
        try:
            return ask()
        except QueryError as error:
            self.missing.append(f"{source}: {error}")
            return Results()

    def logs(self) -> Results[Moment]:
        base = self._base
        parts = [self._readers.logs.search(_narrowed(base, min_level="warning"))]
        parts.append(self._readers.logs.search(_narrowed(base, has_field=FACT_FIELD)))
        return Results(
            {_of_line(line) for part in parts for line in part}, truncated=any(part.truncated for part in parts)
        )

    def spans(self) -> Results[Moment]:
        start_ns, end_ns = nanoseconds(self._base.start), nanoseconds(self._base.end)
        ids, truncated = self._failed_traces()
        moments = []
        for trace_id in ids:
            trace = self._readers.traces.trace(trace_id)
            if trace is None:
                continue
            truncated = truncated or trace.truncated
            moments += [
                _of_span(span)
                for span in trace.spans
                if span.status == "error"
                and start_ns <= span.end_ns < end_ns
                and (not self._base.services or span.service_name in self._base.services)
            ]
        return Results(moments, truncated=truncated)

    def metrics(self) -> Results[Moment]:
        base = self._base
        window_seconds = (base.end - base.start).total_seconds()
        step = max(MIN_STEP_SECONDS, window_seconds / MAX_STEPS)
        moments: list[Moment] = []
        truncated = False
        for item in self._watched:
            query = SeriesQuery(
                metric=item.metric, labels=dict(item.labels), start=base.start, end=base.end, step_seconds=step
            )
            found = self._readers.metrics.series(query)
            truncated = truncated or found.truncated
            for series in found:
                if not base.services or dict(series.labels).get("service_name") in base.services:
                    moments += _changes(series, base.start.timestamp(), base.end.timestamp(), step)
        return Results(moments, truncated=truncated)

    def _failed_traces(self) -> tuple[list[str], bool]:
        base = self._base
        if base.trace_id is not None:
            return [check_trace_id(base.trace_id)], False
        found: dict[str, None] = {}
        truncated = False
        for service in base.services or (None,):
            query = TraceQuery(
                start=base.start - LONGEST_TRACE, end=base.end, service=service, status="error", limit=MAX_TRACES
            )
            summaries = self._readers.traces.search(query)
            truncated = truncated or summaries.truncated
            found.update(dict.fromkeys(summary.trace_id for summary in summaries))
        return list(found), truncated


def _narrowed(base: LogQuery, *, min_level: str | None = None, has_field: str | None = None) -> LogQuery:
    return LogQuery(
        start=base.start,
        end=base.end,
        services=base.services,
        trace_id=base.trace_id,
        limit=base.limit,
        newest_first=base.newest_first,
        min_level=min_level,
        has_field=has_field,
    )


def _of_line(line: LogLine) -> Moment:
    fact = line.field(FACT_FIELD)
    if not fact:
        reference = f"logger:{line.logger}"
        return Moment(line.time_ns, "log", line.service_name, line.level, line.line, reference, line.trace_id)
    event_id = line.field("event_id")
    reference = f"event:{event_id}" if event_id else f"event_type:{fact}"
    return Moment(line.time_ns, "fact", line.service_name, line.level, line.line, reference, line.trace_id)


def _of_span(span: SpanEntry) -> Moment:
    why = span.status_message or str(span.attributes.get("error.type", "")) or "failed"
    milliseconds = (span.end_ns - span.start_ns) / 1e6
    text = f"{span.name}: {why} (after {milliseconds:.1f} ms)"
    # The end is when it failed; the start may lie long before.
    return Moment(span.end_ns, "span", span.service_name, "error", text, f"span:{span.span_id}", span.trace_id)


def _changes(series: Series, start_seconds: float, end_seconds: float, step_seconds: float) -> list[Moment]:
    """Where the value differs from the step before; coming into being and vanishing count, at the edges they do not."""
    labels = dict(series.labels)
    shown = ",".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in series.labels)
    selector = f"{series.metric}{{{shown}}}"
    moments = []

    def add(seconds: float, text: str) -> None:
        time_ns = round(seconds * 1_000) * (_NS // 1_000)
        moments.append(
            Moment(
                time_ns,
                "metric",
                labels.get("service_name", ""),
                "info",
                f"{selector} {text}",
                f"series:{selector}",
                "",
            )
        )

    gap = step_seconds * 1.5
    previous: tuple[float, float] | None = None
    for seconds, value in series.points:
        came = previous is None and seconds - start_seconds > gap
        if previous is not None and seconds - previous[0] > gap:
            add(previous[0] + step_seconds, "vanished")
            came = True
        if came:
            add(seconds, f"appeared with {value:g}")
        elif previous is not None and repr(value) != repr(previous[1]):
            add(seconds, f"went from {previous[1]:g} to {value:g}")
        previous = (seconds, value)
    if previous is not None and end_seconds - previous[0] > gap:
        add(previous[0] + step_seconds, "vanished")
    return moments
