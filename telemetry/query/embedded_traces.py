"""Traces from the embedded store."""

import math

from telemetry.query.checks import check_trace_id, nanoseconds
from telemetry.query.embedded_pool import ReadPool
from telemetry.query.ports import Results, Trace, TraceQuery, TraceSummary, trace_of
from telemetry.sinks.embedded_rows import span_from_row, storable

MAX_SPANS = 10_000
_NS = 1_000_000_000
_NS_PER_MS = 1_000_000


class EmbeddedTraceReader:
    """A `TraceReader` over the embedded store."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def trace(self, trace_id: str) -> Trace | None:
        """One trace by id, its first 10,000 spans."""
        known_id = check_trace_id(trace_id)
        with self._pool.reading() as connection:
            rows = connection.execute(
                "SELECT span_id, parent_span_id, service_name, name, kind, status, status_message, start_ns, end_ns, "
                "details FROM spans WHERE trace = (SELECT id FROM traces WHERE trace_id = ?) LIMIT ?",
                (bytes.fromhex(known_id), MAX_SPANS + 1),
            ).fetchall()
        if not rows:
            return None
        spans = (span_from_row(known_id, row) for row in rows[:MAX_SPANS])
        return trace_of(known_id, spans, truncated=len(rows) > MAX_SPANS)

    def search(self, query: TraceQuery) -> Results[TraceSummary]:
        """Traces that match, newest first."""
        conditions: list[str] = []
        values: list[object] = [nanoseconds(query.start), nanoseconds(query.end)]
        for column, value in (("service_name", query.service), ("name", query.name), ("status", query.status)):
            if value is not None:
                conditions.append(f"spans.{column} = ?")
                values.append(storable(value))
        if query.min_duration_seconds is not None:
            conditions.append("spans.end_ns - spans.start_ns >= ?")
            values.append(math.ceil(query.min_duration_seconds * _NS))
        one_span = "".join(f" AND {condition}" for condition in conditions)
        with self._pool.reading() as connection:
            rows = connection.execute(
                "SELECT trace_id, root_service_name, root_name, start_ns, end_ns FROM traces "  # noqa: S608 -- fixed words only; every value is bound
                "WHERE start_ns >= ? AND start_ns < ? "
                f"AND EXISTS (SELECT 1 FROM spans WHERE spans.trace = traces.id{one_span}) "
                "ORDER BY start_ns DESC, trace_id LIMIT ?",
                (*values, query.limit + 1),
            ).fetchall()
        found = [
            TraceSummary(trace_id.hex(), service, name, start_ns, (end_ns - start_ns) // _NS_PER_MS / 1_000)
            for trace_id, service, name, start_ns, end_ns in rows
        ]
        return Results(found[: query.limit], truncated=len(found) > query.limit)

    def close(self) -> None:
        """Release connections."""
        self._pool.close()
