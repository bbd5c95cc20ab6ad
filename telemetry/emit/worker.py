"""The one thread that takes log lines from memory to the sink, by way of the disk when the sink is away."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence

from telemetry.emit.backoff import Backoff
from telemetry.emit.buffer import LogBuffer
from telemetry.emit.delivery import Delivery
from telemetry.records import LogEntry, Outcome

# Records of this logger, like all made on the worker's thread, reach the console but never the buffer.
_LOG = logging.getLogger("telemetry.emit.worker")

# Loki takes pushes of 4 MiB by default; a character is up to 4 bytes but hardly ever more than one.
_MAX_BATCH_CHARS = 1024 * 1024


class _AbandonedError(Exception):
    """`stop` ran out of patience while the sink was blocking and took over what was left."""


class DeliveryWorker:
    """Delivers what is in the buffer until it is stopped.

    It holds `_turn` at all times except while it waits and while the sink works, so that whoever stops it can take
    over exactly then.
    """

    def __init__(self, buffer: LogBuffer, delivery: Delivery) -> None:
        self._buffer = buffer
        self._delivery = delivery
        self._backoff = Backoff(delivery.ratio)
        self._turn = threading.Lock()
        self._progress = threading.Condition()
        self._flushes_wanted = 0
        self._flushes_done = 0
        self._stopping = False
        self._abandoned = False
        self._sink_away = False
        self._retry_at_seconds = 0.0
        # What was taken from the buffer and has no other home yet.
        self._in_flight: list[Sequence[LogEntry]] = []
        self._thread = threading.Thread(target=self._run, name="log-delivery", daemon=True)

    @property
    def thread_id(self) -> int | None:
        """Identifies the thread whose own records must not be queued."""
        return self._thread.ident

    @property
    def sink_away(self) -> bool:
        """Whether the last attempt to deliver failed."""
        return self._sink_away

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until everything buffered before the call is delivered or safely on disk. False if time ran out."""
        with self._progress:
            self._flushes_wanted += 1
            wanted = self._flushes_wanted
            self._buffer.wake()
            return self._progress.wait_for(
                lambda: self._flushes_done >= wanted or not self._thread.is_alive(), timeout_seconds
            )

    def stop(self, timeout_seconds: float) -> None:
        """Deliver or spool what is left and end. A sink that blocks longer than the timeout is left behind."""
        self._stopping = True
        self._buffer.wake()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)
        if self._turn.acquire(timeout=timeout_seconds):
            try:
                self._abandoned = True
                for part in self._in_flight:
                    self._spool(part)
                self._in_flight.clear()
                for batch in self._take_present():
                    self._spool(batch)
            finally:
                self._turn.release()

    def _run(self) -> None:
        with self._turn:
            try:
                while not self._abandoned:
                    stopping, wanted = self._stopping, self._flushes_wanted
                    self._work()
                    self._confirm(wanted)
                    if stopping:
                        return
                    self._wait()
            except _AbandonedError:
                return
            finally:
                self._confirm(self._flushes_wanted)

    def _work(self) -> None:
        try:
            self._deliver_buffered()
        except _AbandonedError:
            raise
        except Exception:  # noqa: BLE001 -- logged with its traceback
            # Nobody restarts this thread: it has to outlive whatever a sink or a disk comes up with.
            _LOG.exception("delivering log lines failed; going on with the next batch")

    def _confirm(self, wanted: int) -> None:
        with self._progress:
            self._flushes_done = max(self._flushes_done, wanted)
            self._progress.notify_all()

    def _wait(self) -> None:
        delay_seconds = self._delivery.batch_delay_seconds
        if len(self._delivery.spool):
            due_in_seconds = self._retry_at_seconds - time.monotonic() if self._sink_away else 0.0
            delay_seconds = min(delay_seconds, due_in_seconds)
        self._turn.release()
        try:
            if delay_seconds > 0 and self._flushes_wanted == self._flushes_done and not self._stopping:
                self._buffer.wait(delay_seconds)
        finally:
            self._turn.acquire()

    def _deliver_buffered(self) -> None:
        # Alternating keeps the present visible while the past is caught up with. What is logged meanwhile waits for
        # the next round: callers who never pause must not keep a flush from ending.
        for batch in self._take_present():
            self._deliver(batch)
            self._replay_oldest()
        self._replay_oldest()

    def _take_present(self) -> Iterator[list[LogEntry]]:
        remaining = len(self._buffer)
        while remaining > 0 and (batch := self._take()):
            remaining -= len(batch)
            yield batch

    def _take(self) -> list[LogEntry]:
        batch = self._buffer.take(self._delivery.batch_records, _MAX_BATCH_CHARS)
        if batch:
            self._delivery.observer.accepted(len(batch))
        return batch

    def _deliver(self, batch: Sequence[LogEntry]) -> None:
        if self._sink_away:
            self._spool(batch)
            return
        self._in_flight = [batch]
        for part, outcome in self._send(self._in_flight):
            if outcome is Outcome.RETRY:
                self._spool(part)
                continue
            self._count(part, outcome)
            self._settle(part)

    def _replay_oldest(self) -> None:
        spool = self._delivery.spool
        if self._stopping or (self._sink_away and time.monotonic() < self._retry_at_seconds):
            return
        batch = spool.oldest()
        if batch is None:
            # Nothing is left to probe the sink with: the next live batch does it.
            self._sink_away = False
            return
        is_done = True
        for part, outcome in self._send([batch.entries]):
            if outcome is Outcome.RETRY:
                is_done = False
                continue
            self._count(part, outcome)
            if outcome is Outcome.DELIVERED:
                self._delivery.observer.replayed(len(part))
        if is_done:
            spool.remove(batch)

    def _send(self, parts: list[Sequence[LogEntry]]) -> Iterator[tuple[Sequence[LogEntry], Outcome | None]]:
        # An entry that no sink can write must not take its neighbours along: halve the batch until it stands alone,
        # with no outcome. A part stays in `parts` until the caller has dealt with it.
        while parts:
            part = parts[-1]
            outcome: Outcome | None = None
            try:
                outcome = self._send_once(part)
            except (TypeError, ValueError, RecursionError) as error:
                if len(part) > 1:
                    parts[-1:] = [part[len(part) // 2 :], part[: len(part) // 2]]
                    continue
                _LOG.warning("a log line of %s cannot be written (%s)", part[0].logger, type(error).__name__)
            yield part, outcome
            parts.pop()

    def _send_once(self, part: Sequence[LogEntry]) -> Outcome:
        self._turn.release()
        try:
            outcome = self._delivery.sink.send(part)
        except (TypeError, ValueError, RecursionError):
            raise
        except Exception:  # noqa: BLE001 -- logged with its traceback
            # A sink promises not to raise; one that breaks it must not cost lines.
            _LOG.exception("the log sink %s failed", self._delivery.sink.name)
            outcome = Outcome.RETRY
        finally:
            self._turn.acquire()
            if self._abandoned:
                raise _AbandonedError
        self._note(outcome)
        return outcome

    def _count(self, part: Sequence[LogEntry], outcome: Outcome | None) -> None:
        if outcome is Outcome.DELIVERED:
            self._delivery.observer.delivered(self._delivery.sink.name, len(part))
        elif outcome is Outcome.REJECTED:
            self._delivery.observer.dropped("rejected", len(part))
            self._keep_rejected(part)
        else:
            self._delivery.observer.dropped("unserialisable", len(part))

    def _note(self, outcome: Outcome) -> None:
        if outcome is Outcome.RETRY:
            if not self._sink_away:
                _LOG.warning("the log sink %s is away; lines go to disk until it is back", self._delivery.sink.name)
            self._sink_away = True
            self._retry_at_seconds = time.monotonic() + self._backoff.next_delay_seconds()
            return
        if self._sink_away:
            _LOG.warning("the log sink %s is back", self._delivery.sink.name)
        self._sink_away = False
        self._backoff.reset()

    def _spool(self, part: Sequence[LogEntry]) -> None:
        try:
            lost = self._delivery.spool.append(part)
        except OSError as error:
            _LOG.warning("cannot spool %d log lines: %s", len(part), error)
            self._delivery.observer.dropped("spool_full", len(part))
            return
        self._delivery.observer.spooled(len(part))
        if lost:
            self._delivery.observer.dropped("spool_full", lost)
        self._settle(part)

    def _keep_rejected(self, part: Sequence[LogEntry]) -> None:
        try:
            self._delivery.spool.keep_rejected(part)
        except OSError as error:
            _LOG.warning("cannot keep a copy of %d refused log lines: %s", len(part), error)

    def _settle(self, part: Sequence[LogEntry]) -> None:
        if self._delivery.journal is not None:
            self._delivery.journal.settle(part)
