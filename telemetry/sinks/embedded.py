"""Logs, spans and metric samples of all services of a host in one SQLite file: for machines without Loki and Tempo."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from telemetry.records import LogEntry, LogSink, Outcome, SpanEntry, SpanSink
from telemetry.sinks.clock import Clock
from telemetry.sinks.embedded_file import StoreFile
from telemetry.sinks.embedded_retention import Limits, Upkeep
from telemetry.sinks.embedded_rows import (
    TRACE_ID_BYTES,
    LogRow,
    id_bytes,
    log_row,
    span_row,
    storable,
)
from telemetry.sinks.embedded_samples import MetricSink
from telemetry.sinks.embedded_text import index_lines
from telemetry.sinks.embedded_writer import Writer

JOB = "sightline"  # what prometheus.yml calls the scrape of our services
SECONDS_PER_DAY = 86_400.0
_StreamKey = tuple[str, str]  # level, logger


class EmbeddedStore:
    """The writing side of the store; every process of a host may have one on the same file.

    Nothing is opened until a sink is first used. A sink never raises: a locked, full or damaged file means RETRY,
    data that can never be stored means REJECTED, and a batch sent twice is stored once.

    Args:
        path: The file. It is made with mode 0600, a missing directory with 0700.
        service_name: Label of everything written through this store (spans carry their own).
        env: Environment label of everything written.
        retention_days: What is older is deleted.
        max_bytes: Above this much data the oldest is deleted, whichever signal it belongs to. The write-ahead log,
            up to 64 MiB for a moment, comes on top.
        clock: Tells what is old.
    """

    def __init__(  # noqa: PLR0913 -- one keyword per fact about the store
        self,
        path: Path,
        *,
        service_name: str,
        env: str,
        retention_days: float = 7,
        max_bytes: int = 512 * 1024 * 1024,
        clock: Clock,
    ) -> None:
        self._path = path
        self._service_name = service_name
        self._env = env
        self._clock = clock
        self._upkeep = Upkeep(Limits(retention_days * SECONDS_PER_DAY, max_bytes))

    def log_sink(self) -> LogSink:
        """A sink for this service's log lines."""
        return _LogSink(self._writer(), self._service_name, self._env)

    def span_sink(self) -> SpanSink:
        """A sink for spans."""
        return _SpanSink(self._writer())

    def metric_sink(self) -> MetricSink:
        """A sink for samples of this service's metrics."""
        return MetricSink(self._writer(), {"job": JOB, "service_name": self._service_name, "env": self._env})

    def maintain(self, budget_seconds: float = 60.0) -> bool:
        """Prune now, whoever holds the lease; True when nothing is left to do. Raises sqlite3.Error or OSError."""
        file = StoreFile(self._path)
        try:
            return self._upkeep.run(file, self._clock.time_ns(), budget_seconds)
        finally:
            file.close()

    def _writer(self) -> Writer:
        return Writer(StoreFile(self._path), self._upkeep, self._clock)


class _LogSink:
    name = "embedded"

    def __init__(self, writer: Writer, service_name: str, env: str) -> None:
        self._writer = writer
        self._service_name = storable(service_name)
        self._env = storable(env)
        self._streams: dict[_StreamKey, int] = {}

    def send(self, entries: Sequence[LogEntry]) -> Outcome:
        """Store a batch; lines that are stored already are left alone."""
        if not entries:
            return Outcome.DELIVERED
        return self._writer.write(
            lambda: [((entry.level, entry.logger), log_row(entry)) for entry in entries],
            self._store,
            self._streams.clear,
        )

    def close(self) -> None:
        self._writer.close()

    def _store(self, connection: sqlite3.Connection, prepared: Sequence[tuple[_StreamKey, LogRow]]) -> None:
        rows = [(self._stream(connection, key), *row) for key, row in prepared]
        (before,) = connection.execute(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'logs'), 0)"
        ).fetchone()
        connection.executemany(
            "INSERT OR IGNORE INTO logs (stream_id, time_ns, digest, trace_id, span_id, line, fields) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        index_lines(connection, before, min(row[1] for row in rows), max(row[1] for row in rows))

    def _stream(self, connection: sqlite3.Connection, key: _StreamKey) -> int:
        known = self._streams.get(key)
        if known is not None:
            return known
        row = (self._service_name, self._env, *(storable(part) for part in key))
        connection.execute("INSERT OR IGNORE INTO streams (service_name, env, level, logger) VALUES (?, ?, ?, ?)", row)
        (number,) = connection.execute(
            "SELECT id FROM streams WHERE service_name = ? AND env = ? AND level = ? AND logger = ?", row
        ).fetchone()
        self._streams[key] = number
        return int(number)


class _SpanSink:
    name = "embedded"

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def send(self, spans: Sequence[SpanEntry]) -> Outcome:
        """Store a batch; spans that are stored already are left alone."""
        if not spans:
            return Outcome.DELIVERED
        return self._writer.write(lambda: _by_trace(spans), _store_spans, lambda: None)

    def close(self) -> None:
        self._writer.close()


def _by_trace(spans: Sequence[SpanEntry]) -> list[tuple[str, list[SpanEntry], list[tuple[object, ...]]]]:
    found: dict[str, list[SpanEntry]] = {}
    for span in spans:
        found.setdefault(span.trace_id, []).append(span)
    return [(trace_id, group, [span_row(span) for span in group]) for trace_id, group in found.items()]


def _store_spans(
    connection: sqlite3.Connection, prepared: Sequence[tuple[str, list[SpanEntry], list[tuple[object, ...]]]]
) -> None:
    for trace_id, group, rows in prepared:
        trace = _store_trace(connection, trace_id, group)
        connection.executemany(
            "INSERT OR IGNORE INTO spans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", [(trace, *row) for row in rows]
        )


def _store_trace(connection: sqlite3.Connection, trace_id: str, spans: Sequence[SpanEntry]) -> int:
    root = next((span for span in spans if not span.parent_span_id), None)
    (number,) = connection.execute(
        "INSERT INTO traces (trace_id, start_ns, end_ns, root_service_name, root_name) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (trace_id) DO UPDATE SET start_ns = min(start_ns, excluded.start_ns), "
        "end_ns = max(end_ns, excluded.end_ns), "
        "root_service_name = iif(root_service_name = '', excluded.root_service_name, root_service_name), "
        "root_name = iif(root_name = '', excluded.root_name, root_name) RETURNING id",
        (
            id_bytes(trace_id, TRACE_ID_BYTES),
            min(span.start_ns for span in spans),
            max(span.end_ns for span in spans),
            storable(root.service_name) if root else "",
            storable(root.name) if root else "",
        ),
    ).fetchone()
    return int(number)
