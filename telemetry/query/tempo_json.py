"""Spans out of Tempo's JSON: OTLP's field names, ids in base64 or hexadecimal by version, numbers as strings."""

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from telemetry.records import AttributeValue, SpanEntry, SpanEvent, SpanLink

_KINDS = ("internal", "internal", "server", "client", "producer", "consumer")
_STATUSES = ("unset", "ok", "error")
_TRACE_DIGITS = 32
_SPAN_DIGITS = 16


def spans_of(trace: dict[str, Any]) -> list[SpanEntry]:
    """All spans. Raises KeyError, TypeError or ValueError for what is not a trace."""
    # `batches` is what versions before 2.7 and the first version of the API call it.
    return [
        _span(span, _service_name(resource.get("resource") or {}))
        for resource in trace.get("resourceSpans") or trace.get("batches") or ()
        for scope in resource.get("scopeSpans") or ()
        for span in scope.get("spans") or ()
    ]


def hexadecimal(text: str, digits: int) -> str:
    """An id in lower-case hexadecimal digits, whichever way it was written; leading zeros may be missing."""
    if not text:
        return ""
    if text.endswith("="):
        return base64.b64decode(text, validate=True).hex()
    int(text, 16)
    return text.lower().rjust(digits, "0")


def _span(span: dict[str, Any], service_name: str) -> SpanEntry:
    status = span.get("status") or {}
    return SpanEntry(
        trace_id=hexadecimal(span["traceId"], _TRACE_DIGITS),
        span_id=hexadecimal(span["spanId"], _SPAN_DIGITS),
        parent_span_id=hexadecimal(span.get("parentSpanId", ""), _SPAN_DIGITS),
        name=span.get("name", ""),
        kind=_enumerated(span.get("kind", 0), "SPAN_KIND_", _KINDS),
        service_name=service_name,
        start_ns=int(span["startTimeUnixNano"]),
        end_ns=int(span["endTimeUnixNano"]),
        status=_enumerated(status.get("code", 0), "STATUS_CODE_", _STATUSES),
        status_message=status.get("message", ""),
        attributes=_attributes(span.get("attributes") or ()),
        events=tuple(
            SpanEvent(int(event["timeUnixNano"]), event.get("name", ""), _attributes(event.get("attributes") or ()))
            for event in span.get("events") or ()
        ),
        links=tuple(
            SpanLink(
                hexadecimal(link["traceId"], _TRACE_DIGITS),
                hexadecimal(link["spanId"], _SPAN_DIGITS),
                _attributes(link.get("attributes") or ()),
            )
            for link in span.get("links") or ()
        ),
    )


def _service_name(resource: dict[str, Any]) -> str:
    return str(_attributes(resource.get("attributes") or ()).get("service.name", ""))


def _enumerated(value: str | int, prefix: str, names: tuple[str, ...]) -> str:
    if isinstance(value, int):
        return names[value] if value < len(names) else names[0]
    name = value.removeprefix(prefix).lower()
    return name if name in names else names[0]


def _attributes(pairs: Iterable[dict[str, Any]]) -> Mapping[str, AttributeValue]:
    return {pair["key"]: _value(pair.get("value") or {}) for pair in pairs}


def _value(value: dict[str, Any]) -> AttributeValue:
    if "stringValue" in value:
        return str(value["stringValue"])
    if "boolValue" in value:
        return bool(value["boolValue"])
    if "intValue" in value:
        return int(value["intValue"])
    if "doubleValue" in value:
        return float(value["doubleValue"])
    return json.dumps(value, sort_keys=True) if value else ""
