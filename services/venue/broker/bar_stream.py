"""Bars as they come, over a WebSocket: https://docs.alpaca.markets/docs/streaming-market-data.

Messages are lists of objects: in MessagePack for clients that name it as their content type, as alpaca-py does, else in
JSON.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]  # the package ships no types
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from services.contracts.market import Bar
from services.venue.broker.errors import BrokerError
from services.venue.broker.figures import time_text
from services.venue.broker.hub import Authenticate, Listener
from services.venue.broker.market_data import bar_document
from services.venue.broker.wire import Document

_CHANNELS: Final = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")
_EVERYTHING: Final = "*"
_DAY_SECONDS: Final = 86_400
_INVALID: Final = (400, "invalid syntax")
_NOT_AUTHENTICATED: Final = (401, "not authenticated")
_REFUSED: Final = (402, "auth failed")

Pack = Callable[[list[Document]], bytes]


class _Subscriber:
    """One connection. Of its subscriptions only those to bars are served."""

    def __init__(self, socket: WebSocket) -> None:
        self.listener = Listener(socket)
        self.packed = socket.headers.get("content-type", "") == "application/msgpack"
        self.channels: dict[str, set[str]] = {channel: set() for channel in _CHANNELS}

    def tell(self, *messages: Document) -> None:
        pack = _packed if self.packed else _text
        self.listener.put(pack(list(messages)))

    def refuse(self, error: tuple[int, str]) -> None:
        self.tell({"T": "error", "code": error[0], "msg": error[1]})

    def wants(self, bar: Bar) -> bool:
        symbols = self.channels["dailyBars" if bar.seconds >= _DAY_SECONDS else "bars"]
        return bar.symbol in symbols or _EVERYTHING in symbols


class BarHub:
    """Everybody who listens to a venue's bars. Gives the account of a key pair by `authenticate`."""

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate
        self._subscribers: set[_Subscriber] = set()

    @property
    def subscribers(self) -> int:
        """How many connections get bars."""
        return sum(any(each.channels.values()) for each in self._subscribers)

    async def serve(self, socket: WebSocket) -> None:
        """Speak with one client until it goes."""
        await socket.accept()
        subscriber = _Subscriber(socket)
        self._subscribers.add(subscriber)
        subscriber.tell({"T": "success", "msg": "connected"})
        sending = asyncio.create_task(_quietly(subscriber.listener))
        try:
            while (message := await socket.receive())["type"] != "websocket.disconnect":
                self._hear(subscriber, message.get("bytes") or message.get("text") or b"")
        finally:
            self._subscribers.discard(subscriber)
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            if socket.client_state is WebSocketState.CONNECTED:
                with suppress(WebSocketDisconnect, RuntimeError):
                    await socket.close()

    def publish(self, bars: Iterable[Bar]) -> None:
        """Send bars to those who want them."""
        for bar in bars:
            for subscriber in self._subscribers:
                if subscriber.wants(bar):
                    kind = "d" if bar.seconds >= _DAY_SECONDS else "b"
                    subscriber.tell({"T": kind, "S": bar.symbol, **bar_document(bar), "t": bar.start})

    def _hear(self, subscriber: _Subscriber, message: str | bytes) -> None:
        found = _read(message, packed=subscriber.packed)
        action = found.get("action")
        if action == "auth":
            self._log_in(subscriber, found)
        elif action not in {"subscribe", "unsubscribe"}:
            subscriber.refuse(_INVALID)
        elif not subscriber.listener.account_id:
            subscriber.refuse(_NOT_AUTHENTICATED)
        else:
            for channel, symbols in subscriber.channels.items():
                given = found.get(channel)
                named = {str(each) for each in given} if isinstance(given, list) else set()
                symbols.update(named) if action == "subscribe" else symbols.difference_update(named)
            told = {channel: sorted(symbols) for channel, symbols in subscriber.channels.items()}
            subscriber.tell({"T": "subscription", **told})

    def _log_in(self, subscriber: _Subscriber, message: dict[str, Any]) -> None:
        try:
            account = self._authenticate(str(message.get("key")), str(message.get("secret")))
        except BrokerError:
            subscriber.refuse(_REFUSED)
            return
        subscriber.listener.account_id = account.account_id
        subscriber.tell({"T": "success", "msg": "authenticated"})


async def _quietly(listener: Listener) -> None:
    with suppress(WebSocketDisconnect, RuntimeError):
        await listener.send()


def _read(message: str | bytes, *, packed: bool) -> dict[str, Any]:
    try:
        found = msgpack.unpackb(message) if packed and isinstance(message, bytes) else json.loads(message)
    except (ValueError, RecursionError, msgpack.UnpackException):
        return {}
    return found if isinstance(found, dict) else {}


def _packed(messages: list[Document]) -> bytes:
    packed: bytes = msgpack.packb(messages, datetime=True)
    return packed


def _text(messages: list[Document]) -> bytes:
    return json.dumps(messages, separators=(",", ":"), default=_time).encode()


def _time(value: object) -> str:
    if isinstance(value, datetime):
        return time_text(value)
    raise TypeError(f"{type(value).__name__} has no place in a message")
