"""Ids of the span that is open around a log call."""

from functools import lru_cache

from opentelemetry import trace


def current_span_ids() -> tuple[str, str]:
    """Return (trace id, span id) of the current span in hexadecimal, ("", "") outside of one."""
    context = trace.get_current_span().get_span_context()
    return _hexadecimal(context.trace_id, context.span_id) if context.is_valid else ("", "")


@lru_cache(maxsize=1_024)
def _hexadecimal(trace_id: int, span_id: int) -> tuple[str, str]:
    # A span logs several times; formatting both ids takes longer than the rest of this module.
    return trace.format_trace_id(trace_id), trace.format_span_id(span_id)
