"""Bars as they come, heard by the real StockDataStream."""

import json
import threading
from typing import Any

import pytest
from alpaca.data.live import StockDataStream
from websockets.sync.client import connect

from tests.venue.broker.serving import ServedVenue


def _url(venue: ServedVenue) -> str:
    return f"{venue.base_url.replace('http', 'ws', 1)}/v2/iex"


def test_bars_when_subscribed_to_then_those_of_the_symbol_come(venue: ServedVenue) -> None:
    heard: list[Any] = []
    stream = StockDataStream(venue.key_id, venue.secret_key, url_override=_url(venue))

    async def hear(bar: Any) -> None:  # noqa: ANN401 -- alpaca-py's
        heard.append(bar)
        if len(heard) == 2:
            await stream.stop_ws()

    stream.subscribe_bars(hear, "AAPL")
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    venue.wait_for(lambda: venue.venue.bar_hub.subscribers == 1)
    pushed = venue.push_bar("AAPL", 101, 103, 100, 102)
    venue.push("MSFT", 205)
    venue.push("AAPL", 104)
    thread.join(30)
    assert [(bar.symbol, bar.close) for bar in heard] == [("AAPL", 102), ("AAPL", 104)]
    assert (heard[0].open, heard[0].high, heard[0].low, heard[0].timestamp) == (101, 103, 100, pushed.start)


def test_stream_when_spoken_to_in_json_then_it_answers_in_json(venue: ServedVenue) -> None:
    with connect(_url(venue)) as stream:
        assert json.loads(stream.recv(10)) == [{"T": "success", "msg": "connected"}]
        stream.send(json.dumps({"action": "subscribe", "bars": ["AAPL"]}))
        assert json.loads(stream.recv(10))[0]["code"] == 401
        stream.send(json.dumps({"action": "auth", "key": venue.key_id, "secret": "wrong"}))
        assert json.loads(stream.recv(10))[0]["code"] == 402
        stream.send(json.dumps({"action": "auth", "key": venue.key_id, "secret": venue.secret_key}))
        assert json.loads(stream.recv(10)) == [{"T": "success", "msg": "authenticated"}]
        stream.send(json.dumps({"action": "subscribe", "bars": ["*"], "trades": ["IBM"]}))
        assert json.loads(stream.recv(10))[0]["bars"] == ["*"]
        stream.send(json.dumps({"action": "unsubscribe", "bars": ["*"]}))
        assert json.loads(stream.recv(10))[0]["bars"] == []


@pytest.mark.parametrize("message", [b"\xc1", b"\x81" * 50, "{", "[]", '{"action": 7}'])
def test_stream_when_a_message_makes_no_sense_then_it_says_so_and_goes_on(
    venue: ServedVenue, message: str | bytes
) -> None:
    packed = {"content-type": "application/msgpack"} if isinstance(message, bytes) else {}
    with connect(_url(venue), additional_headers=packed) as stream:
        stream.recv(10)
        stream.send(message)
        assert b"invalid syntax" in bytes(stream.recv(10))
