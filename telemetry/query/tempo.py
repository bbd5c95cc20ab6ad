"""Traces from Tempo."""

import math
from typing import Any

from telemetry.query.backend import Backend
from telemetry.query.checks import check_trace_id, nanoseconds
from telemetry.query.ports import Results, Trace, TraceQuery, TraceSummary, trace_of
from telemetry.query.quoting import quoted
from telemetry.query.tempo_json import hexadecimal, spans_of
from telemetry.sinks.embedded_rows import storable

_SPARE_TRACES = 50
_NS = 1_000_000_000
_NO_ROOT = "<root span not yet received>"
_UNREADABLE = (KeyError, TypeError, IndexError, ValueError, AttributeError)


class TempoReader:
    """A `TraceReader` over Tempo's HTTP API (Tempo 2.8 and 3)."""

    def __init__(self, base_url: str, *, timeout_seconds: float = 10.0) -> None:
        self._backend = Backend("Tempo", base_url, timeout_seconds=timeout_seconds)

    def trace(self, trace_id: str) -> Trace | None:
        """One trace by id."""
        known_id = check_trace_id(trace_id)
        answer = self._backend.get(f"/api/v2/traces/{known_id}", {}, deadline=self._backend.deadline())
        if answer is None:
            return None
        try:
            spans = spans_of(answer.get("trace") or {})
            partial = answer.get("status") in ("PARTIAL", 1)
        except _UNREADABLE as error:
            raise self._backend.unexpected(f"{type(error).__name__}: {error}") from error
        return trace_of(known_id, spans, truncated=partial) if spans else None

    def search(self, query: TraceQuery) -> Results[TraceSummary]:
        """Traces that match. Tempo finds a new trace by search only after about 30 s; by id at once."""
        # Tempo takes whole seconds and also gives traces that only reach into the window: ask for a few more.
        asked = query.limit + _SPARE_TRACES
        start_ns, end_ns = nanoseconds(query.start), nanoseconds(query.end)
        params = {
            "q": traceql(query),
            "start": str(start_ns // _NS),
            "end": str(-(-end_ns // _NS)),
            "limit": str(asked),
        }
        answer = self._backend.get("/api/search", params, deadline=self._backend.deadline())
        try:
            found = [_summary(trace) for trace in answer.get("traces") or ()]
        except _UNREADABLE as error:
            raise self._backend.unexpected(f"{type(error).__name__}: {error}") from error
        inside = [summary for summary in found if start_ns <= summary.start_ns < end_ns]
        inside.sort(key=lambda summary: (-summary.start_ns, summary.trace_id))
        return Results(inside[: query.limit], truncated=len(inside) > query.limit or len(found) >= asked)

    def close(self) -> None:
        """Release connections."""
        self._backend.close()


def traceql(query: TraceQuery) -> str:
    """The TraceQL of a query."""
    conditions = []
    if query.service is not None:
        conditions.append(f"resource.service.name = {quoted(storable(query.service))}")
    if query.name is not None:
        conditions.append(f"name = {quoted(storable(query.name))}")
    if query.min_duration_seconds is not None:
        conditions.append(f"duration >= {math.ceil(query.min_duration_seconds * _NS)}ns")
    if query.status is not None:
        conditions.append(f"status = {query.status}")
    # Without the hint Tempo stops at the first traces it comes across, not at the newest.
    return f"{{ {' && '.join(conditions)} }} with (most_recent=true)"


def _summary(trace: dict[str, Any]) -> TraceSummary:
    root_service = str(trace.get("rootServiceName", ""))
    return TraceSummary(
        trace_id=hexadecimal(str(trace["traceID"]), 32),
        root_service_name="" if root_service == _NO_ROOT else root_service,
        root_name=str(trace.get("rootTraceName", "")),
        start_ns=int(trace["startTimeUnixNano"]),
        duration_seconds=int(trace.get("durationMs", 0)) / 1_000,
    )
