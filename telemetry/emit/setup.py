"""One call at start gives a service its logs, metrics and traces; the handle it returns is passed on, never global."""

import logging
import os
import socket
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, cast

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import Tracer

from telemetry.catalogue import (
    BUILD_INFO,
    TELEMETRY_DROPPED,
    TELEMETRY_QUEUE_LENGTH,
    TELEMETRY_SPOOL_OLDEST,
    TELEMETRY_SPOOL_SIZE,
    emitted_by,
)
from telemetry.emit.audit import AuditJournal
from telemetry.emit.clock import Clock, SystemClock
from telemetry.emit.console import console_handler
from telemetry.emit.logs import BatchingHandler, NamedLogSink
from telemetry.emit.metric_writer import MetricWriter
from telemetry.emit.metrics import Metrics
from telemetry.emit.observers import LogCounts, SpanCounts, redaction_counter
from telemetry.emit.options import TelemetryOptions
from telemetry.emit.otlp import OtlpSpanSink
from telemetry.emit.redaction import Redactor
from telemetry.emit.root_logging import RootLogging
from telemetry.emit.sampling import ForcedRoutesSampler
from telemetry.emit.traces import SpanPipeline, tracer_provider
from telemetry.records import AttributeValue
from telemetry.sinks.embedded import EmbeddedStore
from telemetry.sinks.loki import LokiSink
from telemetry.sinks.spool import Spool

__all__ = ["Telemetry", "TelemetryOptions", "setup"]

# Asked for every few seconds by machines; their spans would bury the others.
UNTRACED_PATHS = frozenset({"/metrics", "/healthz", "/readyz"})


@dataclass(frozen=True, slots=True)
class _Logs:
    handler: BatchingHandler
    spool: Spool


class Telemetry:
    """The handle on everything a service emits with. Made by `setup`, closed by `shutdown`.

    Attributes:
        options: What it was set up with.
        metrics: The service's instruments.
        tracer_provider: For libraries that take one; it is not OpenTelemetry's global provider.
    """

    def __init__(self, options: TelemetryOptions, clock: Clock) -> None:
        self.options = options
        self.metrics = Metrics(clock, emitted_by(options.service_name))
        sampler = ForcedRoutesSampler(options.sample_ratio, options.forced_routes)
        redactor = Redactor(redaction_counter(self.metrics))
        store = _store(options, clock)
        self._logs = _logs(options, clock, self.metrics, redactor, store)
        self._spans = _spans(options, self.metrics, store)
        self._writer = _writer(self.metrics, store)
        self.tracer_provider = tracer_provider(_resource(options), sampler, self._spans)
        self._root = RootLogging(_handlers(options, redactor, self._logs), options.log_level)
        self._delivered_all: bool | None = None
        self.metrics.declare(BUILD_INFO, "version", [options.version])
        self.metrics.gauge(BUILD_INFO, version=options.version).set(1)
        self.metrics.before_collecting(self._refresh_gauges)

    def tracer(self, name: str) -> Tracer:
        """A tracer of this service; `name` says which part of it opens spans."""
        return self.tracer_provider.get_tracer(name, self.options.version)

    def fastapi_config(self) -> TelemetryConfig:
        """For `FastAPI(telemetry=...)`: one server span a request from FastAPI itself, by our provider.

        Its metrics, logs and spans per dependency stay off: the middleware and the handler do that for less, and its
        log records would hold exception texts.
        """
        return TelemetryConfig(
            tracer_provider=self.tracer_provider,
            tracing=True,
            metrics=False,
            logs=False,
            operation_spans=False,
            auto_configure=False,
            exclude=_is_untraced,
        )

    def flush(self, timeout_seconds: float = 5.0) -> bool:
        """Deliver what was emitted so far; True when all of it is with a sink, or log lines safely on disk, in time."""
        deadline = time.monotonic() + timeout_seconds
        flushed = [
            self._logs is None or self._logs.handler.flush(_left(deadline)),
            self._spans is None or self._spans.flush(_left(deadline)),
            self._writer is None or self._writer.write(_left(deadline)),
        ]
        return all(flushed)

    def shutdown(self, timeout_seconds: float = 5.0) -> bool:
        """Deliver the rest, stop every thread and leave logging as it was found.

        Call it in the application's lifespan: uvicorn raises SIGTERM anew afterwards, so `atexit` never runs.
        Takes up to two seconds more than the timeout when a sink hangs. A second call does nothing.

        Returns:
            Whether everything was delivered (log lines: or spooled, for the next process to deliver).
        """
        if self._delivered_all is None:
            self._delivered_all = self._shutdown(timeout_seconds)
        return self._delivered_all

    def _shutdown(self, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        # Spans first, for that their sink is away is itself logged; and half the time at most, for it may be away.
        spans_sent = self._spans is None or self._spans.close(timeout_seconds / 2)
        logs_safe = self._logs is None or self._logs.handler.flush(_left(deadline))
        self._root.release()
        if self._logs is not None:
            self._logs.handler.close()
        # Metrics last: their final reading counts what became of the others.
        samples_stored = self._writer is None or self._writer.close(_left(deadline))
        return spans_sent and logs_safe and samples_stored

    def _refresh_gauges(self) -> None:
        if self._logs is not None:
            self.metrics.gauge(TELEMETRY_QUEUE_LENGTH, signal="logs").set(self._logs.handler.queue_length)
            self.metrics.gauge(TELEMETRY_SPOOL_SIZE).set(self._logs.spool.size_bytes)
            self.metrics.gauge(TELEMETRY_SPOOL_OLDEST).set(self._logs.spool.oldest_age_seconds())
        if self._spans is not None:
            self.metrics.gauge(TELEMETRY_QUEUE_LENGTH, signal="spans").set(self._spans.queue_length())


def setup(options: TelemetryOptions, *, clock: Clock | None = None) -> Telemetry:
    """Start emitting: logs to Loki, spans by OTLP, and what has no URL into the embedded store.

    The one thing it touches beyond the handle is the standard library's logging: our handlers go on the root logger
    until `shutdown`, uvicorn's loggers lose theirs, and libraries are heard from WARNING on. Two handles in one
    process share that root logger, so each delivers the records of both; all else is separate.

    Raises:
        ValueError: An option is out of its range.
        OSError: The spool or the audit file cannot be used.
    """
    return Telemetry(options, clock or SystemClock())


def _store(options: TelemetryOptions, clock: Clock) -> EmbeddedStore | None:
    if options.embedded_path is None:
        return None
    return EmbeddedStore(options.embedded_path, service_name=options.service_name, env=options.env, clock=clock)


def _logs(
    options: TelemetryOptions, clock: Clock, metrics: Metrics, redactor: Redactor, store: EmbeddedStore | None
) -> _Logs | None:
    sink: NamedLogSink
    if options.loki_url is not None:
        sink = LokiSink(options.loki_url, {"service_name": options.service_name, "env": options.env}, clock=clock)
    elif store is not None:
        sink = cast("NamedLogSink", store.log_sink())
    else:
        return None
    spool = Spool(options.data_dir / "spool" / options.service_name, clock=clock)
    journal = AuditJournal(options.audit_path) if options.audit_path is not None else None
    handler = BatchingHandler(
        sink=sink, spool=spool, redactor=redactor, observer=LogCounts(metrics), audit_journal=journal
    )
    handler.start()
    return _Logs(handler, spool)


def _handlers(options: TelemetryOptions, redactor: Redactor, logs: _Logs | None) -> list[logging.Handler]:
    handlers: list[logging.Handler] = [logs.handler] if logs is not None else []
    if options.console != "off":
        handlers.append(console_handler(options.console, redactor, service_name=options.service_name))
    return handlers


def _spans(options: TelemetryOptions, metrics: Metrics, store: EmbeddedStore | None) -> SpanPipeline | None:
    if options.otlp_url is not None:
        refused = metrics.counter(TELEMETRY_DROPPED, signal="spans", reason="rejected")
        otlp = OtlpSpanSink(options.otlp_url, _resource(options), refused.add)
        return SpanPipeline(
            sink=otlp, service_name=options.service_name, observer=SpanCounts(metrics, OtlpSpanSink.name)
        )
    if store is not None:
        return SpanPipeline(
            sink=store.span_sink(), service_name=options.service_name, observer=SpanCounts(metrics, "embedded")
        )
    return None


def _writer(metrics: Metrics, store: EmbeddedStore | None) -> MetricWriter | None:
    if store is None:
        return None
    return MetricWriter(metrics, store.metric_sink())


def _resource(options: TelemetryOptions) -> dict[str, AttributeValue]:
    return {
        "service.name": options.service_name,
        "service.version": options.version,
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        "deployment.environment.name": options.env,
    }


def _is_untraced(scope: MutableMapping[str, Any]) -> bool:
    return scope["path"] in UNTRACED_PATHS


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
