"""Turns a finished span into what may leave the process.

Everything a sink sees of a span passes through `entry_of`, so what is not admitted here cannot be sent: attributes are
those of the catalogue's allow-list, an exception keeps its type alone, and a name holds no id and no path.
"""

import re
from collections.abc import Mapping
from typing import Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, format_span_id, format_trace_id
from opentelemetry.util.types import Attributes

from telemetry.catalogue import SPAN_ATTRIBUTES
from telemetry.records import AttributeValue, SpanEntry, SpanEvent, SpanLink

UNNAMED: Final = "unnamed"
_MAX_VALUE_LENGTH = 256
_NOTHING: Final[Mapping[str, AttributeValue]] = {}
# Words, templates ("/orders/{order_id}"), dotted names. No query string, no quotation, nothing percent-encoded.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/{}<> -]{0,119}")
# A run of digits, a long hexadecimal run: an id that belongs in an attribute.
_ID_IN_NAME = re.compile(r"[0-9]{4,}|[0-9a-fA-F]{16,}|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-")


def entry_of(span: ReadableSpan, service_name: str) -> SpanEntry:
    """The exportable form of a finished span.

    Raises:
        ValueError: The span has no context or has not ended.
    """
    context = span.get_span_context()
    if context is None or span.start_time is None or span.end_time is None:
        raise ValueError("only a span that has started and ended can be exported")
    attributes = _admitted(span.attributes)
    return SpanEntry(
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        parent_span_id=_span_id(span.parent),
        name=_name(span, attributes),
        kind=span.kind.name.lower(),
        service_name=service_name,
        start_ns=span.start_time,
        end_ns=span.end_time,
        status=span.status.status_code.name.lower(),
        status_message="",  # OpenTelemetry fills it with the exception's text
        attributes=attributes,
        events=tuple(_event(event) for event in span.events),
        links=tuple(_link(link) for link in span.links),
    )


def safe_name(name: str) -> str:
    """`name`, or "unnamed" when it holds something that belongs into an attribute or nowhere."""
    return name if _NAME.fullmatch(name) and not _ID_IN_NAME.search(name) else UNNAMED


def _name(span: ReadableSpan, attributes: Mapping[str, AttributeValue]) -> str:
    if span.kind is not SpanKind.SERVER:
        return safe_name(span.name)
    # Built anew, for a framework names the span after the path until it knows the route.
    method = str(attributes.get("http.request.method", ""))
    route = str(attributes.get("http.route", ""))
    return f"{method} {route}".strip() or safe_name(span.name)


def _admitted(attributes: Attributes) -> Mapping[str, AttributeValue]:
    if not attributes:
        return _NOTHING
    admitted: dict[str, AttributeValue] = {}
    for key in attributes:  # not items(): the SDK's mapping answers that twice as slowly
        if key not in SPAN_ATTRIBUTES:
            continue
        value = attributes[key]
        if isinstance(value, str):
            admitted[key] = value[:_MAX_VALUE_LENGTH]
        elif isinstance(value, bool | int | float):
            admitted[key] = value
    return admitted


def _event(event: Event) -> SpanEvent:
    return SpanEvent(event.timestamp, safe_name(event.name), _admitted(event.attributes))


def _link(link: Link) -> SpanLink:
    return SpanLink(
        format_trace_id(link.context.trace_id), format_span_id(link.context.span_id), _admitted(link.attributes)
    )


def _span_id(context: SpanContext | None) -> str:
    return format_span_id(context.span_id) if context is not None else ""
