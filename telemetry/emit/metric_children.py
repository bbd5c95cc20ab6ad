"""Prometheus children that attach an exemplar by themselves: the trace in which something was counted."""

import prometheus_client
from opentelemetry import trace

Gauge = prometheus_client.Gauge


def current_exemplar() -> dict[str, str] | None:
    """The exemplar labels of the current span, or None outside a span and in a span that is not sampled.

    A trace that was not sampled is stored nowhere, so pointing at it would be a dead link.
    """
    span = trace.get_current_span()
    if span is trace.INVALID_SPAN:
        return None
    context = span.get_span_context()
    if not context.trace_flags.sampled:
        return None
    return {"trace_id": format(context.trace_id, "032x")}


class Counter(prometheus_client.Counter):
    """A counter whose last increment inside a sampled span is kept as its exemplar."""

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:
        """Add `amount`, which must not be negative; `exemplar` overrides the current span's."""
        super().inc(amount, exemplar or current_exemplar())

    def add(self, amount: float) -> None:
        """`inc` without an exemplar, at half its cost: for what no single request caused."""
        super().inc(amount)


class Histogram(prometheus_client.Histogram):
    """A histogram that keeps, per bucket, the trace of its last observation inside a sampled span."""

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Record `amount` in the metric's unit; `exemplar` overrides the current span's."""
        super().observe(amount, exemplar or current_exemplar())
