"""A bounded load: a few kept-alive connections, each asking again as soon as it was answered."""

import asyncio
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Load:
    """What one run saw; latencies in seconds, in order of arrival."""

    seconds: float
    latencies: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def median_ms(self) -> float:
        """Median latency in milliseconds."""
        return sorted(self.latencies)[len(self.latencies) // 2] * 1000


class _Connection(asyncio.Protocol):
    def __init__(self, request: bytes, load: Load, until: float, done: asyncio.Future[None]) -> None:
        self._request = request
        self._load = load
        self._until = until
        self._done = done
        self._buffer = b""
        self._asked = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(body) < _content_length(head):
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self._fail(RuntimeError(f"the service answered {head[:40]!r}"))
            return
        now = time.perf_counter()
        self._load.latencies.append(now - self._asked)
        self._buffer = b""
        if now < self._until:
            self._ask()
        else:
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the service closed the connection"))

    def _ask(self) -> None:
        assert self._transport is not None
        self._asked = time.perf_counter()
        self._transport.write(self._request)

    def _close(self) -> None:
        assert self._transport is not None
        if not self._done.done():
            self._done.set_result(None)
        self._transport.close()

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)
        self._close()


def run_load(port: int, path: str, connections: int, seconds: float) -> Load:
    """Ask 127.0.0.1:`port` for `path` over `connections` connections for `seconds`."""
    return asyncio.run(_run(port, path, connections, seconds))


async def _run(port: int, path: str, connections: int, seconds: float) -> Load:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    load = Load(seconds)
    done = [loop.create_future() for _ in range(connections)]
    for future in done:
        await loop.create_connection(
            lambda future=future: _Connection(request, load, started + seconds, future), "127.0.0.1", port
        )
    await asyncio.gather(*done)
    load.seconds = time.perf_counter() - started
    return load


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0
