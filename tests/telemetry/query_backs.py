"""Both backs of the read side behind one face, so that one test puts the same data and the same question to each."""

import json
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from telemetry.query.embedded_logs import EmbeddedLogReader
from telemetry.query.embedded_pool import ReadPool
from telemetry.query.embedded_traces import EmbeddedTraceReader
from telemetry.query.loki import LokiReader
from telemetry.query.ports import LogReader, TraceReader
from telemetry.query.tempo import TempoReader
from telemetry.records import AttributeValue, LogEntry, Outcome, SpanEntry
from telemetry.sinks.embedded import EmbeddedStore
from tests.fakes.loki_query import FakeLoki
from tests.fakes.tempo import FakeTempo
from tests.telemetry.real_loki import running_loki

T0 = datetime(2026, 3, 2, 12, tzinfo=UTC)
T0_NS = 1_772_452_800_000_000_000
TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


class StoppedClock:
    """Always says the same time, `T0` plus an hour unless told otherwise."""

    def __init__(self, now_ns: int = T0_NS + 3_600 * 10**9) -> None:
        self.now_ns = now_ns

    def time_ns(self) -> int:
        return self.now_ns


class LogBack(Protocol):
    """Takes lines and reads them back."""

    reader: LogReader

    def write(self, entries: Sequence[LogEntry], *, service_name: str = "console", env: str = "test") -> None: ...


class TraceBack(Protocol):
    """Takes spans and reads them back."""

    reader: TraceReader

    def write(self, spans: Sequence[SpanEntry]) -> None: ...


def entry(  # noqa: PLR0913 -- a line has that many parts
    seconds: float,
    line: str,
    *,
    level: str = "info",
    logger: str = "a.b",
    trace_id: str = "",
    span_id: str = "",
    fields: tuple[tuple[str, str], ...] = (),
) -> LogEntry:
    """A line, so many seconds after `T0`."""
    return LogEntry(T0_NS + round(seconds * 1e9), level, logger, line, trace_id, span_id, fields)


def span(  # noqa: PLR0913 -- a span has that many parts
    span_id: str,
    *,
    trace_id: str = TRACE,
    parent: str = "",
    name: str = "GET /alerts",
    service: str = "console",
    begins: float = 0.0,
    lasts: float = 0.010,
    status: str = "ok",
    message: str = "",
    attributes: dict[str, AttributeValue] | None = None,
) -> SpanEntry:
    """A span that begins so many seconds after `T0`."""
    start_ns = T0_NS + round(begins * 1e9)
    end_ns = start_ns + round(lasts * 1e9)
    return SpanEntry(
        trace_id, span_id, parent, name, "server", service, start_ns, end_ns, status, message, attributes or {}, (), ()
    )


def at(seconds: float) -> datetime:
    """So many seconds after `T0`."""
    return T0 + timedelta(seconds=seconds)


class EmbeddedLogs:
    """The embedded store's logs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.reader: LogReader = EmbeddedLogReader(ReadPool(path, timeout_seconds=10))
        self.write([entry(-86_400, "the store exists")])

    def write(self, entries: Sequence[LogEntry], *, service_name: str = "console", env: str = "test") -> None:
        store = EmbeddedStore(self._path, service_name=service_name, env=env, clock=StoppedClock())
        sink = store.log_sink()
        assert sink.send(entries) is Outcome.DELIVERED
        sink.close()


class LokiLogs:
    """A server that speaks Loki's protocol."""

    def __init__(self, url: str, page_lines: int = 5_000) -> None:
        self._url = url
        self.reader: LogReader = LokiReader(url, page_lines=page_lines)

    def write(self, entries: Sequence[LogEntry], *, service_name: str = "console", env: str = "test") -> None:
        streams = []
        for item in entries:
            labels = {"service_name": service_name, "env": env, "level": item.level, "logger": item.logger}
            ids = {"trace_id": item.trace_id, "span_id": item.span_id}
            metadata = {name: value for name, value in {**dict(item.fields), **ids}.items() if value}
            streams.append({"stream": labels, "values": [[str(item.time_ns), item.line, metadata]]})
        body = json.dumps({"streams": streams}).encode()
        _post(f"{self._url}/loki/api/v1/push", body, "application/json")


class EmbeddedTraces:
    """The embedded store's traces."""

    def __init__(self, path: Path) -> None:
        self._store = EmbeddedStore(path, service_name="console", env="test", clock=StoppedClock())
        self.reader: TraceReader = EmbeddedTraceReader(ReadPool(path, timeout_seconds=10))
        self.write([span("00000000000000aa", trace_id="f" * 32, begins=-86_400)])

    def write(self, spans: Sequence[SpanEntry]) -> None:
        sink = self._store.span_sink()
        assert sink.send(spans) is Outcome.DELIVERED
        sink.close()


class TempoTraces:
    """A server that speaks Tempo's protocol."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.reader: TraceReader = TempoReader(url)

    def write(self, spans: Sequence[SpanEntry]) -> None:
        request = ExportTraceServiceRequest(resource_spans=[_resource_spans(item) for item in spans])
        _post(f"{self._url}/v1/traces", request.SerializeToString(), "application/x-protobuf")


def _post(url: str, body: bytes, content_type: str) -> None:
    # Not httpx: a client of its own for every push costs more than the push.
    request = urllib.request.Request(url, body, {"Content-Type": content_type})  # noqa: S310 -- a fake on loopback
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310 -- as above
        pass


def _resource_spans(item: SpanEntry) -> ResourceSpans:
    message = Span(
        trace_id=bytes.fromhex(item.trace_id),
        span_id=bytes.fromhex(item.span_id),
        parent_span_id=bytes.fromhex(item.parent_span_id),
        name=item.name,
        kind=Span.SpanKind.Value(f"SPAN_KIND_{item.kind.upper()}"),
        start_time_unix_nano=item.start_ns,
        end_time_unix_nano=item.end_ns,
        attributes=[_pair(name, value) for name, value in item.attributes.items()],
        status=Status(code=Status.StatusCode.Value(f"STATUS_CODE_{item.status.upper()}"), message=item.status_message),
        events=[
            Span.Event(
                time_unix_nano=event.time_ns,
                name=event.name,
                attributes=[_pair(name, value) for name, value in event.attributes.items()],
            )
            for event in item.events
        ],
        links=[
            Span.Link(
                trace_id=bytes.fromhex(link.trace_id),
                span_id=bytes.fromhex(link.span_id),
                attributes=[_pair(name, value) for name, value in link.attributes.items()],
            )
            for link in item.links
        ],
    )
    batch = ResourceSpans(scope_spans=[ScopeSpans(spans=[message])])
    batch.resource.attributes.append(_pair("service.name", item.service_name))
    return batch


def _pair(name: str, value: AttributeValue) -> KeyValue:
    if isinstance(value, bool):
        return KeyValue(key=name, value=AnyValue(bool_value=value))
    if isinstance(value, int):
        return KeyValue(key=name, value=AnyValue(int_value=value))
    if isinstance(value, float):
        return KeyValue(key=name, value=AnyValue(double_value=value))
    return KeyValue(key=name, value=AnyValue(string_value=value))


@contextmanager
def log_back(kind: str, directory: Path) -> Iterator[LogBack]:
    """The back of that kind: "embedded", "loki" (its protocol) or "real-loki" (skips where there is none)."""
    if kind == "embedded":
        yield EmbeddedLogs(directory / "telemetry.db")
        return
    if kind == "real-loki":
        with running_loki(directory) as url:
            yield LokiLogs(url)
        return
    with FakeLoki() as server:
        yield LokiLogs(server.url)


@contextmanager
def trace_back(kind: str, directory: Path) -> Iterator[TraceBack]:
    """The back of that kind: "embedded" or "tempo"."""
    if kind == "embedded":
        yield EmbeddedTraces(directory / "telemetry.db")
        return
    with FakeTempo() as server:
        yield TempoTraces(server.url)
