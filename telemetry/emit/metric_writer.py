"""Writes a reading of all metrics into the embedded store, on a thread of its own."""

import threading
from collections.abc import Sequence
from typing import Protocol

from telemetry.emit.metrics import Metrics
from telemetry.records import Outcome, Sample


class SampleSink(Protocol):
    """Takes readings of one service's metrics."""

    def write(self, samples: Sequence[Sample]) -> Outcome:
        """Store one reading; never raises."""

    def close(self) -> None:
        """Release what it holds."""


class MetricWriter:
    """Reads every metric each `interval_seconds` and once more at the end.

    What one reading fails to store, the next one brings: counters are totals.
    """

    def __init__(self, metrics: Metrics, sink: SampleSink, interval_seconds: float = 15.0) -> None:
        self._metrics = metrics
        self._sink = sink
        self._interval_seconds = interval_seconds
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="telemetry-metrics", daemon=True)
        self._thread.start()

    def write(self, timeout_seconds: float = 5.0) -> bool:
        """Store a reading now; False when the store did not take it or another reading took too long."""
        if not self._writing.acquire(timeout=timeout_seconds):
            return False
        try:
            return self._sink.write(self._metrics.samples()) is Outcome.DELIVERED
        finally:
            self._writing.release()

    def close(self, timeout_seconds: float) -> bool:
        """Store the last reading and stop; True when it was stored."""
        self._stop.set()
        self._thread.join(timeout_seconds)
        stored = self.write(timeout_seconds)
        self._sink.close()
        return stored

    def _run(self) -> None:
        while not self._stop.wait(self._interval_seconds):
            self.write()
