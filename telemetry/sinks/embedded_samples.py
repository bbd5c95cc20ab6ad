"""Writes readings of a service's metrics into the embedded store, leaving out what a reader would see anyway."""

import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from telemetry.records import Outcome, Sample
from telemetry.sinks.embedded_rows import pack_labels
from telemetry.sinks.embedded_writer import Writer

# A reader looks back five minutes for a sample; one that does not change is repeated well before it would vanish.
REPEAT_AFTER_NS = 240 * 1_000_000_000
_NS_PER_MS = 1_000_000


class MetricSink:
    """Writes samples of one service: what changed since the last write, and everything at least every four minutes.

    A series gets the labels that a scrape of the service by Prometheus gives it (`job`, `service_name`, `env`),
    unless the sample has them already; `instance` is missing, as there is no address.
    """

    name = "embedded"

    def __init__(self, writer: Writer, target_labels: Mapping[str, str]) -> None:
        self._writer = writer
        self._target_labels = dict(target_labels)
        self._series: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
        self._written: dict[int, tuple[float, int]] = {}

    def write(self, samples: Sequence[Sample]) -> Outcome:
        """Store one reading of all metrics. Never raises; what RETRY loses, the next reading brings."""
        pending: dict[int, tuple[float, int]] = {}
        outcome = self._writer.write(
            lambda: samples, lambda connection, ready: self._store(connection, ready, pending), self._forget
        )
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
