"""The way of a finished span from the request to its sink: a bounded queue, one worker, nothing that can block."""

import itertools
import logging
import os
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Protocol

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import Sampler

from telemetry.emit.spans import entry_of
from telemetry.records import AttributeValue, Outcome, SpanEntry, SpanSink

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_BACK_OFF_SECONDS = 0.25
_LAST_BACK_OFF_SECONDS = 5.0

_log = logging.getLogger("telemetry.traces")


class SpanObserver(Protocol):
    """Hears what becomes of spans, to count it."""

    def accepted(self, count: int) -> None:
        """Spans entered the queue."""

    def delivered(self, count: int) -> None:
        """The sink confirmed spans."""

    def dropped(self, reason: str, count: int) -> None:
        """Spans are lost for good; `reason` is one of the catalogue's drop reasons."""


class SpanPipeline(SpanProcessor):
    """Queues finished spans and sends them in batches.

    While the sink is away a batch is tried again after 0.25 to 5 s and spans wait in the queue; once that is full,
    new ones are dropped and counted. The code under trace never waits.

    Args:
        sink: Takes the batches; called by the worker alone.
        service_name: Written into each entry.
        observer: Counts what is accepted, delivered and dropped.
        max_queue: Spans that may wait, about 3 kB each: 60 MB at most.
        batch_spans: Spans in one batch; a full batch is sent at once.
        schedule_seconds: How long an incomplete batch waits.
    """

    def __init__(  # noqa: PLR0913 -- keyword-only, and most have a default
        self,
        *,
        sink: SpanSink,
        service_name: str,
        observer: SpanObserver,
        max_queue: int = 20_000,
        batch_spans: int = 512,
        schedule_seconds: float = 1.0,
    ) -> None:
        self._sink = sink
        self._service_name = service_name
        self._observer = observer
        self._max_queue = max_queue
        self._batch_spans = batch_spans
        self._schedule_seconds = schedule_seconds
        self._closing = False
        self._reset()
        reset = weakref.WeakMethod(self._restart_in_child)
        os.register_at_fork(after_in_child=lambda: _call_if_alive(reset))

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span; called by the SDK on the thread that ended it."""
        context = span.get_span_context()
        if context is None or not context.trace_flags.sampled:
            return
        if self._closing or len(self._queue) >= self._max_queue:
            self._observer.dropped("shutdown" if self._closing else "queue_full", 1)
            return
        self._queue.append(span)
        self._observer.accepted(1)
        if len(self._queue) >= self._batch_spans:
            self._wake.set()

    def queue_length(self) -> int:
        """Spans that wait, the batch on its way included."""
        return len(self._queue) + self._in_flight

    def flush(self, timeout_seconds: float) -> bool:
        """Send what is queued now; True when nothing waits any more within `timeout_seconds`."""
        self._wake.set()
        self._hurry.set()
        with self._progress:
            return self._progress.wait_for(lambda: self.queue_length() == 0, timeout_seconds)

    def close(self, timeout_seconds: float) -> bool:
        """Send what is left, then stop. What is not delivered in time is counted as dropped; idempotent."""
        deadline = time.monotonic() + timeout_seconds
        if not self._closing:
            self._closing = True
            self.flush(timeout_seconds)
            self._stop.set()
            self._wake.set()
            self._hurry.set()
        self._worker.join(max(0.0, deadline - time.monotonic()))
        if not self._worker.is_alive():
            self._sink.close()
        lost = self.queue_length()
        if lost:
            self._observer.dropped("shutdown", lost)
            self._queue.clear()
        return lost == 0

    def shutdown(self) -> None:
        """Part of the SDK's interface; `close` is ours and has a deadline."""
        if not self._closing:
            self.close(_LAST_BACK_OFF_SECONDS)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Part of the SDK's interface; see `flush`."""
        return self.flush(timeout_millis / 1000)

    def _reset(self) -> None:
        self._queue: deque[ReadableSpan] = deque()
        self._batch: list[SpanEntry] = []
        self._in_flight = 0
        self._wake = threading.Event()  # there is something to send
        self._hurry = threading.Event()  # someone waits: cut a back-off short
        self._stop = threading.Event()
        self._progress = threading.Condition()
        self._worker = threading.Thread(target=self._run, name="telemetry-spans", daemon=True)
        self._worker.start()

    def _restart_in_child(self) -> None:
        # The parent's worker does not exist here and sends what was queued there.
        if not self._closing:
            self._reset()

    def _run(self) -> None:
        back_off_seconds = 0.0
        while True:
            if back_off_seconds:
                self._hurry.wait(back_off_seconds)
            else:
                self._wake.wait(self._schedule_seconds)
            self._wake.clear()
            self._hurry.clear()
            if self._send_all():
                if back_off_seconds:
                    _log.warning("the span sink is back")
                back_off_seconds = 0.0
            else:
                if not back_off_seconds:
                    _log.warning("the span sink is away; spans wait in memory until it is back")
                back_off_seconds = min(max(back_off_seconds * 2, _FIRST_BACK_OFF_SECONDS), _LAST_BACK_OFF_SECONDS)
            if self._stop.is_set():
                return

    def _send_all(self) -> bool:
        """Send until the queue is empty; False when the sink is away."""
        while self._batch or self._queue:
            self._batch = self._batch or self._take()
            outcome = self._send(self._batch) if self._batch else Outcome.DELIVERED
            if outcome is Outcome.RETRY:
                return False
            if outcome is Outcome.DELIVERED:
                self._observer.delivered(len(self._batch))
            else:
                self._observer.dropped("rejected", len(self._batch))
            self._batch = []
            self._in_flight = 0
        with self._progress:
            self._progress.notify_all()
        return True

    def _take(self) -> list[SpanEntry]:
        count = min(len(self._queue), self._batch_spans)
        self._in_flight = count  # before the queue shrinks: whoever waits for it to be empty waits for these too
        entries = []
        for _ in itertools.repeat(None, count):
            span = self._queue.popleft()
            try:
                entries.append(entry_of(span, self._service_name))
            except (TypeError, ValueError) as error:
                _log.warning("a span named %r cannot be exported: %s", span.name, error)
                self._observer.dropped("unserialisable", 1)
        return entries

    def _send(self, batch: list[SpanEntry]) -> Outcome:
        try:
            return self._sink.send(batch)
        except Exception:  # noqa: BLE001 -- a sink that raises is broken, and must not take the worker with it
            _log.exception("the span sink failed on a batch of %d", len(batch))
            return Outcome.REJECTED


def tracer_provider(
    resource: dict[str, AttributeValue], sampler: Sampler, processor: SpanProcessor | None
) -> TracerProvider:
    """A provider of our own: never made global, not tied to `atexit`, not read from OTEL_* variables.

    Without a processor spans have ids and pass context on, and are stored nowhere.
    """
    provider = TracerProvider(
        sampler=sampler,
        resource=Resource(resource),
        shutdown_on_exit=False,
        span_limits=SpanLimits(max_span_attributes=64, max_events=64, max_links=64),
    )
    if processor is not None:
        provider.add_span_processor(processor)
    return provider


def _call_if_alive(method: "weakref.WeakMethod[Callable[[], None]]") -> None:
    bound = method()
    if bound is not None:
        bound()
