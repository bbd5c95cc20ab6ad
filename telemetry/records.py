"""The two things that travel from the emitting side to a sink, and what a sink says of them."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

AttributeValue = str | int | float | bool


class LogEntry(NamedTuple):
    """One redacted log line on its way to a sink.

    Attributes:
        time_ns: Nanoseconds since the Unix epoch at which the record was made, not sent.
        level: Lower-case level name: debug, info, warning, error or critical.
        logger: The logger's dotted name.
        line: The formatted and redacted message, with the traceback where there is one.
        trace_id: 32 hexadecimal digits, or "" outside a span.
        span_id: 16 hexadecimal digits, or "" outside a span.
        fields: Redacted extra fields; values are strings because Loki refuses a push that holds any other type.
    """

    time_ns: int
    level: str
    logger: str
    line: str
    trace_id: str
    span_id: str
    fields: tuple[tuple[str, str], ...]


class SpanEvent(NamedTuple):
    """A moment inside a span."""

    time_ns: int
    name: str
    attributes: Mapping[str, AttributeValue]


class SpanLink(NamedTuple):
    """A reference to a span of another trace."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, AttributeValue]


class SpanEntry(NamedTuple):
    """One finished span; ids as in `LogEntry`, times in nanoseconds since the Unix epoch.

    `kind` is OpenTelemetry's lower-case name (internal, server, client, producer, consumer); `status` is unset, ok
    or error; `parent_span_id` is "" for a root.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: str
    service_name: str
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    attributes: Mapping[str, AttributeValue]
    events: Sequence[SpanEvent]
    links: Sequence[SpanLink]


class Sample(NamedTuple):
    """One metric sample; `labels` are sorted by name and name the series together with `name`."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    time_ns: int


class Outcome(Enum):
    """What became of a batch."""

    DELIVERED = "delivered"
    RETRY = "retry"  # the sink is away or overloaded: keep the batch and try again
    REJECTED = "rejected"  # the sink will never take it: count it, do not try again


class LogSink(Protocol):
    """Takes batches of log lines of one service. Called by one thread at a time."""

    def send(self, entries: Sequence[LogEntry]) -> Outcome:
        """Deliver a batch, oldest first. Returns an outcome for everything that can go wrong; never raises."""

    def close(self) -> None:
        """Release connections. A later `send` may open them again."""


class SpanSink(Protocol):
    """Takes batches of finished spans. Called by one thread at a time."""

    def send(self, spans: Sequence[SpanEntry]) -> Outcome:
        """Deliver a batch. Returns an outcome for everything that can go wrong; never raises."""

    def close(self) -> None:
        """Release connections. A later `send` may open them again."""
