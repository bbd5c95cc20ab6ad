"""Log lines from the embedded store."""

import json
import sqlite3
from typing import NamedTuple

from telemetry.query.checks import nanoseconds
from telemetry.query.embedded_pool import ReadPool
from telemetry.query.ports import LogLine, LogQuery, Results
from telemetry.sinks.embedded_rows import id_text, unpack_fields
from telemetry.sinks.embedded_text import candidates

# Up to this many hits are looked up one by one (some 5 us each); text that is more frequent than that is found
# faster by walking through the window, which also stops at the limit.
MOST_CANDIDATES = 5_000


_Row = tuple[int, int, str, bytes | None, bytes | None, str | None]


class _Stream(NamedTuple):
    service_name: str
    env: str
    level: str
    logger: str


class EmbeddedLogReader:
    """A `LogReader` over the embedded store."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def search(self, query: LogQuery) -> Results[LogLine]:
        """Lines that match."""
        with self._pool.reading() as connection:
            streams = _streams(connection, query)
            if not streams:
                return Results()
            rows = _rows(connection, query, streams)
        lines = sorted((_line(streams, row) for row in rows), reverse=query.newest_first)
        return Results(lines[: query.limit], truncated=len(lines) > query.limit)

    def close(self) -> None:
        """Release connections."""
        self._pool.close()


def _streams(connection: sqlite3.Connection, query: LogQuery) -> dict[int, _Stream]:
    levels = query.wanted_levels()
    found = {}
    for number, *labels in connection.execute("SELECT id, service_name, env, level, logger FROM streams"):
        stream = _Stream(*labels)
        if (
            (not query.services or stream.service_name in query.services)
            and (not levels or stream.level in levels)
            and (query.logger is None or stream.logger == query.logger)
        ):
            found[number] = stream
    return found


def _rows(connection: sqlite3.Connection, query: LogQuery, streams: dict[int, _Stream]) -> list[_Row]:
    # Which index is used is said here and not left to the planner: it has no statistics to go by.
    source, conditions = "logs INDEXED BY logs_by_time", []
    values: list[object] = []
    start_ns, end_ns = nanoseconds(query.start), nanoseconds(query.end)
    if query.trace_id is not None:
        source = "logs INDEXED BY logs_by_trace"
        conditions.append("trace_id = ?")
        values.append(bytes.fromhex(query.trace_id))
    elif (hits := candidates(connection, query.text, start_ns, end_ns, MOST_CANDIDATES)) is not None:
        source = "logs NOT INDEXED"
        conditions.append("id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(hits))
    conditions += ["time_ns >= ?", "time_ns < ?", "stream_id IN (SELECT value FROM json_each(?))"]
    values += [start_ns, end_ns, json.dumps(list(streams))]
    if query.text:
        conditions.append("instr(line, ?) > 0")
        values.append(query.text)
    if query.has_field is not None:
        # Reading the JSON of every line costs ten times as much as looking for the name in it first.
        conditions.append("instr(fields, ?) > 0 AND json_extract(fields, ?) <> ''")
        values += [json.dumps(query.has_field), f"$.{query.has_field}"]
    order = "DESC" if query.newest_first else "ASC"
    return connection.execute(
        f"SELECT time_ns, stream_id, line, trace_id, span_id, fields FROM {source} "  # noqa: S608 -- fixed words only; every value is bound
        f"WHERE {' AND '.join(conditions)} ORDER BY time_ns {order} LIMIT ?",
        (*values, query.limit + 1),
    ).fetchall()


def _line(streams: dict[int, _Stream], row: _Row) -> LogLine:
    time_ns, stream_id, line, trace_id, span_id, fields = row
    stream = streams[stream_id]
    return LogLine(
        time_ns=time_ns,
        service_name=stream.service_name,
        env=stream.env,
        level=stream.level,
        logger=stream.logger,
        line=line,
        trace_id=id_text(trace_id),
        span_id=id_text(span_id),
        fields=unpack_fields(fields),
    )
