"""How log lines, spans and labels are laid out in the embedded store's columns, both ways."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from telemetry.records import AttributeValue, LogEntry, SpanEntry, SpanEvent, SpanLink

TRACE_ID_BYTES = 16
SPAN_ID_BYTES = 8

# One encoder for all: making one costs more than encoding a line's fields.
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)

LogRow = tuple[int, int, bytes | None, bytes | None, str, str | None]


def storable(text: str) -> str:
    """The text with each lone surrogate, which UTF-8 cannot hold, as U+FFFD; JSON readers do the same."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def id_bytes(text: str, length: int) -> bytes | None:
    """Hexadecimal id as bytes, None for "". Raises ValueError for anything else that is not an id."""
    if not text:
        return None
    value = bytes.fromhex(text)
    if len(value) != length:
        raise ValueError(f"an id of {length} bytes expected, not {text[:80]!r}")
    return value


def id_text(value: bytes | None) -> str:
    """Bytes of an id as hexadecimal digits, "" for None."""
    return value.hex() if value else ""


def log_row(entry: LogEntry) -> LogRow:
    """Columns time_ns, digest, trace_id, span_id, line, fields. Raises ValueError for a malformed id."""
    trace_id, span_id = id_bytes(entry.trace_id, TRACE_ID_BYTES), id_bytes(entry.span_id, SPAN_ID_BYTES)
    fields = {name: value for name, value in entry.fields if value}
    packed = _COMPACT.encode(fields) if fields else None
    try:
        identity = "\x1f".join((entry.trace_id, entry.span_id, packed or "", entry.line)).encode()
    except UnicodeEncodeError:
        clean = tuple((storable(name), storable(value)) for name, value in entry.fields)
        return log_row(entry._replace(line=storable(entry.line), fields=clean))
    digest = int.from_bytes(hashlib.blake2b(identity, digest_size=8).digest(), "big", signed=True)
    return (entry.time_ns, digest, trace_id, span_id, entry.line, packed)


def unpack_fields(packed: str | None) -> tuple[tuple[str, str], ...]:
    """Extra fields of a line, sorted by name."""
    return tuple(sorted(json.loads(packed).items())) if packed else ()


def span_row(span: SpanEntry) -> tuple[object, ...]:
    """Columns of `spans` without the first. Raises ValueError or TypeError for what cannot be stored."""
    if not span.span_id:
        raise ValueError("a span needs an id")
    details = {
        "attributes": dict(span.attributes),
        "events": [(event.time_ns, event.name, dict(event.attributes)) for event in span.events],
        "links": [(link.trace_id, link.span_id, dict(link.attributes)) for link in span.links],
    }
    return (
        id_bytes(span.span_id, SPAN_ID_BYTES),
        id_bytes(span.parent_span_id, SPAN_ID_BYTES),
        storable(span.service_name),
        storable(span.name),
        span.kind,
        span.status,
        storable(span.status_message),
        span.start_ns,
        span.end_ns,
        # ASCII: a lone surrogate inside an attribute stays an escape and harms nothing.
        json.dumps({name: value for name, value in details.items() if value}, separators=(",", ":")),
    )


def span_from_row(trace_id: str, row: Sequence[object]) -> SpanEntry:
    """The span that `span_row` laid out, from the same columns."""
    span_id, parent, service, name, kind, status, message, start_ns, end_ns, packed = row
    details: dict[str, object] = json.loads(str(packed))
    return SpanEntry(
        trace_id=trace_id,
        span_id=id_text(_as_bytes(span_id)),
        parent_span_id=id_text(_as_bytes(parent)),
        name=str(name),
        kind=str(kind),
        service_name=str(service),
        start_ns=_as_int(start_ns),
        end_ns=_as_int(end_ns),
        status=str(status),
        status_message=str(message),
        attributes=_attributes(details.get("attributes", {})),
        events=tuple(
            SpanEvent(_as_int(time_ns), str(label), _attributes(attributes))
            for time_ns, label, attributes in _triples(details.get("events", ()))
        ),
        links=tuple(
            SpanLink(str(linked), str(span), _attributes(attributes))
            for linked, span, attributes in _triples(details.get("links", ()))
        ),
    )


def pack_labels(labels: Iterable[tuple[str, str]]) -> str:
    """Labels as they name a series: JSON, sorted by name."""
    present = {storable(name): storable(value) for name, value in labels if value}
    return _COMPACT.encode(present)


def unpack_labels(packed: str) -> tuple[tuple[str, str], ...]:
    """Labels of a series, sorted by name."""
    return tuple(sorted(json.loads(packed).items()))


def _as_bytes(value: object) -> bytes | None:
    return value if isinstance(value, bytes) else None


def _as_int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"a whole number expected, not {value!r}: the store is damaged")
    return value


def _attributes(value: object) -> Mapping[str, AttributeValue]:
    if not isinstance(value, dict):
        raise TypeError(f"attributes expected, not {value!r}: the store is damaged")
    return value


def _triples(value: object) -> Iterable[tuple[object, object, object]]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"a list expected, not {value!r}: the store is damaged")
    return (tuple(item) for item in value)
