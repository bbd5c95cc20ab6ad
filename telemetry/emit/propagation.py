"""W3C trace context in and out of headers and messages, without touching OpenTelemetry's global propagator."""

from collections.abc import Mapping, MutableMapping

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
TRACEPARENT = "traceparent"


def inject(headers: MutableMapping[str, str], context: Context | None = None) -> None:
    """Add `traceparent` (and `tracestate`) of the current span, or of `context`. Outside a span nothing is added.

    Baggage is not passed on: it would carry whatever a caller put into it to the next service.
    """
    _PROPAGATOR.inject(headers, context=context)


def extract(headers: Mapping[str, str]) -> Context:
    """The context a peer sent, to open a span with or link to; an empty context when there is none or it is malformed.

    Header names are matched without regard to case.
    """
    return _PROPAGATOR.extract({name.lower(): value for name, value in headers.items()}, context=Context())


def traceparent() -> str:
    """The W3C `traceparent` of the current span, or "" outside one."""
    # Every fact carries it. https://www.w3.org/TR/trace-context/#traceparent-header, as `inject` writes it.
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
