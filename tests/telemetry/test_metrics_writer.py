"""Readings of all metrics reach the embedded store while the service runs and once more when it ends."""

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from telemetry.catalogue import REQUEST_REFUSALS
from telemetry.emit.clock import SystemClock
from telemetry.emit.metric_writer import MetricWriter
from telemetry.emit.metrics import Metrics
from telemetry.records import Outcome, Sample


class KeepingSink:
    """Keeps readings and rings for each."""

    def __init__(self) -> None:
        self.outcome = Outcome.DELIVERED
        self.readings: list[Sequence[Sample]] = []
        self.closed = False
        self._changed = threading.Condition()

    def write(self, samples: Sequence[Sample]) -> Outcome:
        with self._changed:
            self.readings.append(samples)
            self._changed.notify_all()
        return self.outcome

    def close(self) -> None:
        self.closed = True

    def wait_for(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.readings) >= count, 5)


@pytest.fixture
def sink() -> KeepingSink:
    return KeepingSink()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(SystemClock())


@pytest.fixture
def make_writer(sink: KeepingSink, metrics: Metrics) -> Iterator[Callable[[float], MetricWriter]]:
    made: list[MetricWriter] = []

    def make(interval_seconds: float) -> MetricWriter:
        made.append(MetricWriter(metrics, sink, interval_seconds))
        return made[-1]

    yield make
    for writer in made:
        writer.close(5)


def test_run_when_intervals_pass_then_each_brings_a_reading(
    make_writer: Callable[[float], MetricWriter], sink: KeepingSink
) -> None:
    make_writer(0.01)

    assert sink.wait_for(3)


def test_close_when_something_was_counted_last_then_the_final_reading_holds_it(
    make_writer: Callable[[float], MetricWriter], sink: KeepingSink, metrics: Metrics
) -> None:
    writer = make_writer(3600)
    metrics.counter(REQUEST_REFUSALS, reason="rate_limited").inc()

    assert writer.close(5)
    labels = (("reason", "rate_limited"),)
    assert [s.value for s in sink.readings[0] if s.name == REQUEST_REFUSALS.name and s.labels == labels] == [1.0]
    assert sink.closed


def test_close_when_the_store_does_not_take_it_then_that_is_said(
    make_writer: Callable[[float], MetricWriter], sink: KeepingSink
) -> None:
    sink.outcome = Outcome.RETRY

    assert make_writer(3600).close(5) is False
