"""Metrics from the embedded store, with Prometheus's rule for what a series is worth at a moment."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NoReturn

from telemetry.query.checks import nanoseconds
from telemetry.query.embedded_pool import ReadPool
from telemetry.query.errors import ExemplarsUnavailableError
from telemetry.query.ports import Exemplar, Results, Series, SeriesQuery
from telemetry.sinks.embedded_rows import storable, unpack_labels

LOOK_BACK_MS = 300_000
_NS_PER_MS = 1_000_000


class EmbeddedMetricReader:
    """A `MetricReader` over the embedded store."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def series(self, query: SeriesQuery) -> Results[Series]:
        """Series that match."""
        start_ms, end_ms = nanoseconds(query.start) // _NS_PER_MS, nanoseconds(query.end) // _NS_PER_MS
        wanted = {name: storable(value) for name, value in query.labels.items()}
        found: list[Series] = []
        with self._pool.reading() as connection:
            known = connection.execute("SELECT id, labels FROM series WHERE metric = ?", (query.metric,)).fetchall()
            every = sorted((unpack_labels(packed), number) for number, packed in known)
            for labels, number in every:
                if not _matches(labels, wanted):
                    continue
                samples = connection.execute(
                    "SELECT time_ms, value FROM samples WHERE series_id = ? AND time_ms > ? AND time_ms <= ? "
                    "ORDER BY time_ms",
                    (number, start_ms - LOOK_BACK_MS, end_ms),
                )
                points = _points(samples, start_ms, end_ms, int(query.step_seconds * 1_000))
                if points:
                    found.append(Series(query.metric, labels, points))
                if len(found) > query.limit:
                    break
        return Results(found[: query.limit], truncated=len(found) > query.limit)

    def exemplars(self, metric: str, labels: Mapping[str, str], start: datetime, end: datetime) -> Results[Exemplar]:
        """Always raises ExemplarsUnavailableError, with the way to the trace."""
        _no_exemplars(metric, labels, start, end)

    def close(self) -> None:
        """Release connections."""
        self._pool.close()


def _no_exemplars(metric: str, labels: Mapping[str, str], start: datetime, end: datetime) -> NoReturn:
    chosen = ", ".join(f"{name}={value}" for name, value in labels.items())
    raise ExemplarsUnavailableError(
        f"the embedded store keeps no exemplars of {metric}{{{chosen}}}: search traces between {start.isoformat()} "
        f"and {end.isoformat()} by service, name and min_duration_seconds instead"
    )


def _matches(labels: tuple[tuple[str, str], ...], wanted: Mapping[str, str]) -> bool:
    have = dict(labels)
    return all(have.get(name, "") == value for name, value in wanted.items())


def _points(
    samples: Iterable[tuple[int, float | None]], start_ms: int, end_ms: int, step_ms: int
) -> tuple[tuple[float, float], ...]:
    """At each step the last sample that is not older than the look-back."""
    points = []
    coming = iter(samples)
    following = next(coming, None)
    current: tuple[int, float | None] | None = None
    for moment in range(start_ms, end_ms + 1, step_ms):
        while following is not None and following[0] <= moment:
            current, following = following, next(coming, None)
        if current is not None and moment - current[0] < LOOK_BACK_MS:
            points.append((moment / 1_000, math.nan if current[1] is None else current[1]))
    return tuple(points)
