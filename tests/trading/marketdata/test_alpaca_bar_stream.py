"""Bars as they come, by the real alpaca-py: from the paper venue, and from servers that misbehave."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgpack
import pytest
from websockets.asyncio.server import ServerConnection, serve

from services.contracts.market import Bar, Symbol
from services.kit.clock import SystemClock
from services.kit.ids import SystemRandomness
from services.trading.marketdata.alpaca_bar_stream import AlpacaBarStream
from services.trading.marketdata.port import Timeframe
from services.trading.wire.sockets import StreamPatience
from tests.trading.brokers.papers import new_keys
from tests.venue.broker.serving import ServedVenue

AAPL, IBM = Symbol("AAPL"), Symbol("IBM")
START = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
HASTY = StreamPatience(
    open_seconds=2.0, ping_every_seconds=0.05, pong_within_seconds=0.5, first_wait_seconds=0.02, most_wait_seconds=0.1
)
WAIT_SECONDS = 20.0

Play = Callable[[ServerConnection], Awaitable[None]]


def stream_at(url: str, keys: dict[str, str] | None = None, **options: Any) -> AlpacaBarStream:  # noqa: ANN401 -- its own
    present = keys or new_keys()
    return AlpacaBarStream(
        url, lambda: present, clock=SystemClock(), randomness=SystemRandomness(), patience=HASTY, **options
    )


def url_of(venue: ServedVenue) -> str:
    return f"{venue.base_url.replace('http', 'ws', 1)}/v2/iex"


def message(minute: int = 0, **changed: object) -> dict[str, object]:
    start = START + timedelta(minutes=minute)
    return {"T": "b", "S": "AAPL", "t": start, "o": 100.0, "h": 101.0, "l": 99.5, "c": 100.25, "v": 1000, **changed}


def packed(*messages: object) -> bytes:
    frame: bytes = msgpack.packb(list(messages), datetime=True)
    return frame


class Venue:
    """Greets each connection as Alpaca does and then plays its part of the script, the last one again and again."""

    def __init__(self, *script: Play, authenticates: bool = True, acknowledges: bool = True) -> None:
        self.script = script
        self.authenticates = authenticates
        self.acknowledges = acknowledges
        self.asked: list[dict[str, Any]] = []
        self.connections = 0
        self.url = ""

    async def __call__(self, connection: ServerConnection) -> None:
        self.connections += 1
        await connection.send(packed({"T": "success", "msg": "connected"}))
        self.asked.append(msgpack.unpackb(await connection.recv()))
        if not self.authenticates:
            await connection.send(packed({"T": "error", "code": 402, "msg": "auth failed"}))
            await connection.wait_closed()
            return
        await connection.send(packed({"T": "success", "msg": "authenticated"}))
        self.asked.append(msgpack.unpackb(await connection.recv()))
        if self.acknowledges:
            await connection.send(packed({"T": "subscription", "bars": self.asked[-1].get("bars", [])}))
        await self.script[min(self.connections, len(self.script)) - 1](connection)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        async with serve(self, "127.0.0.1", 0) as server:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def says(*frames: bytes, stays: bool = True) -> Play:
    async def play(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)
        if stays:
            await connection.wait_closed()

    return play


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110 -- most of what is waited for happens in another thread or library
            await asyncio.sleep(0.005)


async def first(stream: AlpacaBarStream, count: int, *symbols: Symbol) -> list[Bar]:
    found: list[Bar] = []
    async with asyncio.timeout(WAIT_SECONDS), aclosing(stream.bars(symbols or [AAPL])) as bars:
        async for bar in bars:
            found.append(bar)
            if len(found) == count:
                break
    return found


def heard(venue: Venue, count: int, **options: Any) -> list[Bar]:  # noqa: ANN401 -- those of the stream
    async def listen() -> list[Bar]:
        async with venue.serving() as url:
            return await first(stream_at(url, **options), count)

    return asyncio.run(listen())


def minutes_of(bars: list[Bar]) -> list[float]:
    return [(bar.start - START).total_seconds() / 60 for bar in bars]


def test_bars_of_the_paper_venue_come_as_they_were_pushed(venue: ServedVenue) -> None:
    async def listen() -> tuple[list[Bar], list[Bar]]:
        stream = stream_at(url_of(venue), venue.headers)
        listening = asyncio.create_task(first(stream, 3, AAPL, IBM))
        await asyncio.to_thread(venue.wait_for, lambda: venue.venue.bar_hub.subscribers == 1)

        def push() -> list[Bar]:
            venue.push("MSFT", 7)  # nobody asked for it
            return [
                venue.push_bar("AAPL", "100.01", 103, "99.99", "102.5"),
                venue.push_bar("IBM", "0.1234", "0.1235", "0.1233", "0.1234", volume=5),
                venue.push("AAPL", 104),
            ]

        return await asyncio.to_thread(push), await listening

    pushed, came = asyncio.run(listen())
    assert came == pushed


def test_days_of_the_paper_venue_come_when_asked_for(venue: ServedVenue) -> None:
    async def listen() -> tuple[Bar, list[Bar]]:
        stream = stream_at(url_of(venue), venue.headers, timeframe=Timeframe.DAY)
        listening = asyncio.create_task(first(stream, 1))
        await asyncio.to_thread(venue.wait_for, lambda: venue.venue.bar_hub.subscribers == 1)

        def push() -> Bar:
            venue.push("AAPL", 100)  # a minute
            return venue.push("AAPL", 101, seconds=86_400)

        return await asyncio.to_thread(push), await listening

    pushed, came = asyncio.run(listen())
    assert came == [pushed]


def test_prices_come_on_their_ticks() -> None:
    (bar,) = heard(Venue(says(packed(message(o=100.00999999, l=0.12345, v=12.5)))), 1)
    assert (bar.open, bar.low, bar.volume, bar.seconds) == (
        Decimal("100.01"),
        Decimal("0.1234"),
        Decimal("12.5"),
        60,
    )


def test_a_connection_that_is_lost_is_built_up_again_and_no_bar_comes_twice() -> None:
    venue = Venue(
        says(packed(message(0)), packed(message(1)), stays=False), says(packed(message(1)), packed(message(2)))
    )
    assert minutes_of(heard(venue, 3)) == [0, 1, 2]
    assert venue.connections == 2


def test_the_keys_of_the_moment_are_sent_with_each_connection() -> None:
    venue = Venue(says(packed(message(0)), stays=False), says(packed(message(1))))
    keys = iter([new_keys(), new_keys()])
    sent: list[dict[str, str]] = []

    def next_keys() -> dict[str, str]:
        sent.append(next(keys))
        return sent[-1]

    async def listen() -> None:
        async with venue.serving() as url:
            stream = AlpacaBarStream(url, next_keys, clock=SystemClock(), randomness=SystemRandomness(), patience=HASTY)
            await first(stream, 2)

    asyncio.run(listen())
    assert [each["key"] for each in venue.asked if each["action"] == "auth"] == [
        each["APCA-API-KEY-ID"] for each in sent
    ]


def test_a_connection_that_is_mute_while_bars_are_due_is_given_up() -> None:
    """Pings are answered all the while."""
    venue = Venue(says(packed(message(0))), says(packed(message(1))))
    assert minutes_of(heard(venue, 2, data_timeout_seconds=0.2)) == [0, 1]
    assert venue.connections == 2


def test_silence_while_no_bars_are_due_is_no_reason_to_connect_again() -> None:
    async def listen() -> None:
        venue = Venue(says(packed(message(0))))
        async with venue.serving() as url:
            stream = stream_at(url, data_timeout_seconds=0.1, due=lambda: False)
            async with asyncio.timeout(WAIT_SECONDS), aclosing(stream.bars([AAPL])) as bars:
                await anext(bars)
                another = asyncio.ensure_future(anext(bars))
                done, _ = await asyncio.wait([another], timeout=0.6)
                assert (done, venue.connections) == (set(), 1)
                assert stream.age_seconds is not None
                assert stream.age_seconds < 0.5
                another.cancel()
                await asyncio.wait([another])

    asyncio.run(listen())


@pytest.mark.parametrize(
    "frame",
    [
        b"\xc1 no msgpack",
        packed("text", 7),
        msgpack.packb({"T": "b"}),
        packed(message(0, o=None)),
        packed(message(0, c=float("nan"))),
        packed(message(0, l=0)),
        packed(message(0, v=float("nan"))),
        packed(message(0, v=-1)),
        packed({"T": "b", "S": "AAPL"}),
        packed(message(0, t="noon")),
        packed(message(0, T="u")),
        packed(message(0, T="x-new")),
    ],
)
def test_what_cannot_be_read_or_was_not_asked_for_is_passed_over(frame: bytes) -> None:
    venue = Venue(says(frame, packed(message(5))))
    assert minutes_of(heard(venue, 1)) == [5]
    assert venue.connections == 1


def test_refused_keys_are_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def listen() -> None:
        venue = Venue(says(packed(message(0))), authenticates=False)
        async with venue.serving() as url:
            listening = asyncio.create_task(first(stream_at(url), 1))
            await until(lambda: venue.connections == 3)
            venue.authenticates = True
            await listening

    with caplog.at_level(logging.WARNING, "services.trading.marketdata"):
        asyncio.run(listen())
    assert [each.getMessage() for each in caplog.records] == ["no stream of bars: ValueError: auth failed"]


def test_a_session_without_keys_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def listen() -> None:
        stream = stream_at("ws://127.0.0.1:9/", {"Authorization": "Bearer x"})
        async with aclosing(stream.bars([AAPL])) as bars:
            waiting = asyncio.ensure_future(anext(bars))
            await until(lambda: bool(caplog.records))
            waiting.cancel()
            await asyncio.wait([waiting])

    with caplog.at_level(logging.WARNING, "services.trading.marketdata"):
        asyncio.run(listen())
    assert "the session has no pair of Alpaca keys" in caplog.records[0].getMessage()


def test_a_venue_that_never_confirms_the_subscription_has_no_stream() -> None:
    venue = Venue(says(), acknowledges=False)

    async def listen() -> float | None:
        async with venue.serving() as url:
            stream = AlpacaBarStream(
                url,
                new_keys,
                clock=SystemClock(),
                randomness=SystemRandomness(),
                patience=StreamPatience(open_seconds=0.2, first_wait_seconds=0.01, most_wait_seconds=0.02),
            )
            listening = asyncio.create_task(first(stream, 1))
            await until(lambda: venue.connections == 2 or stream.age_seconds is not None)
            listening.cancel()
            await asyncio.wait([listening])
            return stream.age_seconds

    assert asyncio.run(listen()) is None


def test_hours_are_not_streamed() -> None:
    with pytest.raises(ValueError, match="Alpaca streams bars of 1min or 1day, not of 1hour"):
        stream_at("ws://127.0.0.1:9/", timeframe=Timeframe.HOUR)
