"""A small Loki on loopback: records pushes and answers as it is told to."""

import gzip
import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple

Answer = int | Literal["hang", "reset"]


class Line(NamedTuple):
    """One line as it arrived."""

    labels: dict[str, str]
    time_ns: int
    text: str
    metadata: dict[str, Any]


class FakeLoki:
    """Speaks `POST /loki/api/v1/push`.

    Answers come from `script`, one per push, then `answer` for ever: a status, "reset" (the connection is torn
    down) or "hang" (the same, but only after `release`). Only what was answered with 204 counts as stored.
    """

    def __init__(self) -> None:
        self.script: deque[Answer] = deque()
        self.answer: Answer = 204
        self.lines: list[Line] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self._changed = threading.Condition()
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.loki = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Base address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def texts(self) -> list[str]:
        """Lines stored so far, in order of arrival."""
        return [line.text for line in self.lines]

    def wait_until(self, condition: Callable[["FakeLoki"], bool], timeout_seconds: float = 20.0) -> bool:
        """Block until the condition holds; it is looked at after every push."""
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), timeout_seconds)

    def release(self) -> None:
        """Let go of every push that hangs."""
        self._released.set()

    def close(self) -> None:
        """Stop; the port is free afterwards."""
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def take(self, headers: dict[str, str], body: bytes) -> Answer:
        """Record a push and say how to answer it."""
        with self._changed:
            answer = self.script.popleft() if self.script else self.answer
            self.headers.append(headers)
            self.bodies.append(gzip.decompress(body))
            if answer == 204:
                self.lines += _parse(self.bodies[-1])
            self._changed.notify_all()
        if answer == "hang":
            self._released.wait()
        return answer


@contextmanager
def running_loki() -> Iterator[FakeLoki]:
    """A FakeLoki for the length of a block."""
    loki = FakeLoki()
    try:
        yield loki
    finally:
        loki.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    loki: FakeLoki

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that gave up waiting is what several tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.loki.take(dict(self.headers.items()), body) if self.path == "/loki/api/v1/push" else 404
        if answer in {"hang", "reset"}:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self.send_response(int(answer))
        if answer != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class names it
        """Be quiet."""


def _parse(body: bytes) -> list[Line]:
    lines = []
    for stream in json.loads(body)["streams"]:
        for stamp, text, *metadata in stream["values"]:
            values = metadata[0] if metadata else {}
            if not isinstance(stamp, str) or not all(isinstance(value, str) for value in values.values()):
                raise TypeError("Loki takes times and structured metadata as strings only")
            lines.append(Line(stream["stream"], int(stamp), text, values))
    return lines
