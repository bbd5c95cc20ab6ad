"""A Tempo that takes OTLP over HTTP and answers by trace id and by the part of TraceQL that Sightline speaks.

Answers are made from the protobuf messages by protobuf's own JSON rules, as Tempo makes them: ids in base64, 64-bit
numbers as strings, enums by name.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from tests.fakes.go_strings import NotALiteralError, read_literal
from tests.fakes.json_server import Answer, Asked, JsonServer

_NS = 1_000_000_000
_FIELD = re.compile(r"\s*(resource\.service\.name|name|duration|status)\s*(>=|=)\s*")
_DURATION = re.compile(r"(\d+)ns")
_STATUS = {"unset": Status.STATUS_CODE_UNSET, "ok": Status.STATUS_CODE_OK, "error": Status.STATUS_CODE_ERROR}
_HINT = " with (most_recent=true)"

Known = tuple[str, Span]
Check = Callable[[Known], bool]


class _ParseError(ValueError):
    pass


class FakeTempo(JsonServer):
    """Speaks OTLP's traces endpoint and Tempo's read API."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self._resource_spans: list[ResourceSpans] = []
        self.partial = False

    def _answer(self, asked: Asked) -> Answer:
        if (asked.method, asked.path) == ("POST", "/v1/traces"):
            request = ExportTraceServiceRequest.FromString(asked.body)
            self._resource_spans.extend(request.resource_spans)
            return Answer(200, ExportTraceServiceResponse().SerializeToString(), "application/x-protobuf")
        if asked.method == "GET" and asked.path.startswith("/api/v2/traces/"):
            return self._trace(asked.path.rpartition("/")[2])
        if (asked.method, asked.path) == ("GET", "/api/search"):
            return self._search(asked)
        return Answer(404, b"404 page not found\n", "text/plain")

    def _trace(self, trace_id: str) -> Answer:
        wanted = bytes.fromhex(trace_id)
        batches = []
        for resource in self._resource_spans:
            scopes = [
                ScopeSpans(scope=scope.scope, spans=[span for span in scope.spans if span.trace_id == wanted])
                for scope in resource.scope_spans
            ]
            scopes = [scope for scope in scopes if scope.spans]
            if scopes:
                batches.append(MessageToDict(ResourceSpans(resource=resource.resource, scope_spans=scopes)))
        if not batches:
            return Answer(404, b"trace not found", "text/plain")
        body: dict[str, Any] = {"trace": {"resourceSpans": batches}, "metrics": {"inspectedBytes": "1"}}
        if self.partial:
            body |= {"status": "PARTIAL", "message": "trace exceeds max size"}
        return Answer(200, json.dumps(body).encode())

    def _search(self, asked: Asked) -> Answer:
        try:
            checks = _parse(asked.params["q"])
        except _ParseError as error:
            return Answer(400, f"invalid TraceQL query: parse error at line 1, col 1: {error}".encode(), "text/plain")
        start, end = int(asked.params["start"]) * _NS, int(asked.params["end"]) * _NS
        summaries = []
        for trace_id, spans in self._by_trace().items():
            first = min(span.start_time_unix_nano for _, span in spans)
            last = max(span.end_time_unix_nano for _, span in spans)
            if first <= end and last >= start and any(all(check(span) for check in checks) for span in spans):
                summaries.append(_summary(trace_id, spans, first, last))
        summaries.sort(key=lambda summary: int(summary["startTimeUnixNano"]), reverse=True)
        body = {"traces": summaries[: int(asked.params.get("limit", "20"))], "metrics": {"totalBlocks": 1}}
        return Answer(200, json.dumps(body).encode())

    def _by_trace(self) -> dict[bytes, list[Known]]:
        found: dict[bytes, list[Known]] = {}
        for resource in self._resource_spans:
            names = [pair.value.string_value for pair in resource.resource.attributes if pair.key == "service.name"]
            for scope in resource.scope_spans:
                for span in scope.spans:
                    found.setdefault(span.trace_id, []).append((names[0] if names else "", span))
        return found


def _summary(trace_id: bytes, spans: list[Known], first: int, last: int) -> dict[str, Any]:
    roots = [(service, span.name) for service, span in spans if not span.parent_span_id]
    service, name = roots[0] if roots else ("<root span not yet received>", "")
    summary: dict[str, Any] = {
        "traceID": trace_id.hex().lstrip("0"),  # Tempo cuts leading zeros here, and only here
        "rootServiceName": service,
        "rootTraceName": name,
        "startTimeUnixNano": str(first),
        "durationMs": (last - first) // 1_000_000,
    }
    return {key: value for key, value in summary.items() if value not in ("", 0)}


def _parse(query: str) -> list[Check]:
    if not query.startswith("{"):
        raise _ParseError("syntax error: unexpected IDENTIFIER")
    at = 1
    checks: list[Check] = []
    while True:
        if query[at:].lstrip().startswith("}") and not checks:
            break
        try:
            check, at = _condition(query, at)
        except NotALiteralError as error:
            raise _ParseError(str(error)) from error
        checks.append(check)
        rest = query[at:].lstrip()
        if rest.startswith("}"):
            break
        if not rest.startswith("&&"):
            raise _ParseError(f"syntax error: unexpected {rest[:10]!r}")
        at = query.index("&&", at) + 2
    if query[query.index("}", at) + 1 :] not in ("", _HINT):
        raise _ParseError("syntax error behind }")
    return checks


def _condition(query: str, at: int) -> tuple[Check, int]:
    field = _FIELD.match(query, at)
    if field is None:
        raise _ParseError(f"syntax error: unexpected {query[at : at + 10]!r}")
    name, at = field.group(1), field.end()
    if name == "duration":
        duration = _DURATION.match(query, at)
        if duration is None:
            raise _ParseError("duration expected")
        least = int(duration.group(1))
        return (lambda known: known[1].end_time_unix_nano - known[1].start_time_unix_nano >= least), duration.end()
    if name == "status":
        word = next((word for word in _STATUS if query.startswith(word, at)), None)
        if word is None:
            raise _ParseError("status expected")
        return (lambda known: known[1].status.code == _STATUS[word]), at + len(word)
    wanted, at = read_literal(query, at)
    if name == "name":
        return (lambda known: known[1].name == wanted), at
    return (lambda known: known[0] == wanted), at
