"""Logs, spans and metric samples of all services of a host in one SQLite file: for machines without Loki and Tempo."""

import math
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from telemetry.records import LogEntry, LogSink, Outcome, Sample, SpanEntry, SpanSink
from telemetry.sinks.clock import Clock
from telemetry.sinks.embedded_file import StoreFile, outcome_of
from telemetry.sinks.embedded_retention import Limits, Upkeep
from telemetry.sinks.embedded_rows import (
    TRACE_ID_BYTES,
    id_bytes,
    log_row,
    pack_labels,
    span_row,
    storable,
)
from telemetry.sinks.embedded_text import index_lines

# A reader looks back five minutes for a sample; one that does not change is repeated well before it would vanish.
REPEAT_AFTER_NS = 240 * 1_000_000_000
JOB = "sightline"  # what prometheus.yml calls the scrape of our services
SECONDS_PER_DAY = 86_400.0
_NS_PER_MS = 1_000_000


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

    def metric_sink(self) -> "MetricSink":
        """A sink for samples of this service's metrics."""
        return MetricSink(self._writer(), {"job": JOB, "service_name": self._service_name, "env": self._env})

    def maintain(self, budget_seconds: float = 60.0) -> bool:
        """Prune now, whoever holds the lease; True when nothing is left to do. Raises sqlite3.Error or OSError."""
        file = StoreFile(self._path)
        try:
            return self._upkeep.run(file, self._clock.time_ns(), budget_seconds)
        finally:
            file.close()

    def _writer(self) -> "_Writer":
        return _Writer(StoreFile(self._path), self._upkeep, self._clock)


class _Writer:
    """One sink's way to the file: a transaction per batch, then upkeep when it is due."""

    name = "embedded"

    def __init__(self, file: StoreFile, upkeep: Upkeep, clock: Clock) -> None:
        self._file = file
        self._upkeep = upkeep
        self._clock = clock
        self._known_connection: sqlite3.Connection | None = None

    def write(self, store: Callable[[sqlite3.Connection], None], forget: Callable[[], object]) -> Outcome:
        """Run `store` in a transaction; `forget` drops what was remembered of a file that is no longer the same."""
        try:
            if self._file.is_fresh(self._known_connection):
                forget()
                self._known_connection = self._file.connection()
            with self._file.transaction() as connection:
                store(connection)
        except Exception as error:  # noqa: BLE001 -- the outcome says it; a sink never raises
            forget()
            return self._after(error)
        try:
            self._upkeep.run_if_due(self._file, self._clock.time_ns())
        except (sqlite3.Error, OSError):
            # The batch is stored; upkeep comes by again in a minute and a full disk shows in the next batch.
            self._file.close()
        return Outcome.DELIVERED

    def close(self) -> None:
        self._file.close()

    def _after(self, error: Exception) -> Outcome:
        outcome = outcome_of(error)
        locked = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
        if outcome is Outcome.RETRY and not locked:
            self._file.close()
        return outcome


class _LogSink:
    name = "embedded"

    def __init__(self, writer: _Writer, service_name: str, env: str) -> None:
        self._writer = writer
        self._service_name = storable(service_name)
        self._env = storable(env)
        self._streams: dict[tuple[str, str], int] = {}

    def send(self, entries: Sequence[LogEntry]) -> Outcome:
        """Store a batch; lines that are stored already are left alone."""
        if not entries:
            return Outcome.DELIVERED
        return self._writer.write(lambda connection: self._store(connection, entries), self._streams.clear)

    def close(self) -> None:
        self._writer.close()

    def _store(self, connection: sqlite3.Connection, entries: Sequence[LogEntry]) -> None:
        rows = [log_row(entry, self._stream(connection, entry)) for entry in entries]
        (before,) = connection.execute(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'logs'), 0)"
        ).fetchone()
        connection.executemany(
            "INSERT OR IGNORE INTO logs (time_ns, stream_id, digest, trace_id, span_id, line, fields) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        index_lines(connection, before, min(row[0] for row in rows), max(row[0] for row in rows))

    def _stream(self, connection: sqlite3.Connection, entry: LogEntry) -> int:
        known = self._streams.get((entry.level, entry.logger))
        if known is not None:
            return known
        key = (self._service_name, self._env, storable(entry.level), storable(entry.logger))
        connection.execute("INSERT OR IGNORE INTO streams (service_name, env, level, logger) VALUES (?, ?, ?, ?)", key)
        (number,) = connection.execute(
            "SELECT id FROM streams WHERE service_name = ? AND env = ? AND level = ? AND logger = ?", key
        ).fetchone()
        self._streams[entry.level, entry.logger] = number
        return int(number)


class _SpanSink:
    name = "embedded"

    def __init__(self, writer: _Writer) -> None:
        self._writer = writer

    def send(self, spans: Sequence[SpanEntry]) -> Outcome:
        """Store a batch; spans that are stored already are left alone."""
        if not spans:
            return Outcome.DELIVERED
        return self._writer.write(lambda connection: _store_spans(connection, spans), lambda: None)

    def close(self) -> None:
        self._writer.close()


def _store_spans(connection: sqlite3.Connection, spans: Sequence[SpanEntry]) -> None:
    by_trace: dict[str, list[SpanEntry]] = {}
    for span in spans:
        by_trace.setdefault(span.trace_id, []).append(span)
    for trace_id, group in by_trace.items():
        trace = _store_trace(connection, trace_id, group)
        connection.executemany(
            "INSERT OR IGNORE INTO spans VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [span_row(span, trace) for span in group],
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


class MetricSink:
    """Writes samples of one service: what changed since the last write, and everything at least every four minutes.

    A series gets the labels that a scrape of the service by Prometheus gives it (`job`, `service_name`, `env`),
    unless the sample has them already; `instance` is missing, as there is no address.
    """

    name = "embedded"

    def __init__(self, writer: _Writer, target_labels: Mapping[str, str]) -> None:
        self._writer = writer
        self._target_labels = dict(target_labels)
        self._series: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
        self._written: dict[int, tuple[float, int]] = {}

    def write(self, samples: Sequence[Sample]) -> Outcome:
        """Store one reading of all metrics. Never raises; what RETRY loses, the next reading brings."""
        pending: dict[int, tuple[float, int]] = {}
        outcome = self._writer.write(lambda connection: self._store(connection, samples, pending), self._forget)
        if outcome is Outcome.DELIVERED:
            self._written.update(pending)
        return outcome

    def close(self) -> None:
        """Release the connection; a later `write` opens it again."""
        self._writer.close()

    def _forget(self) -> None:
        self._series.clear()
        self._written.clear()

    def _store(
        self, connection: sqlite3.Connection, samples: Iterable[Sample], pending: dict[int, tuple[float, int]]
    ) -> None:
        rows = []
        for sample in samples:
            series = self._series_id(connection, sample)
            if self._is_news(series, sample):
                pending[series] = (sample.value, sample.time_ns)
                # SQLite has no NaN and keeps NULL in its place.
                rows.append((series, sample.time_ns // _NS_PER_MS, sample.value))
        connection.executemany("INSERT OR REPLACE INTO samples VALUES (?, ?, ?)", rows)

    def _is_news(self, series: int, sample: Sample) -> bool:
        if series not in self._written:
            return True
        value, time_ns = self._written[series]
        same = value == sample.value or (math.isnan(value) and math.isnan(sample.value))
        return not same or sample.time_ns - time_ns >= REPEAT_AFTER_NS

    def _series_id(self, connection: sqlite3.Connection, sample: Sample) -> int:
        key = (sample.name, sample.labels)
        if key in self._series:
            return self._series[key]
        row = (sample.name, pack_labels({**self._target_labels, **dict(sample.labels)}.items()))
        connection.execute("INSERT OR IGNORE INTO series (metric, labels) VALUES (?, ?)", row)
        (number,) = connection.execute("SELECT id FROM series WHERE metric = ? AND labels = ?", row).fetchone()
        self._series[key] = int(number)
        return int(number)
