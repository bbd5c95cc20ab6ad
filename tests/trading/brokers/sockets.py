"""A server of bare sockets on loopback: what each request meets is a script, byte by byte."""

import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

PATIENT_SECONDS = 5.0


@dataclass(frozen=True)
class Heard:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> object:
        return json.loads(self.body)


Play = Callable[[socket.socket, "SocketServer"], bool]
"""Serves one request; returns whether the connection stays for another."""


class SocketServer:
    """Plays one part of the script for each request, the last one again and again.

    Attributes:
        heard: The requests, in the order in which they came.
        released: Set when the test is over: what hangs, ends.
    """

    def __init__(self, *script: Play) -> None:
        self.heard: list[Heard] = []
        self.released = threading.Event()
        self.connections = 0
        self._script = deque(script)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def then(self, *script: Play) -> None:
        """Go on with another script."""
        self._script = deque(script)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENT_SECONDS)

    def next_play(self) -> Play:
        return self._script.popleft() if len(self._script) > 1 else self._script[0]

    def _accept(self) -> None:
        while not self.released.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(0.05)
        with connection:
            try:
                while self.next_request(connection) and self.next_play()(connection, self):
                    pass
            except OSError:
                return

    def next_request(self, connection: socket.socket) -> bool:
        """Read one request; False when the peer or the test is done."""
        data = b""
        while not self.released.is_set():
            try:
                piece = connection.recv(65_536)
            except TimeoutError:
                continue
            if not piece:
                return False
            data += piece
            head, ended, body = data.partition(b"\r\n\r\n")
            if not ended:
                continue
            first, *lines = head.decode().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            if len(body) >= int(headers.get("content-length", 0)):
                method, target, _ = first.split(" ")
                self.heard.append(Heard(method, target, headers, body))
                return True
        return False


class HandshakeServer(SocketServer):
    """Plays where the client has begun a TLS handshake."""

    def next_request(self, connection: socket.socket) -> bool:
        """Read the client's first message."""
        while not self.released.is_set():
            try:
                return bool(connection.recv(65_536))
            except TimeoutError:
                continue
        return False


def answer(status: int, document: object = None, **headers: str) -> Play:
    """A whole answer; the connection stays."""
    body = b"" if document is None else json.dumps(document).encode()
    return answer_bytes(status, body, **headers)


def answer_bytes(status: int, body: bytes, **headers: str) -> Play:
    """The same with any body. Names of headers are given with underscores."""
    named = {"content-length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    message = f"HTTP/1.1 {status} Word\r\n{lines}\r\n".encode() + body

    def play(connection: socket.socket, _server: SocketServer) -> bool:
        connection.sendall(message)
        return True

    return play


def close(_connection: socket.socket, _server: SocketServer) -> bool:
    """Close without an answer."""
    return False


def reset(connection: socket.socket, _server: SocketServer) -> bool:
    """Reset the connection without an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def hang(_connection: socket.socket, server: SocketServer) -> bool:
    """Keep the connection and say nothing."""
    server.released.wait(PATIENT_SECONDS)
    return False


def half(connection: socket.socket, _server: SocketServer) -> bool:
    """Announce a body and close in the midst of it."""
    connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"id": "')
    return False


def trickle(connection: socket.socket, server: SocketServer) -> bool:
    """Send a byte of the body now and then, without an end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    while not server.released.is_set():
        connection.sendall(b" ")
        server.released.wait(0.02)
    return False


def garbage(connection: socket.socket, _server: SocketServer) -> bool:
    """Something that is no HTTP."""
    connection.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
    return False


def full_backlog() -> tuple[socket.socket, list[socket.socket]]:
    """A listener that takes no more connections: who connects to it hears nothing. Close all that is returned."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    deadline = time.monotonic() + PATIENT_SECONDS
    while time.monotonic() < deadline:
        client = socket.socket()
        client.settimeout(0.2)
        waiting.append(client)
        try:
            client.connect(listener.getsockname())
        except TimeoutError:
            return listener, waiting
    raise AssertionError("the backlog never filled")
