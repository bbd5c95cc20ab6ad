"""Chooses for each signal who answers: the backend whose address is given, else the embedded store."""

from dataclasses import dataclass
from pathlib import Path

from telemetry.query.embedded_logs import EmbeddedLogReader
from telemetry.query.embedded_metrics import EmbeddedMetricReader
from telemetry.query.embedded_pool import ReadPool
from telemetry.query.embedded_traces import EmbeddedTraceReader
from telemetry.query.errors import QueryError
from telemetry.query.loki import LokiReader
from telemetry.query.ports import LogReader, MetricReader, TraceReader
from telemetry.query.prometheus import PrometheusReader
from telemetry.query.tempo import TempoReader


class NoBackendError(QueryError):
    """Neither an address nor the embedded store was given for a signal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadersOptions:
    """Where telemetry can be read. Addresses are base URLs, such as http://127.0.0.1:3100.

    Attributes:
        embedded_path: The embedded store's file; answers for every signal without an address.
        timeout_seconds: Longest time one question may take.
    """

    loki_url: str | None = None
    tempo_url: str | None = None
    prometheus_url: str | None = None
    embedded_path: Path | None = None
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Readers:
    """One reader for each signal."""

    logs: LogReader
    traces: TraceReader
    metrics: MetricReader

    def close(self) -> None:
        """Release connections."""
        self.logs.close()
        self.traces.close()
        self.metrics.close()


def open_readers(options: ReadersOptions) -> Readers:
    """Readers as the options say; nothing is contacted yet. Raises NoBackendError when a signal has no source."""
    timeout = options.timeout_seconds
    return Readers(
        logs=LokiReader(options.loki_url, timeout_seconds=timeout)
        if options.loki_url
        else EmbeddedLogReader(_pool(options, "logs", "Loki")),
        traces=TempoReader(options.tempo_url, timeout_seconds=timeout)
        if options.tempo_url
        else EmbeddedTraceReader(_pool(options, "traces", "Tempo")),
        metrics=PrometheusReader(options.prometheus_url, timeout_seconds=timeout)
        if options.prometheus_url
        else EmbeddedMetricReader(_pool(options, "metrics", "Prometheus")),
    )


def _pool(options: ReadersOptions, signal: str, backend: str) -> ReadPool:
    if options.embedded_path is None:
        raise NoBackendError(f"nowhere to read {signal} from: give {backend}'s address or the embedded store's path")
    return ReadPool(options.embedded_path, timeout_seconds=options.timeout_seconds)
