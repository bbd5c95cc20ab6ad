"""The stream of trade updates: the real alpaca-py against a scripted WebSocket server on loopback."""

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from services.contracts.orders import VenueName
from services.kit.clock import SystemClock
from services.kit.ids import SystemRandomness
from services.trading.brokers.alpaca import AlpacaBroker
from services.trading.brokers.alpaca_stream import TradeUpdates
from services.trading.brokers.port import Told
from services.trading.wire.sockets import StreamPatience
from tests.fakes.listener import RecordingListener
from tests.trading.brokers.papers import broker_at, new_keys, order_document

Play = Callable[[ServerConnection], Awaitable[None]]
LISTENING = {"stream": "listening", "data": {"streams": ["trade_updates"]}}


def frame(event: str = "new", **order: object) -> str:
    """News of an order."""
    data: dict[str, Any] = {"event": event, "timestamp": "2026-03-02T15:00:01Z", "order": order_document(**order)}
    if event in {"fill", "partial_fill"}:
        data |= {"execution_id": "exec-1", "qty": "4", "price": "100.005", "position_qty": "4"}
    return json.dumps({"stream": "trade_updates", "data": data})


class Venue:
    """Greets each connection as Alpaca does and then plays its part of the script, the last one again and again."""

    def __init__(self, *script: Play) -> None:
        self.script = list(script)
        self.keys: list[dict[str, str]] = []

    async def __call__(self, connection: ServerConnection) -> None:
        asked = json.loads(await connection.recv())
        self.keys.append(asked["data"])
        # As in paper trading, text comes in binary frames.
        await connection.send(b'{"stream": "authorization", "data": {"status": "authorized"}}')
        assert json.loads(await connection.recv())["action"] == "listen"
        await self.script[min(len(self.keys), len(self.script)) - 1](connection)


def says(*frames: str | bytes, acknowledges: bool = True, stays: bool = True) -> Play:
    async def play(connection: ServerConnection) -> None:
        if acknowledges:
            await connection.send(json.dumps(LISTENING).encode())
        for each in frames:
            await connection.send(each if isinstance(each, bytes) else each.encode())
        if stays:
            await connection.wait_closed()

    return play


async def listening(
    venue: Play,
    listener: RecordingListener,
    test: Callable[[AlpacaBroker], Awaitable[None]],
) -> None:
    """Serve the venue, listen to it as long as `test` runs, and stop."""
    async with serve(venue, "127.0.0.1", 0, close_timeout=0.1) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        broker = broker_at(f"http://127.0.0.1:{port}")
        stream = asyncio.create_task(broker.stream(listener))
        try:
            await test(broker)
        finally:
            stream.cancel()
            await asyncio.wait([stream], timeout=5)
            assert stream.cancelled()
            assert broker.stream_age_seconds is None


def run(venue: Venue, listener: RecordingListener, condition: Callable[[RecordingListener], bool]) -> None:
    async def test(_broker: AlpacaBroker) -> None:
        await asyncio.to_thread(listener.wait_for, condition)

    asyncio.run(listening(venue, listener, test))


def test_a_frame_is_told_raw_before_it_is_understood() -> None:
    listener = RecordingListener()
    run(Venue(says(frame())), listener, lambda heard: "update" in heard.told)
    assert listener.told == ["frame", "connected", "frame", "update"]
    assert listener.frames[1] == frame()


def test_a_stream_stands_once_the_venue_says_that_it_sends() -> None:
    listener = RecordingListener()
    late = says(frame(), json.dumps(LISTENING), acknowledges=False)
    run(Venue(late), listener, lambda heard: "connected" in heard.told)
    assert listener.told == ["frame", "update", "frame", "connected"]


def test_a_fill_is_told_with_its_execution_and_what_the_order_has_by_then() -> None:
    listener = RecordingListener()
    news = frame("partial_fill", status="partially_filled", filled_qty="4", filled_avg_price="100.005")
    run(Venue(says(news)), listener, lambda heard: bool(heard.updates))
    fill = listener.updates[0].fill
    assert fill is not None
    assert (fill.execution_id, fill.quantity, fill.price, fill.cumulative) == (
        "exec-1", Decimal(4), Decimal("100.005"), Decimal(4),
    )  # fmt: skip


def test_what_comes_while_frames_are_being_handled_is_told_together() -> None:
    listener = RecordingListener()
    sent = threading.Event()
    told: list[int] = []

    def updates(news: Sequence[Told]) -> None:
        told.append(len(news))
        sent.wait(5)

    listener.updates = updates  # type: ignore[method-assign]

    async def test(_broker: AlpacaBroker) -> None:
        await asyncio.to_thread(listener.wait_for, lambda _: sum(told) == 5)

    async def play(connection: ServerConnection) -> None:
        await connection.send(json.dumps(LISTENING))
        await connection.send(frame())
        await asyncio.to_thread(listener.wait_for, lambda _: bool(told))
        for _ in range(4):
            await connection.send(frame())
        await (await connection.ping())  # its answer comes after all of them were read
        sent.set()
        await connection.wait_closed()

    asyncio.run(listening(Venue(play), listener, test))
    assert told == [1, 4]


def test_what_cannot_be_taken_in_together_is_told_one_by_one() -> None:
    listener = RecordingListener()
    run(Venue(says(frame(), "}{ no JSON", frame())), listener, lambda heard: len(heard.updates) == 2)
    assert sorted(listener.told) == ["connected", *["frame"] * 4, "unreadable", *["update"] * 2]


def test_a_refused_cancel_is_told_as_the_reason() -> None:
    listener = RecordingListener()
    run(Venue(says(frame("order_cancel_rejected"))), listener, lambda heard: bool(heard.updates))
    assert (listener.updates[0].fill, listener.updates[0].order.reason) == (None, "order_cancel_rejected")


@pytest.mark.parametrize(
    "odd",
    [
        "}{ no JSON",
        "[]",
        "null",
        '{"stream": "trade_updates"}',
        '{"stream": "trade_updates", "data": {"event": "new"}}',
        '{"stream": "listening", "data": 1}',
        '{"stream": "gossip", "data": {}}',
        frame("fill", filled_qty="ten"),
        frame("trade_bust"),
        frame("trade_correct"),
        b"\xff\xfe",
        "[" * 100_000,
    ],
    ids=[
        *("no-json", "array", "null", "no-data", "no-order", "odd-ack", "other-stream", "odd-number"),
        *("bust", "correction", "no-text", "deep"),
    ],
)
def test_a_frame_that_is_not_understood_is_kept_and_the_next_one_is_handled(odd: str | bytes) -> None:
    listener = RecordingListener()
    run(Venue(says(odd, frame())), listener, lambda heard: "update" in heard.told)
    assert listener.told == ["frame", "connected", "frame", "unreadable", "frame", "update"]
    assert listener.problems[0][1]


@pytest.mark.parametrize("fails", ["connected", "frame", "update"])
def test_a_listener_that_fails_ends_nothing(fails: str, caplog: pytest.LogCaptureFixture) -> None:
    listener = RecordingListener(fails=fails)
    run(Venue(says(frame(), frame(status="filled"))), listener, lambda heard: len(heard.updates) == 2)
    assert "disconnected" not in listener.told
    assert "the listener fails" in caplog.text


def test_an_update_that_could_not_be_handled_is_told_as_unreadable() -> None:
    listener = RecordingListener(fails="update")
    run(Venue(says(frame())), listener, lambda heard: bool(heard.problems))
    assert listener.problems == [(frame(), "handling it failed; the log says how")]


def test_a_listener_is_called_from_one_thread_of_the_venues_own() -> None:
    listener = RecordingListener()
    run(Venue(says(frame(), frame(), frame())), listener, lambda heard: len(heard.updates) == 3)
    assert listener.threads == {"stream-alpaca-paper_0"}


@pytest.mark.parametrize("acknowledged", [True, False])
def test_a_stream_that_is_lost_is_built_up_again(acknowledged: bool) -> None:  # noqa: FBT001 -- a parameter
    listener = RecordingListener()
    venue = Venue(says(acknowledges=acknowledged, stays=False), says(frame()))
    run(venue, listener, lambda heard: "update" in heard.told)
    assert listener.told.count("disconnected") == acknowledged
    assert len(venue.keys) == 2


def test_a_stream_that_is_lost_as_soon_as_it_stands_is_tried_with_growing_waits() -> None:
    listener = RecordingListener()
    keys = new_keys()
    patience = StreamPatience(first_wait_seconds=0.05, most_wait_seconds=10.0)

    async def measured() -> float:
        async with serve(Venue(says(stays=False)), "127.0.0.1", 0) as server:
            url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            updates = TradeUpdates(
                VenueName("alpha"),
                url,
                lambda: keys,
                clock=SystemClock(),
                randomness=SystemRandomness(),
                patience=patience,
            )
            began = asyncio.get_running_loop().time()
            stream = asyncio.create_task(updates.run(listener))
            await asyncio.to_thread(listener.wait_for, lambda heard: heard.told.count("connected") >= 5)
            stream.cancel()
            await asyncio.wait([stream])
            return asyncio.get_running_loop().time() - began

    # 0.05, 0.1, 0.2 and 0.4 s, at least half of each; without growth it would be 0.2 s at most.
    assert asyncio.run(measured()) > 0.37


def test_a_stream_that_answers_no_ping_is_built_up_again() -> None:
    listener = RecordingListener()

    async def deaf(connection: ServerConnection) -> None:
        await says(stays=False)(connection)
        connection.transport.pause_reading()
        await connection.wait_closed()

    run(Venue(deaf, says(frame())), listener, lambda heard: "update" in heard.told)
    assert listener.reasons == ["no answer in time"]


def test_a_stream_whose_keys_are_refused_is_tried_again_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    attempts: list[object] = []
    thrice = asyncio.Event()

    async def refuses(connection: ServerConnection) -> None:
        attempts.append(await connection.recv())
        await connection.send('{"stream": "authorization", "data": {"status": "unauthorized"}}')
        if len(attempts) == 3:
            thrice.set()

    async def test(_broker: AlpacaBroker) -> None:
        await asyncio.wait_for(thrice.wait(), 10)

    with caplog.at_level(logging.WARNING):
        asyncio.run(listening(refuses, RecordingListener(), test))
    assert [each.getMessage() for each in caplog.records if each.name.startswith("services")] == [
        "the stream of alpaca-paper cannot be opened: ValueError: failed to authenticate"
    ]


def test_each_connection_uses_the_keys_of_its_moment() -> None:
    keys, renewed = new_keys(), new_keys()
    listener = RecordingListener()
    venue = Venue(says())

    async def connect_twice() -> None:
        async with serve(venue, "127.0.0.1", 0) as server:
            broker = broker_at(f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}", keys)
            stream = asyncio.create_task(broker.stream(listener))
            await asyncio.to_thread(listener.wait_for, lambda heard: "connected" in heard.told)
            keys.update(renewed)
            broker.restart("renewed")
            await asyncio.to_thread(listener.wait_for, lambda heard: heard.told.count("connected") == 2)
            stream.cancel()
            await asyncio.wait([stream])

    asyncio.run(connect_twice())
    assert venue.keys[1]["key_id"] == renewed["APCA-API-KEY-ID"] != venue.keys[0]["key_id"]


def test_the_secret_key_is_not_logged_even_at_the_finest_level(caplog: pytest.LogCaptureFixture) -> None:
    venue = Venue(says(frame()))
    listener = RecordingListener()
    logging.getLogger("websockets.server").setLevel(logging.CRITICAL)  # the test's own end of the connection
    with caplog.at_level(logging.DEBUG):
        run(venue, listener, lambda heard: "update" in heard.told)
    assert venue.keys[0]["secret_key"][-8:] not in caplog.text


def test_a_restart_from_any_thread_gives_up_the_connection_and_says_why() -> None:
    listener = RecordingListener()

    async def test(broker: AlpacaBroker) -> None:
        await asyncio.to_thread(listener.wait_for, lambda heard: "connected" in heard.told)
        await asyncio.to_thread(broker.restart, "mute for 30 s")
        await asyncio.to_thread(listener.wait_for, lambda heard: heard.told.count("connected") == 2)

    asyncio.run(listening(Venue(says()), listener, test))
    assert listener.reasons == ["mute for 30 s"]


def test_a_restart_while_nobody_listens_does_nothing() -> None:
    broker = broker_at("http://127.0.0.1:1")
    broker.restart("mute")
    assert broker.stream_age_seconds is None


def test_the_age_of_a_silent_stream_stays_low_by_the_answers_to_pings() -> None:
    listener = RecordingListener()

    async def test(broker: AlpacaBroker) -> None:
        await asyncio.to_thread(listener.wait_for, lambda heard: "connected" in heard.told)
        ages: list[float] = []
        async with asyncio.timeout(10):
            while len(ages) < 100:
                ages.append(broker.stream_age_seconds or 0.0)
                await asyncio.sleep(0.005)
        assert ages[-1] < 0.45, "it would be half a second without the pings"

    asyncio.run(listening(Venue(says()), listener, test))


def test_cancelling_ends_at_once_even_when_the_venue_does_not_close() -> None:
    listener = RecordingListener()

    async def stubborn(connection: ServerConnection) -> None:
        await says(stays=False)(connection)
        connection.transport.pause_reading()
        await connection.wait_closed()

    async def measured() -> float:
        async with serve(Venue(stubborn), "127.0.0.1", 0, close_timeout=0.1) as server:
            broker = broker_at(f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}")
            stream = asyncio.create_task(broker.stream(listener))
            await asyncio.to_thread(listener.wait_for, lambda heard: "connected" in heard.told)
            loop = asyncio.get_running_loop()
            began = loop.time()
            stream.cancel()
            await asyncio.wait([stream])
            return loop.time() - began

    assert asyncio.run(measured()) < 1.5
    assert "disconnected" not in listener.told
