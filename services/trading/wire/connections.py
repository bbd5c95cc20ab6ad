"""HTTP connections that tell whether a byte of a request was handed to the network.

Exceptions do not tell: urllib3 reports a TLS handshake that times out like an answer that does, and a TLS error while
reading like one before the first byte. A connection knows: it marks the attempt right before it writes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_MOST_CONNECTIONS: Final = 32  # one for each thread that may call at once


@dataclass(slots=True)
class Attempt:
    """One request on its way. `written` becomes true before its first byte is, and never false again."""

    written: bool = False


_PRESENT: Final[ContextVar[Attempt | None]] = ContextVar("attempt", default=None)


@contextmanager
def attempt() -> Iterator[Attempt]:
    """Watch the request that is sent inside the block, by this thread."""
    watched = Attempt()
    token = _PRESENT.set(watched)
    try:
        yield watched
    finally:
        _PRESENT.reset(token)


def _mark() -> None:
    present = _PRESENT.get()
    if present is not None:
        present.written = True


class _PlainConnection(HTTPConnection):
    def send(self, data: Any) -> None:  # noqa: ANN401 -- whatever http.client takes
        if self.sock is None and self.auto_open:
            self.connect()
        _mark()
        super().send(data)


class _TlsConnection(HTTPSConnection):
    def send(self, data: Any) -> None:  # noqa: ANN401 -- whatever http.client takes
        if self.sock is None and self.auto_open:
            self.connect()
        _mark()
        super().send(data)


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class WatchedAdapter(HTTPAdapter):
    """Makes connections that mark the attempt they write for. Repeats nothing by itself."""

    def __init__(self) -> None:
        super().__init__(max_retries=0, pool_connections=4, pool_maxsize=_MOST_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 -- handed on as they are
        """Make the pools; called by the base class."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
