"""What each part of telemetry costs the caller, in microseconds."""

import timeit
from collections.abc import Callable, Sequence

from opentelemetry.trace import Tracer

from benchmarks.harness import markdown_table
from telemetry.catalogue import HTTP_CLIENT_DURATION, REQUEST_REFUSALS
from telemetry.emit.clock import SystemClock
from telemetry.emit.metrics import Metrics
from telemetry.emit.sampling import ForcedRoutesSampler
from telemetry.emit.traces import SpanPipeline, tracer_provider
from telemetry.records import Outcome, SpanEntry


def part_table(repetitions: int) -> str:
    """A Markdown table; each figure is the best of five rounds of `repetitions` calls."""
    metrics = Metrics(SystemClock())
    metrics.declare(HTTP_CLIENT_DURATION, "dependency", ["venue"])
    counter = metrics.counter(REQUEST_REFUSALS, reason="rate_limited")
    histogram = metrics.histogram(HTTP_CLIENT_DURATION, dependency="venue", outcome="2xx")
    outside: dict[str, Callable[[], object]] = {
        "counter, child kept: `inc()`": counter.inc,
        "histogram, child kept: `observe()`": lambda: histogram.observe(0.02),
        "counter, child kept, without exemplar: `add(1)`": lambda: counter.add(1),
        "counter, looked up each time: `metrics.counter(...).inc()`": lambda: metrics.counter(
            REQUEST_REFUSALS, reason="rate_limited"
        ).inc(),
    }
    rows = [(name, f"{_best(action, repetitions):.2f} us") for name, action in outside.items()]
    pipeline = SpanPipeline(sink=_Nowhere(), service_name="bench", observer=_Nobody(), max_queue=10_000_000)
    tracer = tracer_provider({"service.name": "bench"}, ForcedRoutesSampler(1.0), pipeline).get_tracer("bench")
    with tracer.start_as_current_span("work"):
        in_span = _best(counter.inc, repetitions)
    rows.append(("counter in a sampled span, with its exemplar: `inc()`", f"{in_span:.2f} us"))
    rows.append(
        ("span, start to end, with the worker's share up to the sink", f"{_span(tracer, pipeline, repetitions):.1f} us")
    )
    pipeline.close(10)
    page = _best(lambda: metrics.exposition("application/openmetrics-text"), 20)
    lines = metrics.exposition("")[0].count(b"\n")
    rows.append((f"rendering `/metrics`, {lines} lines, off the event loop", f"{page / 1000:.1f} ms"))
    return markdown_table(("part", "time"), rows)


def _best(action: Callable[[], object], repetitions: int) -> float:
    return min(timeit.repeat(action, number=repetitions, repeat=5)) / repetitions * 1e6


def _span(tracer: Tracer, pipeline: SpanPipeline, repetitions: int) -> float:
    def spans() -> None:
        for _ in range(repetitions // 10):
            with tracer.start_as_current_span("work") as span:
                span.set_attribute("sightline.outcome", "handled")
        pipeline.flush(60)

    return min(timeit.repeat(spans, number=1, repeat=3)) / (repetitions // 10) * 1e6


class _Nowhere:
    def send(self, spans: Sequence[SpanEntry]) -> Outcome:
        return Outcome.DELIVERED if spans else Outcome.REJECTED

    def close(self) -> None:
        pass


class _Nobody:
    def accepted(self, count: int) -> None:
        pass

    def delivered(self, count: int) -> None:
        pass

    def dropped(self, reason: str, count: int) -> None:
        raise RuntimeError(f"{count} spans dropped: {reason}")
