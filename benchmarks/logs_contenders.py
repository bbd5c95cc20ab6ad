"""The ways to get a log line to a sink that are compared, behind one interface."""

import logging
import queue
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path

from logging_loki import LokiHandler, LokiQueueHandler  # type: ignore[import-untyped]  # the package ships no types
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

from telemetry.emit.clock import SystemClock
from telemetry.emit.logs import BatchingHandler
from telemetry.emit.metrics import Metrics
from telemetry.emit.observers import LogCounts, redaction_counter
from telemetry.emit.redaction import Redactor
from telemetry.sinks.loki import PUSH_PATH, LokiSink
from telemetry.sinks.spool import Spool

FLOOR, OURS, PLAIN, QUEUED, OTEL = (
    "QueueHandler into a no-op (floor)",
    "Sightline's BatchingHandler",
    "LokiHandler",
    "LokiQueueHandler",
    "OpenTelemetry's LoggingHandler, batched",
)
_QUEUE_RECORDS = 10_000
_FLUSH_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Contender:
    """A handler, how to wait until what it took has arrived, and what it does when a server shuts down."""

    handler: logging.Handler
    drain: Callable[[], object]
    close: Callable[[], object]


class _NoOpHandler(logging.Handler):
    def handle(self, record: logging.LogRecord) -> bool:
        return record.levelno >= 0


def build(name: str, url: str, directory: Path) -> Contender:
    """Make a contender that sends to the sink at `url` and may use `directory`."""
    if name == OURS:
        return _ours(url, directory)
    if name == OTEL:
        return _open_telemetry(url)
    if name == PLAIN:
        plain: logging.Handler = LokiHandler(f"{url}{PUSH_PATH}", tags={"service_name": "bench"}, version="1")
        return Contender(plain, _nothing, _nothing)
    if name == QUEUED:
        queued = LokiQueueHandler(queue.Queue(), url=f"{url}{PUSH_PATH}", tags={"service_name": "bench"}, version="1")
        return Contender(queued, queued.listener.stop, _nothing)
    records: queue.Queue[logging.LogRecord] = queue.Queue()
    listener = QueueListener(records, _NoOpHandler())
    listener.start()
    return Contender(QueueHandler(records), listener.stop, _nothing)


def _ours(url: str, directory: Path) -> Contender:
    clock = SystemClock()
    metrics = Metrics(clock)
    handler = BatchingHandler(
        sink=LokiSink(url, {"service_name": "bench", "env": "local"}, clock=clock),
        spool=Spool(directory / "spool", clock=clock),
        redactor=Redactor(redaction_counter(metrics)),
        observer=LogCounts(metrics),
        max_queue=_QUEUE_RECORDS,
    )
    handler.start()
    return Contender(handler, lambda: handler.flush(_FLUSH_SECONDS), handler.close)


def _open_telemetry(url: str) -> Contender:
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(
        BatchLogRecordProcessor(
            OTLPLogExporter(f"{url}/v1/logs"), schedule_delay_millis=500, max_queue_size=_QUEUE_RECORDS
        )
    )
    with warnings.catch_warnings():
        # Deprecated in favour of a package that wraps the same code; what is measured is the same.
        warnings.simplefilter("ignore", DeprecationWarning)
        handler = LoggingHandler(logger_provider=provider)
    return Contender(handler, lambda: provider.force_flush(_FLUSH_SECONDS * 1_000), provider.shutdown)


def _nothing() -> None:
    """It sends on the caller's thread, or has no way to end."""
