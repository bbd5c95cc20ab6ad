"""What the read API answers with: telemetry's own words as JSON."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from telemetry.query.ports import LogLine, Results, Series, Trace, TraceSummary
from telemetry.query.timeline import Moment, Timeline
from telemetry.records import SpanEntry

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(time_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_ns // 1_000)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LogLineAnswer(_Answer):
    """One log line; `time_ns` is exact, `time` is for reading."""

    time: datetime
    time_ns: int
    service_name: str
    env: str
    level: str
    logger: str
    line: str
    trace_id: str
    span_id: str
    fields: dict[str, str]

    @classmethod
    def of(cls, line: LogLine) -> Self:
        """The answer for one found line."""
        return cls(
            time=_moment(line.time_ns),
            time_ns=line.time_ns,
            service_name=line.service_name,
            env=line.env,
            level=line.level,
            logger=line.logger,
            line=line.line,
            trace_id=line.trace_id,
            span_id=line.span_id,
            fields=dict(line.fields),
        )


class LogsAnswer(_Answer):
    """Log lines; `truncated` when there are more than the limit."""

    lines: tuple[LogLineAnswer, ...]
    truncated: bool

    @classmethod
    def of(cls, found: Results[LogLine]) -> Self:
        """The answer for what was found."""
        return cls(lines=tuple(LogLineAnswer.of(line) for line in found), truncated=found.truncated)


class SpanAnswer(_Answer):
    """One span; times in nanoseconds since the Unix epoch."""

    span_id: str
    parent_span_id: str
    name: str
    kind: str
    service_name: str
    start_ns: int
    end_ns: int
    duration_seconds: float
    status: str
    attributes: dict[str, Any]
    events: tuple[dict[str, Any], ...]
    links: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, span: SpanEntry) -> Self:
        """The answer for one span."""
        return cls(
            span_id=span.span_id,
            parent_span_id=span.parent_span_id,
            name=span.name,
            kind=span.kind,
            service_name=span.service_name,
            start_ns=span.start_ns,
            end_ns=span.end_ns,
            duration_seconds=(span.end_ns - span.start_ns) / 1e9,
            status=span.status,
            attributes=dict(span.attributes),
            events=tuple(event._asdict() for event in span.events),
            links=tuple(link._asdict() for link in span.links),
        )


class TraceAnswer(_Answer):
    """One trace with the log lines that were written inside it."""

    trace_id: str
    spans: tuple[SpanAnswer, ...]
    lines: tuple[LogLineAnswer, ...]
    truncated: bool

    @classmethod
    def of(cls, trace: Trace, lines: Results[LogLine]) -> Self:
        """The answer for a trace and its lines."""
        return cls(
            trace_id=trace.trace_id,
            spans=tuple(SpanAnswer.of(span) for span in trace.spans),
            lines=tuple(LogLineAnswer.of(line) for line in lines),
            truncated=trace.truncated or lines.truncated,
        )


class TraceSummaryAnswer(_Answer):
    """One found trace."""

    trace_id: str
    root_service_name: str
    root_name: str
    start: datetime
    duration_seconds: float


class TracesAnswer(_Answer):
    """Found traces, the newest first."""

    traces: tuple[TraceSummaryAnswer, ...]
    truncated: bool

    @classmethod
    def of(cls, found: Results[TraceSummary]) -> Self:
        """The answer for what was found."""
        traces = tuple(
            TraceSummaryAnswer(
                trace_id=each.trace_id,
                root_service_name=each.root_service_name,
                root_name=each.root_name,
                start=_moment(each.start_ns),
                duration_seconds=each.duration_seconds,
            )
            for each in found
        )
        return cls(traces=traces, truncated=found.truncated)


class SeriesAnswer(_Answer):
    """One series; points are pairs of Unix seconds and value."""

    metric: str
    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


class MetricAnswer(_Answer):
    """Series of one metric."""

    series: tuple[SeriesAnswer, ...]
    truncated: bool

    @classmethod
    def of(cls, found: Results[Series]) -> Self:
        """The answer for what was found."""
        series = tuple(SeriesAnswer(metric=each.metric, labels=dict(each.labels), points=each.points) for each in found)
        return cls(series=series, truncated=found.truncated)


class MomentAnswer(_Answer):
    """One moment of a timeline."""

    time: datetime
    source: str
    service_name: str
    level: str
    text: str
    reference: str
    trace_id: str


class TimelineAnswer(_Answer):
    """Moments, the oldest first; `missing` says which source gave no answer, and why."""

    moments: tuple[MomentAnswer, ...]
    truncated: bool
    missing: tuple[str, ...]

    @classmethod
    def of(cls, found: Timeline) -> Self:
        """The answer for a timeline."""
        return cls(moments=tuple(_moments(found)), truncated=found.truncated, missing=found.missing)


def _moments(found: Sequence[Moment]) -> list[MomentAnswer]:
    return [
        MomentAnswer(
            time=_moment(each.time_ns),
            source=each.source,
            service_name=each.service_name,
            level=each.level,
            text=each.text,
            reference=each.reference,
            trace_id=each.trace_id,
        )
        for each in found
    ]
