"""Metrics from Prometheus."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from telemetry.query.backend import Backend
from telemetry.query.checks import check_exemplar_question, nanoseconds
from telemetry.query.ports import Exemplar, Results, Series, SeriesQuery
from telemetry.query.quoting import quoted
from telemetry.sinks.embedded_rows import storable

MAX_EXEMPLARS = 1_000
_NS_PER_MS = 1_000_000


class PrometheusReader:
    """A `MetricReader` over Prometheus's HTTP API (2.40 and later)."""

    def __init__(self, base_url: str, *, timeout_seconds: float = 10.0) -> None:
        self._timeout_seconds = timeout_seconds
        self._backend = Backend("Prometheus", base_url, timeout_seconds=timeout_seconds)

    def series(self, query: SeriesQuery) -> Results[Series]:
        """Series that match."""
        params = {
            "query": selector(query.metric, query.labels),
            "start": _seconds(query.start),
            "end": _seconds(query.end),
            "step": f"{int(query.step_seconds * 1_000) / 1_000:.3f}",
            "timeout": f"{self._timeout_seconds:g}s",
        }
        result = self._ask("/api/v1/query_range", params, lambda data: [_series(item) for item in data["result"]])
        result.sort(key=lambda series: series.labels)
        return Results(result[: query.limit], truncated=len(result) > query.limit)

    def exemplars(self, metric: str, labels: Mapping[str, str], start: datetime, end: datetime) -> Results[Exemplar]:
        """Exemplars, oldest first; none when Prometheus runs without exemplar storage."""
        check_exemplar_question(metric, labels, start, end)
        params = {"query": selector(metric, labels), "start": _seconds(start), "end": _seconds(end)}
        found = self._ask(
            "/api/v1/query_exemplars",
            params,
            lambda data: [_exemplar(series["seriesLabels"], item) for series in data for item in series["exemplars"]],
        )
        found.sort(key=lambda exemplar: (exemplar.time_seconds, exemplar.labels))
        return Results(found[-MAX_EXEMPLARS:], truncated=len(found) > MAX_EXEMPLARS)

    def close(self) -> None:
        """Release connections."""
        self._backend.close()

    def _ask(self, path: str, params: dict[str, str], read: Any) -> Any:  # noqa: ANN401 -- the callers' own types
        answer = self._backend.get(path, params, deadline=self._backend.deadline())
        try:
            return read(answer["data"])
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
            raise self._backend.unexpected(f"{type(error).__name__}: {error}") from error


def selector(metric: str, labels: Mapping[str, str]) -> str:
    """The PromQL selector of a metric by exact labels; names must have been checked."""
    matchers = ",".join(f"{name}={quoted(storable(value))}" for name, value in sorted(labels.items()))
    return f"{metric}{{{matchers}}}"


def _seconds(moment: datetime) -> str:
    return f"{nanoseconds(moment) // _NS_PER_MS / 1_000:.3f}"


def _series(item: dict[str, Any]) -> Series:
    labels = dict(item["metric"])
    return Series(
        metric=labels.pop("__name__", ""),
        labels=tuple(sorted(labels.items())),
        points=tuple((float(time), float(value)) for time, value in item["values"]),
    )


def _exemplar(series_labels: dict[str, str], item: dict[str, Any]) -> Exemplar:
    labels = {name: value for name, value in series_labels.items() if name != "__name__"}
    return Exemplar(
        labels=tuple(sorted(labels.items())),
        trace_id=item["labels"].get("trace_id", ""),
        value=float(item["value"]),
        time_seconds=float(item["timestamp"]),
    )
