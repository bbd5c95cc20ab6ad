"""The stream of trade updates: https://docs.alpaca.markets/docs/websocket-streaming.

As at Alpaca, messages of the server are JSON in binary frames.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from services.venue.broker.accounts import PaperAccount
from services.venue.broker.errors import BrokerError
from services.venue.broker.faults import Fault, FaultKind
from services.venue.broker.frames import Frame
from services.venue.broker.plan import FaultPlan, one_of
from services.venue.broker.wire import Document

TRADE_UPDATES: Final = "trade_updates"
_LONGEST_QUEUE: Final = 50_000
_GARBAGE: Final = b"\x00}{ this is no frame"
_GOING_AWAY: Final = 1001

_log = logging.getLogger("services.venue.broker")
Authenticate = Callable[[str, str], PaperAccount]


class Listener:
    """One connection."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.account_id = ""
        self.listening = False
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_LONGEST_QUEUE)

    def put(self, message: bytes | None) -> None:
        """Send a message later, None to close. One who does not read is closed as well."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            _log.warning("a stream of trade updates was closed: its reader is %d messages behind", _LONGEST_QUEUE)
            self.close()

    def close(self) -> None:
        """Close without sending what waits."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(None)

    async def send(self) -> None:
        """Send what was put, until it is closed."""
        while (message := await self._queue.get()) is not None:
            await self.socket.send_bytes(message)
        await self.socket.close(_GOING_AWAY)


class Hub:
    """Everybody who listens to a venue.

    Args:
        plan: What goes wrong with frames.
        authenticate: Gives the account of a key pair. Raises `BrokerError`.
    """

    def __init__(self, plan: FaultPlan, authenticate: Authenticate) -> None:
        self._plan = plan
        self._authenticate = authenticate
        self._listeners: set[Listener] = set()
        self._late: list[Frame] = []  # frames that come after the next one

    @property
    def listeners(self) -> int:
        """How many connections get trade updates."""
        return sum(each.listening for each in list(self._listeners))  # a copy: scrapes ask from a thread

    async def serve(self, socket: WebSocket) -> None:
        """Speak with one client until it goes."""
        await socket.accept()
        listener = Listener(socket)
        self._listeners.add(listener)
        sending = asyncio.create_task(_quietly(listener))
        try:
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                self._hear(listener, message.get("text") or message.get("bytes") or b"")
        except WebSocketDisconnect:
            pass
        finally:
            self._listeners.discard(listener)
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending
            if socket.client_state is WebSocketState.CONNECTED:
                with suppress(WebSocketDisconnect, RuntimeError):
                    await socket.close()

    def publish(self, frames: Iterable[Frame]) -> None:
        """Send frames to those who listen, as far as nothing goes wrong."""
        for frame in frames:
            self._publish(frame, self._plan.at_news(frame.news))

    def disconnect(self) -> None:
        """Close every stream, behind what was sent to it."""
        for listener in list(self._listeners):
            listener.put(None)

    def _publish(self, frame: Frame, faults: list[Fault]) -> None:
        if one_of(faults, FaultKind.DISCONNECT):
            self.disconnect()
            return
        if one_of(faults, FaultKind.MUTE, FaultKind.DROP_FRAME):
            return
        if one_of(faults, FaultKind.REORDER_FRAMES):
            self._late.append(frame)
            return
        odd = one_of(faults, FaultKind.FRAME_STATUS)
        if odd is not None:
            frame = _with_status(frame, odd.status)
        if one_of(faults, FaultKind.GARBAGE_FRAME):
            self._send(frame.account_id, _GARBAGE)
        message = _text(frame.document)
        delay = one_of(faults, FaultKind.DELAY_FRAME)
        if delay is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(delay.seconds or 0.0, self._send, frame.account_id, message)
        else:
            self._send(frame.account_id, message)
        if one_of(faults, FaultKind.DUPLICATE_FRAME):
            self._send(frame.account_id, message)
        late, self._late = self._late, []
        for each in late:
            self._send(each.account_id, _text(each.document))

    def _send(self, account_id: str, message: bytes) -> None:
        for listener in self._listeners:
            if listener.listening and listener.account_id == account_id:
                listener.put(message)

    def _hear(self, listener: Listener, message: str | bytes) -> None:
        try:
            found = json.loads(message)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            listener.put(_text({"stream": "error", "data": {"error": "invalid message"}}))
            return
        action = found.get("action")
        if action in {"authenticate", "auth"}:
            self._log_in(listener, found, str(action))
        elif action == "listen":
            self._listen(listener, found.get("data"))
        else:
            listener.put(_text({"stream": "error", "data": {"error": "unknown action"}}))

    def _log_in(self, listener: Listener, message: dict[str, Any], action: str) -> None:
        data = message.get("data")
        given = data if isinstance(data, dict) else message
        key, secret = given.get("key_id", given.get("key")), given.get("secret_key", given.get("secret"))
        try:
            listener.account_id = self._authenticate(str(key), str(secret)).account_id
            status = "authorized"
        except BrokerError:
            status = "unauthorized"
        listener.put(_text({"stream": "authorization", "data": {"action": action, "status": status}}))

    def _listen(self, listener: Listener, data: object) -> None:
        if not listener.account_id:
            listener.put(_text({"stream": "listening", "data": {"error": "not authenticated", "streams": []}}))
            return
        streams = data.get("streams") if isinstance(data, dict) else None
        listener.listening = isinstance(streams, list) and TRADE_UPDATES in streams
        known = [TRADE_UPDATES] if listener.listening else []
        listener.put(_text({"stream": "listening", "data": {"streams": known}}))


async def _quietly(listener: Listener) -> None:
    # The client went, or the server is closing: the reading side notices too.
    with suppress(WebSocketDisconnect, RuntimeError):
        await listener.send()


def _with_status(frame: Frame, status: str) -> Frame:
    data: Any = frame.document["data"]
    changed = {**data, "order": {**data["order"], "status": status}}
    return Frame(frame.account_id, frame.news, {**frame.document, "data": changed})


def _text(document: Document) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
