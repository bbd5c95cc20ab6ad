"""What streams of alpaca-py's lack: an end that waits for nobody, and answers to pings that are heard."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Final, Protocol

from services.kit.errors import SightlineError

_CLOSE_SECONDS: Final = 0.5
_LARGEST_FRAME: Final = 1024 * 1024  # bytes
_FRAMES_WAITING: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPatience:
    """How long things may take, in seconds.

    Attributes:
        open_seconds: Until a connection stands, is authenticated and subscribed.
        ping_every_seconds: Between two pings.
        pong_within_seconds: A connection that answers no ping for so long is given up.
        first_wait_seconds, most_wait_seconds: Between two attempts to connect; doubles with each failure.
    """

    open_seconds: float = 10.0
    ping_every_seconds: float = 5.0
    pong_within_seconds: float = 10.0
    first_wait_seconds: float = 0.5
    most_wait_seconds: float = 30.0


class RestartedError(SightlineError):
    """Somebody asked for another connection."""


class VendorStream(Protocol):
    """What alpaca-py's streams have in common."""

    async def close(self) -> None: ...


def socket_options(log: logging.Logger) -> dict[str, Any]:
    """For `websocket_params`; `log` is where its noise goes, without the frames."""
    # At its finest level websockets logs every frame, the one with the secret key among them.
    log.setLevel(logging.INFO)
    return {
        "ping_interval": None,  # pings are sent by us, so that their answers are heard of
        "close_timeout": _CLOSE_SECONDS,
        "max_size": _LARGEST_FRAME,
        "max_queue": _FRAMES_WAITING,
        "logger": log,
    }


async def end(stream: VendorStream, protocol: Any, log: logging.Logger) -> None:  # noqa: ANN401 -- alpaca-py types it as None
    """Close politely, or else at once: a peer that is deaf must not hold up the next connection.

    `protocol` is the connection of websockets that the stream stands on, None when there is none.
    """
    # Not by a time limit around it: websockets swallows the cancellation that would bring.
    closing = asyncio.ensure_future(stream.close())
    await asyncio.wait([closing], timeout=_CLOSE_SECONDS)
    if not closing.done():
        protocol.transport.abort()
    await asyncio.wait([closing])
    if closing.exception() is not None:
        log.debug("a stream was not closed politely: %r", closing.exception())


async def ping(protocol: Any) -> None:  # noqa: ANN401 -- the same
    """Send a ping and wait for its answer."""
    await (await protocol.ping())


def reason_of(error: BaseException) -> str:
    """Why a connection ended, in words."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, SightlineError):
        return error.detail
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
