"""What delivering log lines takes: a sink with a name, a spool, and somebody who counts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from telemetry.emit.audit import AuditJournal
from telemetry.records import LogSink
from telemetry.sinks.spool import Spool


class NamedLogSink(LogSink, Protocol):
    """A sink that the delivered counter can name."""

    @property
    def name(self) -> str:
        """Value of the label `sink`."""


class LogObserver(Protocol):
    """Counts what becomes of log lines. Called from several threads; must not log."""

    def accepted(self, count: int) -> None:
        """Lines were put into the buffer."""

    def delivered(self, sink_name: str, count: int) -> None:
        """A sink confirmed lines."""

    def dropped(self, reason: str, count: int) -> None:
        """Lines are lost for good: queue_full, rejected, spool_full or unserialisable."""

    def spooled(self, count: int) -> None:
        """Lines were written to disk because the sink is away."""

    def replayed(self, count: int) -> None:
        """A sink confirmed lines that had been spooled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a worker works with; it outlives the worker when a process forks."""

    sink: NamedLogSink
    spool: Spool
    observer: LogObserver
    journal: AuditJournal | None
    batch_records: int
    batch_delay_seconds: float
    ratio: Callable[[], float]
