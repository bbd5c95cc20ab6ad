"""The questions that can be asked of telemetry and what comes back, whichever backend answers.

Times in questions are aware datetimes and windows are half open: `start` belongs to the window, `end` does not.
Times in answers are nanoseconds since the Unix epoch, except where a name says seconds. All classes are frozen.
Every reader may raise the errors of `telemetry.query.errors` and gives up after its own time limit.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from telemetry.query.checks import (
    LABEL_NAME,
    LEVELS,
    MAX_LINES,
    MAX_POINTS,
    MAX_TRACES,
    METRIC_NAME,
    STATUSES,
    check_limit,
    check_name,
    check_one_of,
    check_trace_id,
    check_window,
)
from telemetry.query.errors import InvalidQueryError
from telemetry.records import SpanEntry
from telemetry.sinks.embedded_rows import storable

T = TypeVar("T")


class Results(list[T]):
    """An answer; `truncated` is True when there was more than the limit let through."""

    def __init__(self, items: Iterable[T] = (), *, truncated: bool = False) -> None:
        super().__init__(items)
        self.truncated = truncated


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which log lines to find; what is left empty does not filter.

    Attributes:
        services: Names of services, any of them.
        levels: Exact levels, any of them; not together with `min_level`.
        min_level: This level and those above it.
        text: The line contains this text, letter by letter, upper and lower case told apart.
        trace_id: The line was written inside this trace.
        logger: The logger's exact dotted name.
        has_field: The line has an extra field of this name whose value is not empty.
        limit: Most lines to return, 1 to 50,000.
        newest_first: Order of the answer, and which end of the window is kept when there is more than `limit`.
    """

    start: datetime
    end: datetime
    services: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    min_level: str | None = None
    text: str = ""
    trace_id: str | None = None
    logger: str | None = None
    has_field: str | None = None
    limit: int = 1_000
    newest_first: bool = True

    def __post_init__(self) -> None:
        check_window(self.start, self.end)
        check_limit(self.limit, MAX_LINES)
        check_one_of(self.levels, LEVELS, "level")
        if self.min_level is not None:
            check_one_of((self.min_level,), LEVELS, "level")
            if self.levels:
                raise InvalidQueryError("give levels or min_level, not both")
        if not all(self.services):
            raise InvalidQueryError("a service name must not be empty; leave services empty to ask for all")
        if self.logger == "":
            raise InvalidQueryError("a logger's name must not be empty; leave logger out to ask for all")
        if self.trace_id is not None:
            object.__setattr__(self, "trace_id", check_trace_id(self.trace_id))
        if self.has_field is not None:
            check_name(self.has_field, LABEL_NAME, "field")
        object.__setattr__(self, "text", storable(self.text))

    def wanted_levels(self) -> tuple[str, ...]:
        """The levels that pass, empty when all do."""
        if self.min_level is None or self.min_level == LEVELS[0]:
            return self.levels
        return LEVELS[LEVELS.index(self.min_level) :]


@dataclass(frozen=True, slots=True, order=True)
class LogLine:
    """One log line; ids are "" outside a span, `fields` are sorted by name and have no empty values."""

    time_ns: int
    service_name: str
    env: str
    level: str
    logger: str
    line: str
    trace_id: str
    span_id: str
    fields: tuple[tuple[str, str], ...]

    def field(self, name: str) -> str:
        """Value of an extra field, "" when the line has none of that name."""
        return dict(self.fields).get(name, "")


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace; spans by start, then id. `truncated` is True when a part of it is known to be missing."""

    trace_id: str
    spans: tuple[SpanEntry, ...]
    truncated: bool = False

    def roots(self) -> tuple[SpanEntry, ...]:
        """Spans whose parent is not part of the trace: the true root, and what a caller elsewhere started."""
        known = {span.span_id for span in self.spans}
        return tuple(span for span in self.spans if span.parent_span_id not in known)

    def children(self, span_id: str) -> tuple[SpanEntry, ...]:
        """Direct children of a span, in order of their start."""
        return tuple(span for span in self.spans if span.parent_span_id == span_id and span.span_id != span_id)

    def walk(self) -> Iterator[tuple[int, SpanEntry]]:
        """Every span that hangs from a root, depth first, with its depth (0 for a root); a loop is cut."""
        below: dict[str, list[SpanEntry]] = {}
        for span in self.spans:
            below.setdefault(span.parent_span_id, []).append(span)
        seen: set[str] = set()
        waiting = [(0, span) for span in reversed(self.roots())]
        while waiting:
            depth, span = waiting.pop()
            if span.span_id in seen:
                continue
            seen.add(span.span_id)
            yield depth, span
            waiting.extend((depth + 1, child) for child in reversed(below.get(span.span_id, ())))


def trace_of(trace_id: str, spans: Iterable[SpanEntry], *, truncated: bool = False) -> Trace:
    """A trace of spans in any order; a span that was delivered twice counts once."""
    ordered = sorted(spans, key=lambda span: (span.start_ns, span.span_id))
    return Trace(trace_id, tuple({span.span_id: span for span in ordered}.values()), truncated)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuery:
    """Which traces to find: those that began in the window and hold one span that meets every condition."""

    start: datetime
    end: datetime
    service: str | None = None
    name: str | None = None
    min_duration_seconds: float | None = None
    status: str | None = None
    limit: int = 100

    def __post_init__(self) -> None:
        check_window(self.start, self.end)
        check_limit(self.limit, MAX_TRACES)
        if self.status is not None:
            check_one_of((self.status,), STATUSES, "span status")
        duration = self.min_duration_seconds
        if duration is not None and not (math.isfinite(duration) and 0 <= duration <= 1e6):  # noqa: PLR2004 -- 11 days
            raise InvalidQueryError(f"min_duration_seconds must be between 0 and 1,000,000, not {duration}")


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """One found trace. Root names are "" while the root is unknown; the duration is cut to whole milliseconds."""

    trace_id: str
    root_service_name: str
    root_name: str
    start_ns: int
    duration_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesQuery:
    """A metric's series by exact labels, evaluated at `start`, `start + step` and so on up to and including `end`.

    A label with the value "" asks for series that lack it. Each step takes the last sample of the five minutes
    before it.
    """

    metric: str
    start: datetime
    end: datetime
    step_seconds: float
    labels: Mapping[str, str] = field(default_factory=dict)
    limit: int = 1_000

    def __post_init__(self) -> None:
        check_name(self.metric, METRIC_NAME, "metric")
        for name in self.labels:
            check_name(name, LABEL_NAME, "label")
        check_window(self.start, self.end)
        check_limit(self.limit, 10_000)
        if not (math.isfinite(self.step_seconds) and self.step_seconds >= 0.001):  # noqa: PLR2004 -- one millisecond
            raise InvalidQueryError(f"step_seconds must be at least 0.001, not {self.step_seconds}")
        points = (self.end - self.start).total_seconds() / self.step_seconds
        if points > MAX_POINTS:
            raise InvalidQueryError(
                f"{points:,.0f} points a series are too many (at most {MAX_POINTS:,}): widen the step"
            )


@dataclass(frozen=True, slots=True)
class Series:
    """One series: labels without the metric's name, points as (Unix seconds, value), oldest first."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One observation that names the trace in which it was made."""

    labels: tuple[tuple[str, str], ...]
    trace_id: str
    value: float
    time_seconds: float


class LogReader(Protocol):
    """Finds log lines."""

    def search(self, query: LogQuery) -> Results[LogLine]:
        """Lines that match, in the order asked for; lines of one nanosecond are ordered by their content."""

    def close(self) -> None:
        """Release connections; a later call may open them again."""


class TraceReader(Protocol):
    """Finds traces."""

    def trace(self, trace_id: str) -> Trace | None:
        """One trace by its id of 32 hexadecimal digits, None when nothing of it is stored."""

    def search(self, query: TraceQuery) -> Results[TraceSummary]:
        """Traces that match, newest first."""

    def close(self) -> None:
        """Release connections; a later call may open them again."""


class MetricReader(Protocol):
    """Reads metrics."""

    def series(self, query: SeriesQuery) -> Results[Series]:
        """Series that match and have a point in the window, sorted by labels."""

    def exemplars(self, metric: str, labels: Mapping[str, str], start: datetime, end: datetime) -> Results[Exemplar]:
        """Exemplars, oldest first. Raises ExemplarsUnavailableError where the backend keeps none."""

    def close(self) -> None:
        """Release connections; a later call may open them again."""
