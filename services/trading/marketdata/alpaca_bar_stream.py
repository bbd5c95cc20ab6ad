"""Bars as they come from Alpaca, by alpaca-py's `StockDataStream`, supervised.

Of alpaca-py the protocol is used: connecting, authenticating, subscribing. Its own loop hides a lost connection and has
one limit for all silence; here silence counts only while bars are due, and whoever uses the stream sees how old it is.
https://docs.alpaca.markets/docs/real-time-stock-pricing-data
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]  # the package ships no types
from alpaca.data.live.stock import StockDataStream

from services.contracts.bars import decimal_of
from services.contracts.market import Bar, Symbol
from services.kit.backoff import delay_seconds
from services.kit.clock import Clock
from services.kit.ids import Randomness
from services.trading.marketdata.port import BarsUnavailableError, Timeframe
from services.trading.wire.calls import Keys
from services.trading.wire.sockets import RestartedError, StreamPatience, end, ping, reason_of, socket_options

_log = logging.getLogger("services.trading.marketdata")

_KEY_ID: Final = "APCA-API-KEY-ID"
_SECRET_KEY: Final = "APCA-API-SECRET-KEY"  # noqa: S105 -- the header's name
_WAITING: Final = 10_000  # bars that were not taken yet; then the venue's connection has to wait
_KINDS: Final = {Timeframe.MINUTE: "b", Timeframe.DAY: "d"}


def _always() -> bool:
    return True


class AlpacaBarStream:
    """Implements `BarStream`. A connection that ends is built up again; what was missed meanwhile, history tells.

    Bars that Alpaca corrects later are not given: they would be a second one of the same minute.

    Args:
        url: Address of the stream: "wss://stream.data.alpaca.markets/v2/iex", or a paper venue's.
        keys: The headers of a session that may read there, asked for each connection.
        clock: Measures how long nothing was heard.
        randomness: Spreads the waits.
        timeframe: Minutes. Days only from a paper venue: it sends a day when that is complete, Alpaca again and again.
        patience: How long things may take.
        data_timeout_seconds: A connection on which no bar came for so long while bars are due is given up.
        due: Says whether bars must be coming now, as while a session runs.
    """

    def __init__(  # noqa: PLR0913 -- each is a collaborator of its own, handed in once when it is wired
        self,
        url: str,
        keys: Keys,
        *,
        clock: Clock,
        randomness: Randomness,
        timeframe: Timeframe = Timeframe.MINUTE,
        patience: StreamPatience | None = None,
        data_timeout_seconds: float = 180.0,
        due: Callable[[], bool] = _always,
    ) -> None:
        if timeframe not in _KINDS:
            raise ValueError(f"Alpaca streams bars of {' or '.join(_KINDS)}, not of {timeframe}")
        self._url = url
        self._keys = keys
        self._clock = clock
        self._randomness = randomness
        self._timeframe = timeframe
        self._patience = patience or StreamPatience()
        self._data_timeout_seconds = data_timeout_seconds
        self._due = due
        self._heard_at: float | None = None
        self._bar_at = 0.0
        self._newest: dict[Symbol, datetime] = {}

    @property
    def age_seconds(self) -> float | None:
        """Since a bar or an answer to a ping was heard; None while no stream stands."""
        return None if self._heard_at is None else self._clock.monotonic() - self._heard_at

    async def bars(self, symbols: Collection[Symbol]) -> AsyncGenerator[Bar, None]:
        """Implements `BarStream`. Listens as long as the iterator is open: close it when you stop (`aclosing`)."""
        waiting: asyncio.Queue[Bar] = asyncio.Queue(_WAITING)
        keeping = asyncio.create_task(self._keep(sorted(set(symbols)), waiting))
        try:
            while True:
                yield await _first_of(waiting, keeping)
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping

    async def _keep(self, symbols: list[Symbol], waiting: asyncio.Queue[Bar]) -> None:
        failures, said = 0, ""
        while True:
            stood_seconds, reason = await self._connection(symbols, waiting)
            # One that is lost as soon as it stands is not tried at once, again and again.
            if stood_seconds >= self._patience.most_wait_seconds:
                failures = 0
            if stood_seconds or reason != said:
                _log.warning("no stream of bars: %s", reason)
                said = reason
            failures += 1
            await asyncio.sleep(
                delay_seconds(
                    failures,
                    self._randomness,
                    first_seconds=self._patience.first_wait_seconds,
                    most_seconds=self._patience.most_wait_seconds,
                )
            )

    async def _connection(self, symbols: list[Symbol], waiting: asyncio.Queue[Bar]) -> tuple[float, str]:
        """One connection until its end: for how long it stood, 0 when it never did, and why it ended."""
        stands_since: float | None = None
        socket: _Socket | None = None
        try:
            socket = _Socket(self._url, self._keys(), symbols, self._timeframe)
            async with asyncio.timeout(self._patience.open_seconds):
                await socket.open()
            stands_since = self._heard_at = self._bar_at = self._clock.monotonic()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(socket, waiting))
                tasks.create_task(self._ping(socket, waiting))
        except Exception as error:  # noqa: BLE001 -- whatever ends a connection is the reason to build up the next one
            stood_seconds = 0.0 if stands_since is None else self._clock.monotonic() - stands_since
            return stood_seconds, reason_of(error)
        finally:
            self._heard_at = None
            if socket is not None:
                await socket.end()
        raise AssertionError("a connection ends by an error")

    async def _listen(self, socket: "_Socket", waiting: asyncio.Queue[Bar]) -> None:
        while True:
            for message in await socket.receive():
                bar = _bar(message, self._timeframe)
                if bar is None or bar.start <= self._newest.get(bar.symbol, datetime.min.replace(tzinfo=UTC)):
                    continue
                self._newest[bar.symbol] = bar.start
                self._heard_at = self._bar_at = self._clock.monotonic()
                await waiting.put(bar)

    async def _ping(self, socket: "_Socket", waiting: asyncio.Queue[Bar]) -> None:
        while True:
            await asyncio.sleep(self._patience.ping_every_seconds)
            async with asyncio.timeout(self._patience.pong_within_seconds):
                await socket.ping()
            now = self._heard_at = self._clock.monotonic()
            if waiting.full() or not self._due():
                self._bar_at = now
            elif now - self._bar_at > self._data_timeout_seconds:
                raise RestartedError(f"no bar for {self._data_timeout_seconds:g} s while bars are due")


async def _first_of(waiting: asyncio.Queue[Bar], keeping: asyncio.Task[None]) -> Bar:
    getting = asyncio.ensure_future(waiting.get())
    try:
        await asyncio.wait({getting, keeping}, return_when=asyncio.FIRST_COMPLETED)
        if not getting.done():
            await keeping  # it never ends but by an error, which is raised here
        return getting.result()
    finally:
        getting.cancel()


class _Socket(StockDataStream):
    """One connection, in alpaca-py's protocol."""

    def __init__(self, url: str, headers: Mapping[str, str], symbols: list[Symbol], timeframe: Timeframe) -> None:
        keys = {name.upper(): value for name, value in headers.items()}
        if _KEY_ID not in keys or _SECRET_KEY not in keys:
            raise BarsUnavailableError("the session has no pair of Alpaca keys: store them for the account in auth")
        super().__init__(
            keys[_KEY_ID],
            keys[_SECRET_KEY],
            raw_data=True,
            url_override=url,
            websocket_params=socket_options(logging.getLogger(f"{_log.name}.socket")),
        )
        subscribe = self.subscribe_daily_bars if timeframe is Timeframe.DAY else self.subscribe_bars
        subscribe(_never_called, *symbols)

    async def open(self) -> None:
        """Connect, authenticate, and subscribe."""
        await self._start_ws()
        await self._send_subscribe_msg()
        while not any(_subscribed(message) for message in await self.receive()):
            pass

    async def end(self) -> None:
        """Close politely, or else at once."""
        await end(self, self._ws, _log)

    async def receive(self) -> list[Mapping[str, Any]]:
        """The messages of the next frame; none for one that cannot be read."""
        frame = await self._ws.recv()  # type: ignore[attr-defined]  # alpaca-py types it as None
        try:
            messages = msgpack.unpackb(frame, timestamp=3)  # as datetimes
        except (TypeError, ValueError, msgpack.UnpackException) as error:
            _log.warning("a frame of bars could not be read: %r", error)
            return []
        return [each for each in messages if isinstance(each, dict)] if isinstance(messages, list) else []

    async def ping(self) -> None:
        """Send a ping and wait for its answer."""
        await ping(self._ws)


async def _never_called(_message: object) -> None:
    """alpaca-py subscribes for whoever has a handler; frames are read by `_Socket.receive`."""


def _subscribed(message: Mapping[str, Any]) -> bool:
    if message.get("T") == "error":
        raise BarsUnavailableError(f"the venue says: {message.get('msg')} ({message.get('code')})")
    return message.get("T") == "subscription"


def _bar(message: Mapping[str, Any], timeframe: Timeframe) -> Bar | None:
    """A complete bar out of a message; None when it is something else. One that cannot be read is told in the log."""
    if message.get("T") != _KINDS[timeframe]:
        return None
    try:
        start = message["t"].astimezone(UTC)
        opened, high, low, close = (decimal_of(float(message[name])) for name in ("o", "h", "l", "c"))
        volume = Decimal(str(message["v"]))
        if min(opened, high, low, close) <= 0 or not volume.is_finite() or volume < 0:
            raise ValueError("its numbers are none of a bar")  # noqa: TRY301 -- told like all else that is wrong with it
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        _log.warning("a bar could not be read: %r", error)
        return None
    return Bar(Symbol(message["S"]), start, timeframe.seconds, opened, high, low, close, volume)
