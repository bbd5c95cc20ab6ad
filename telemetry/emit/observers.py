"""Counts what becomes of log lines, spans and secrets: telemetry about telemetry."""

from collections.abc import Callable

from telemetry.catalogue import (
    TELEMETRY_ACCEPTED,
    TELEMETRY_DELIVERED,
    TELEMETRY_DROPPED,
    TELEMETRY_REDACTIONS,
    TELEMETRY_REPLAYED,
    TELEMETRY_SPOOLED,
)
from telemetry.emit.metrics import Metrics


class LogCounts:
    """The log pipeline's observer. Children are kept: `accepted` is called once per log line."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._accepted = metrics.counter(TELEMETRY_ACCEPTED, signal="logs")
        self._spooled = metrics.counter(TELEMETRY_SPOOLED, signal="logs")
        self._replayed = metrics.counter(TELEMETRY_REPLAYED, signal="logs")

    def accepted(self, count: int) -> None:
        """Lines entered the queue."""
        self._accepted.add(count)

    def delivered(self, sink_name: str, count: int) -> None:
        """A sink confirmed lines."""
        self._metrics.counter(TELEMETRY_DELIVERED, signal="logs", sink=sink_name).add(count)

    def dropped(self, reason: str, count: int) -> None:
        """Lines are lost for good."""
        self._metrics.counter(TELEMETRY_DROPPED, signal="logs", reason=reason).add(count)

    def spooled(self, count: int) -> None:
        """Lines were written to disk because the sink was away."""
        self._spooled.add(count)

    def replayed(self, count: int) -> None:
        """The sink took lines that had been spooled."""
        self._replayed.add(count)


class SpanCounts:
    """The span pipeline's observer, for one sink."""

    def __init__(self, metrics: Metrics, sink_name: str) -> None:
        self._accepted = metrics.counter(TELEMETRY_ACCEPTED, signal="spans")
        self._delivered = metrics.counter(TELEMETRY_DELIVERED, signal="spans", sink=sink_name)
        self._metrics = metrics

    def accepted(self, count: int) -> None:
        """Spans entered the queue."""
        self._accepted.add(count)

    def delivered(self, count: int) -> None:
        """The sink confirmed spans."""
        self._delivered.add(count)

    def dropped(self, reason: str, count: int) -> None:
        """Spans are lost for good."""
        self._metrics.counter(TELEMETRY_DROPPED, signal="spans", reason=reason).add(count)


def redaction_counter(metrics: Metrics) -> Callable[[str], None]:
    """Counts a secret that was blanked out, by the pattern that matched."""

    def count(pattern: str) -> None:
        metrics.counter(TELEMETRY_REDACTIONS, pattern=pattern).add(1)

    return count
