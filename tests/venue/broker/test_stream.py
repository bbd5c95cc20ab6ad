"""The stream of trade updates, heard by the real TradingStream."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest
from alpaca.trading.stream import TradingStream
from websockets.sync.client import connect

from tests.venue.broker.serving import ServedVenue


@dataclass
class Heard:
    """Updates in the order in which they came."""

    updates: list[Any] = field(default_factory=list)

    @property
    def events(self) -> list[str]:
        return [str(getattr(each.event, "value", each.event)) for each in self.updates]


@contextmanager
def listening(venue: ServedVenue) -> Iterator[Heard]:
    """alpaca-py's own stream, in a thread."""
    heard = Heard()
    stream = TradingStream(venue.key_id, venue.secret_key, url_override=venue.stream_url)

    async def hear(update: Any) -> None:  # noqa: ANN401 -- alpaca-py's
        heard.updates.append(update)

    stream.subscribe_trade_updates(hear)
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    venue.wait_for_listeners()
    try:
        yield heard
    finally:
        stream.stop()
        venue.do(venue.venue.hub.disconnect)  # it looks whether it shall stop only after each message
        thread.join(10)


def _buy(qty: float = 10) -> MarketOrderRequest:
    return MarketOrderRequest(symbol="AAPL", qty=qty, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)


def test_order_when_it_fills_then_the_stream_tells_of_each_step_with_the_execution(venue: ServedVenue) -> None:
    with listening(venue) as heard:
        order = venue.trading_client().submit_order(_buy())
        venue.wait_for(lambda: len(heard.updates) >= 3)
    assert heard.events == ["pending_new", "new", "fill"]
    fill = heard.updates[-1]
    assert (fill.order.id, fill.price, fill.qty, fill.position_qty) == (order.id, 100, 10, 10)
    assert fill.execution_id is not None


def test_order_when_it_is_canceled_then_the_stream_tells_so(venue: ServedVenue) -> None:
    client = venue.trading_client()
    terms = LimitOrderRequest(symbol="AAPL", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, limit_price=50)
    with listening(venue) as heard:
        client.cancel_order_by_id(client.submit_order(terms).id)
        venue.wait_for(lambda: "canceled" in heard.events)
    assert heard.events == ["pending_new", "new", "canceled"]


def test_stream_when_it_is_spoken_to_directly_then_frames_are_binary_json(venue: ServedVenue) -> None:
    with connect(venue.stream_url) as socket:
        socket.send(json.dumps({"action": "authenticate", "data": _keys(venue)}))
        answer = socket.recv(10)
        assert isinstance(answer, bytes)
        assert json.loads(answer)["data"] == {"action": "authenticate", "status": "authorized"}
        socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        assert json.loads(socket.recv(10)) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}


@pytest.mark.parametrize("message", ["{", "[]", "null", '{"action": 7}', "\x00", '{"action": "listen", "data": 3}'])
def test_stream_when_a_message_makes_no_sense_then_it_answers_and_goes_on(venue: ServedVenue, message: str) -> None:
    with connect(venue.stream_url) as socket:
        socket.send(message)
        assert json.loads(socket.recv(10))["data"]["error"]
        socket.send(json.dumps({"action": "authenticate", "data": _keys(venue)}))
        assert json.loads(socket.recv(10))["data"]["status"] == "authorized"


def test_stream_when_the_secret_is_wrong_then_it_says_unauthorized(venue: ServedVenue) -> None:
    with connect(venue.stream_url) as socket:
        socket.send(json.dumps({"action": "auth", "key": venue.key_id, "secret": "wrong"}))
        assert json.loads(socket.recv(10))["data"]["status"] == "unauthorized"


def _keys(venue: ServedVenue) -> dict[str, str]:
    return {"key_id": venue.key_id, "secret_key": venue.secret_key}
