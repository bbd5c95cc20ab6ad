"""A small real collector: takes OTLP/HTTP protobuf on a port of its own, keeps the spans, fails when told to."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span


@dataclass
class Collector:
    """What arrived, and how the next requests are answered.

    Attributes:
        answers: Status codes for the coming requests, first one first; 200 once they are used up.
        refused_spans: Reported as refused in the body of each 200.
        requests: Bodies as they came in, also of requests that were answered with an error.
    """

    url: str = ""
    answers: list[int] = field(default_factory=list)
    refused_spans: int = 0
    requests: list[bytes] = field(default_factory=list)
    accepted: list[ResourceSpans] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    @property
    def spans(self) -> list[Span]:
        """Every span of a batch that was accepted."""
        return [span for resource in self.accepted for scope in resource.scope_spans for span in scope.spans]

    def wait_for(self, condition: Callable[["Collector"], bool], timeout_seconds: float = 5.0) -> bool:
        """Wait until `condition` holds, looked at after each request."""
        with self.arrived:
            return self.arrived.wait_for(lambda: condition(self), timeout_seconds)

    def take(self, body: bytes) -> tuple[int, bytes]:
        """Record a request and say how it is answered."""
        with self.arrived:
            self.requests.append(body)
            status = self.answers.pop(0) if self.answers else 200
            if status == 200:
                self.accepted.extend(ExportTraceServiceRequest.FromString(body).resource_spans)
            self.arrived.notify_all()
        partial = ExportTracePartialSuccess(rejected_spans=self.refused_spans)
        return status, ExportTraceServiceResponse(partial_success=partial).SerializeToString()


@contextmanager
def running_collector() -> Iterator[Collector]:
    """A collector on a free port of 127.0.0.1, stopped on exit."""
    collector = Collector()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(collector))
    server.daemon_threads = True
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = (404, b"") if self.path != "/v1/traces" else collector.take(body)
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_args: object) -> None:
            pass

    return Handler
