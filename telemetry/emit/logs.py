"""The logging handler: redacts and buffers on the caller's thread, and leaves the rest to one worker."""

import logging
import os
import weakref
from collections.abc import Callable
from threading import get_ident

from telemetry.emit.audit import AuditJournal
from telemetry.emit.buffer import LogBuffer
from telemetry.emit.clock import random_ratio
from telemetry.emit.context import current_span_ids
from telemetry.emit.delivery import Delivery, LogObserver, NamedLogSink
from telemetry.emit.entries import EntryMaker
from telemetry.emit.redaction import Redactor
from telemetry.emit.worker import DeliveryWorker
from telemetry.sinks.spool import Spool

__all__ = ["BatchingHandler", "LogObserver", "NamedLogSink"]


class BatchingHandler(logging.Handler):
    """Sends log lines to a sink in batches. A log call never raises, waits for a lock or waits for the sink.

    Args:
        sink: Where batches go, usually a `LokiSink`.
        spool: Where they wait while the sink is away.
        redactor: Removes secrets before a line is queued.
        observer: Counts what becomes of lines.
        current_span: Returns (trace id, span id) around the caller, in hexadecimal or "".
        max_queue: Lines held in memory; beyond that the least important one is lost and counted.
        batch_records: Lines in one push.
        batch_delay_seconds: The longest that a line waits for its batch to fill.
        close_timeout_seconds: How long `close` waits for a blocking sink before it spools what is left.
        audit_journal: Write-ahead file of `audit.*` loggers; None for none.
        ratio: Returns a number in [0, 1), for the back-off's jitter.
    """

    def __init__(  # noqa: PLR0913 -- the parts it is wired from, all named
        self,
        *,
        sink: NamedLogSink,
        spool: Spool,
        redactor: Redactor,
        observer: LogObserver,
        current_span: Callable[[], tuple[str, str]] = current_span_ids,
        max_queue: int = 10_000,
        batch_records: int = 500,
        batch_delay_seconds: float = 0.5,
        close_timeout_seconds: float = 2.0,
        audit_journal: AuditJournal | None = None,
        ratio: Callable[[], float] = random_ratio,
    ) -> None:
        super().__init__()
        self._entries = EntryMaker(redactor, current_span)
        self._max_queue = max_queue
        self._close_timeout_seconds = close_timeout_seconds
        self._journal = audit_journal
        self._delivery = Delivery(
            sink=sink,
            spool=spool,
            observer=observer,
            journal=audit_journal,
            batch_records=batch_records,
            batch_delay_seconds=batch_delay_seconds,
            ratio=ratio,
        )
        self._started = False
        self._closed = False
        self._renew()

    def start(self) -> None:
        """Take over what dead processes left, start the worker and get ready for forks.

        Raises:
            OSError: The spool or the audit file cannot be used.
        """
        self._count_dropped("spool_full", self._delivery.spool.open())
        if self._journal is not None:
            self._recover_audit(self._journal)
        self._started = True
        self._worker.start()
        renew = weakref.WeakMethod(self._renew_after_fork)
        os.register_at_fork(after_in_child=lambda: _call(renew))

    def handle(self, record: logging.LogRecord) -> bool:
        """Queue a record. The base class takes the handler's lock here; appending to a deque needs none."""
        if self.filters:
            # Since Python 3.12 a filter may return another record.
            verdict: object = self.filter(record)
            if not verdict:
                return False
            if isinstance(verdict, logging.LogRecord):
                record = verdict
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Redact and queue a record, unless the worker itself or its HTTP client made it."""
        if get_ident() == self._worker.thread_id:
            return
        try:
            entry = self._entries.make(record)
            if self._journal is not None:
                self._journal.append(entry)
            kept_all = not self._closed and self._buffer.put(entry)
        except Exception:  # noqa: BLE001 -- a log call must not fail; the loss is counted
            self._count_dropped("unserialisable", 1)
            return
        if not kept_all:
            self._count_dropped("queue_full", 1)

    def flush(self, timeout_seconds: float = 5.0) -> bool:  # type: ignore[override]  # says whether it was in time
        """Wait until every line logged before is delivered or safely on disk. Returns False if time ran out."""
        if not self._started or self._closed:
            return not len(self._buffer)
        return self._worker.flush(timeout_seconds)

    def close(self) -> None:
        """Deliver or spool what is left, then release thread, files and connections. Harmless a second time."""
        if self._closed:
            return
        self._closed = True
        self._worker.stop(self._close_timeout_seconds)
        self._delivery.spool.close()
        if self._journal is not None:
            self._journal.close()
        self._delivery.sink.close()
        super().close()

    @property
    def queue_length(self) -> int:
        """Lines waiting in memory."""
        return len(self._buffer)

    def _renew(self) -> None:
        self._buffer = LogBuffer(self._max_queue, self._delivery.batch_records)
        self._worker = DeliveryWorker(self._buffer, self._delivery)

    def _renew_after_fork(self) -> None:
        # The parent delivers what it had queued and spooled; its thread does not exist here, its locks may be held.
        if self._closed:
            return
        self._delivery.spool.forked()
        if self._journal is not None:
            self._journal.forked()
        self._renew()
        self._worker.start()

    def _recover_audit(self, journal: AuditJournal) -> None:
        recovered = dict.fromkeys(journal.open())
        spool = self._delivery.spool
        missing = [entry for entry in recovered if entry not in spool.holds(recovered)] if recovered else []
        if missing:
            self._count_dropped("spool_full", spool.append(missing))
            self._delivery.observer.spooled(len(missing))
        journal.forget_recovered()

    def _count_dropped(self, reason: str, count: int) -> None:
        if count:
            self._delivery.observer.dropped(reason, count)


def _call(method: "weakref.WeakMethod[Callable[[], None]]") -> None:
    bound = method()
    if bound is not None:
        bound()
