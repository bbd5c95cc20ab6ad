"""HTTP connections that tell whether a byte of a request was handed to the network.

Exceptions do not tell: urllib3 reports a TLS handshake that times out like an answer that does, and a TLS error while
reading like one before the first byte. A connection knows: it marks the attempt right before it writes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_MOST_SITES: Final = 4
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


def watched_pools() -> PoolManager:
    """Connections that mark the attempt they write for; they repeat nothing and follow nothing by themselves.

    Neither a proxy nor anything else of the environment may see or bend what goes over them: it carries keys.
    """
    pools = PoolManager(
        num_pools=_MOST_SITES, maxsize=_MOST_CONNECTIONS, cert_reqs="CERT_REQUIRED", ca_certs=DEFAULT_CA_BUNDLE_PATH
    )
    pools.pool_classes_by_scheme = {"http": _PlainPool, "https": _TlsPool}
    return pools
