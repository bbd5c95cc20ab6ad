"""One trace from the wish to the venue's answer; what comes later, a fill, links to it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Tracer

from services.contracts.orders import OrderIntent
from services.trading.orders.order import Order
from telemetry.emit.propagation import TRACEPARENT, extract

TRACER_NAME: Final = "services.trading.desk"


@contextmanager
def submitting(tracer: Tracer, intent: OrderIntent) -> Iterator[Span]:
    """The span of everything that is done about a wish.

    It belongs to the trace of the wish. A call that is part of another trace, as when a pipeline tells a wish again,
    is linked to.
    """
    here = trace.get_current_span().get_span_context()
    wished = _context_of(intent.traceparent)
    if wished is None or here.trace_id == wished.trace_id:
        context, links = None, []
    else:
        context, links = extract({TRACEPARENT: intent.traceparent}), [Link(here)] if here.is_valid else []
    with tracer.start_as_current_span(
        "submit order",
        context=context,
        links=links,
        attributes={"sightline.intent.id": intent.intent_id},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


@contextmanager
def sending(tracer: Tracer, order: Order) -> Iterator[Span]:
    """The span of one call that brings an order to a venue."""
    with tracer.start_as_current_span(
        "send order",
        kind=SpanKind.CLIENT,
        attributes={
            "sightline.venue": order.venue,
            "sightline.order.id": order.client_order_id,
            "sightline.order.route": order.route,
        },
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def booking(tracer: Tracer, order: Order) -> Span:
    """A span for a fill that is worked in: a trace of its own, linked to the submit that it belongs to.

    It is not the current one yet, and whoever asked for it has to end it.
    """
    submitted = _context_of(order.traceparent)
    return tracer.start_span(
        "book fill",
        context=Context(),
        links=[Link(submitted)] if submitted is not None else [],
        attributes={"sightline.venue": order.venue, "sightline.order.id": order.client_order_id},
    )


def _context_of(traceparent: str) -> SpanContext | None:
    if not traceparent:
        return None
    context = trace.get_current_span(extract({TRACEPARENT: traceparent})).get_span_context()
    return context if context.is_valid else None
