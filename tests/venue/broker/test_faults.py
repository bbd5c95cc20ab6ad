"""What a venue does wrong on demand, as the real client sees it."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderStatus
from alpaca.trading.requests import ReplaceOrderRequest
from pydantic import ValidationError
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from services.venue.broker.faults import Fault, FaultKind, Kind
from services.venue.broker.plan import FaultPlan
from tests.fakes.clock import FakeClock
from tests.venue.broker.orders import limit, market
from tests.venue.broker.serving import ServedVenue


def _post(venue: ServedVenue, name: str = "one", **options: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
    order = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
    body = {**order, "client_order_id": name}
    return httpx.post(f"{venue.base_url}/v2/orders", json=body, headers=venue.headers, **options)


def _has(venue: ServedVenue, name: str) -> bool:
    query = {"client_order_id": name}
    found = httpx.get(f"{venue.base_url}/v2/orders:by_client_order_id", params=query, headers=venue.headers)
    assert found.status_code in {200, 404}
    return found.status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("forbidden", 403, 40310000),
        ("throttled", 429, 42910000),
        ("server_error", 500, 50010000),
        ("gateway_timeout", 504, 50410000),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_failing_answer_when_planned_then_the_order_exists_only_after_acceptance(
    venue: ServedVenue, kind: str, status: int, code: int, when: str
) -> None:
    venue.fault(kind, on=["submit"], when=when)
    answer = _post(venue)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert _has(venue, "one") is (when == "after")
    assert _post(venue, "two").status_code == 200  # it happens once


@pytest.mark.parametrize("when", ["before", "after"])
def test_dropped_connection_when_planned_then_the_client_gets_no_answer(venue: ServedVenue, when: str) -> None:
    venue.fault("drop", on=["submit"], when=when)
    with pytest.raises(requests.ConnectionError, match="closed connection without response"):
        venue.trading_client().submit_order(market(client_order_id="one"))
    assert _has(venue, "one") is (when == "after")


def test_dropped_connection_when_seen_on_the_socket_then_not_a_byte_comes(venue: ServedVenue) -> None:
    venue.fault("drop", on=["clock"])
    host, port = venue.base_url.split("/")[2].split(":")
    keys = "".join(f"{name}: {value}\r\n" for name, value in venue.headers.items())
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(f"GET /paper/alpha/v2/clock HTTP/1.1\r\nhost: {host}\r\n{keys}\r\n".encode())
        assert raw.recv(1) == b""


def test_hang_when_planned_then_the_client_waits_in_vain_and_the_order_is_there(venue: ServedVenue) -> None:
    venue.fault("hang", on=["submit"], when="after")
    with pytest.raises(httpx.ReadTimeout):
        _post(venue, timeout=0.3)
    assert _has(venue, "one")


def test_hang_when_it_has_an_end_then_the_connection_is_closed_then(venue: ServedVenue) -> None:
    venue.fault("hang", on=["submit"], seconds=0.1)
    with pytest.raises(httpx.RemoteProtocolError):
        _post(venue, timeout=10)
    assert not _has(venue, "one")


def test_latency_when_planned_then_answers_take_so_long(venue: ServedVenue) -> None:
    venue.fault("latency", on=["clock"], seconds=0.2)
    started = time.monotonic()
    venue.trading_client().get_clock()
    assert time.monotonic() - started >= 0.2


def test_latency_when_it_ramps_then_it_grows_with_time(venue: ServedVenue) -> None:
    venue.fault("latency", count=None, seconds=0, to_seconds=2, ramp_seconds=100)
    plan = venue.venue.plan
    fault = plan.planned[0].fault
    assert plan.latency(fault) < 0.1
    venue.clock.advance(50)
    assert 0.9 < plan.latency(fault) < 1.2
    venue.clock.advance(1000)
    assert plan.latency(fault) == 2


def test_garbage_when_planned_then_the_answer_is_no_json(venue: ServedVenue) -> None:
    venue.fault("garbage", on=["submit"], when="after")
    with pytest.raises(json.JSONDecodeError):
        _post(venue).json()
    assert _has(venue, "one")


def test_unknown_status_when_planned_then_the_client_cannot_read_the_order_and_the_order_exists(
    venue: ServedVenue,
) -> None:
    venue.fault("unknown_status", on=["submit"])
    with pytest.raises(ValidationError, match="status"):
        venue.trading_client().submit_order(market(client_order_id="one"))
    assert _has(venue, "one")


def test_expired_key_when_planned_then_every_request_is_refused_from_then_on(venue: ServedVenue) -> None:
    venue.fault("expired_key", skip=1)
    statuses = [httpx.get(f"{venue.base_url}/v2/account", headers=venue.headers).status_code for _ in range(4)]
    assert statuses == [200, 401, 401, 401]


def test_fault_when_others_come_first_then_it_waits_for_its_request(venue: ServedVenue) -> None:
    venue.scenario(
        {"fault": "server_error", "on": ["submit"], "skip": 2},
        {"fault": "throttled", "on": ["account"], "count": 2},
    )
    assert [_post(venue, f"{number}").status_code for number in range(4)] == [200, 200, 500, 200]
    account = f"{venue.base_url}/v2/account"
    assert [httpx.get(account, headers=venue.headers).status_code for _ in range(3)] == [429, 429, 200]


def test_chance_when_the_seed_is_the_same_then_the_same_requests_fail() -> None:
    def drawn(seed: int) -> list[bool]:
        plan = FaultPlan(FakeClock(), seed=seed)
        plan.add(Fault(fault=FaultKind.DROP, probability=0.5, count=None))
        return [bool(plan.at_request(Kind.CLOCK)) for _ in range(40)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert 5 < sum(drawn(1)) < 35


def test_fault_when_its_time_has_not_come_then_nothing_happens(venue: ServedVenue) -> None:
    venue.fault("server_error", after_seconds=60)
    client = venue.trading_client()
    client.get_clock()
    venue.clock.advance(61)
    with pytest.raises(APIError):
        client.get_clock()


# --- matching


def test_partial_fills_when_scripted_then_the_rest_stays_open_until_it_is_canceled(venue: ServedVenue) -> None:
    venue.fault("partial_fills", quantities=["3", "1"], price="99.5")
    client = venue.trading_client()
    order = client.submit_order(market())
    venue.push("AAPL", 50)
    part = client.get_order_by_id(order.id)
    assert (part.status, part.filled_qty, part.filled_avg_price) == (OrderStatus.PARTIALLY_FILLED, "4", "99.5")
    client.cancel_order_by_id(order.id)
    assert client.get_order_by_id(order.id).status is OrderStatus.CANCELED


def test_partial_fills_when_the_rest_is_the_markets_then_the_next_bar_fills_it(venue: ServedVenue) -> None:
    venue.fault("partial_fills", quantities=["4"], then_match=True)
    client = venue.trading_client()
    order = client.submit_order(market())
    venue.push("AAPL", 105)
    assert client.get_order_by_id(order.id).filled_avg_price == "103"


def test_fill_before_cancel_when_planned_then_the_cancel_is_taken_and_the_fill_wins(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(limit(90))
    venue.fault("fill_before_cancel")
    client.cancel_order_by_id(order.id)
    assert client.get_order_by_id(order.id).status is OrderStatus.FILLED


def test_fill_before_cancel_when_it_is_partial_then_the_rest_is_canceled(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(limit(90))
    venue.fault("fill_before_cancel", quantities=["4"])
    client.cancel_order_by_id(order.id)
    canceled = client.get_order_by_id(order.id)
    assert (canceled.status, canceled.filled_qty) == (OrderStatus.CANCELED, "4")


def test_fill_after_cancel_when_planned_then_the_canceled_order_has_a_fill(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(limit(90))
    venue.fault("fill_after_cancel", quantities=["4"])
    client.cancel_order_by_id(order.id)
    canceled = client.get_order_by_id(order.id)
    assert (canceled.status, canceled.filled_qty) == (OrderStatus.CANCELED, "4")
    assert client.get_open_position("AAPL").qty == "4"


def test_slow_cancel_when_planned_then_the_order_is_pending_until_it_is_done(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(limit(90))
    venue.fault("slow_cancel", seconds=0.2)
    client.cancel_order_by_id(order.id)
    assert client.get_order_by_id(order.id).status is OrderStatus.PENDING_CANCEL
    venue.wait_for(lambda: client.get_order_by_id(order.id).status is OrderStatus.CANCELED)


def test_fill_before_replace_when_planned_then_the_new_order_is_rejected(venue: ServedVenue) -> None:
    client = venue.trading_client()
    old = client.submit_order(limit(90))
    venue.fault("fill_before_replace")
    new = client.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=91))
    assert client.get_order_by_id(old.id).status is OrderStatus.FILLED
    assert client.get_order_by_id(new.id).status is OrderStatus.REJECTED
    assert client.get_open_position("AAPL").qty == "10"


def test_slow_replace_when_planned_then_the_old_order_works_until_it_is_done(venue: ServedVenue) -> None:
    client = venue.trading_client()
    old = client.submit_order(limit(90))
    venue.fault("slow_replace", seconds=0.2)
    new = client.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=91))
    assert client.get_order_by_id(old.id).status is OrderStatus.PENDING_REPLACE
    venue.wait_for(lambda: client.get_order_by_id(old.id).status is OrderStatus.REPLACED)
    assert client.get_order_by_id(new.id).status is OrderStatus.NEW


def test_slow_replace_when_the_old_order_fills_meanwhile_then_the_new_one_is_rejected(venue: ServedVenue) -> None:
    client = venue.trading_client()
    old = client.submit_order(limit(90))
    venue.fault("slow_replace", seconds=0.2)
    new = client.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=91))
    venue.push("AAPL", 89)
    venue.wait_for(lambda: client.get_order_by_id(new.id).status is OrderStatus.REJECTED)
    assert client.get_open_position("AAPL").qty == "10"


# --- the venue


def test_halt_when_it_comes_with_a_request_then_orders_wait_for_its_end(venue: ServedVenue) -> None:
    client = venue.trading_client()
    venue.fault("halt", on=["submit"], symbol="AAPL")
    order = client.submit_order(market())
    venue.push("AAPL", 95)
    assert client.get_order_by_id(order.id).status is OrderStatus.NEW
    assert not client.get_asset("AAPL").tradable
    venue.halt("AAPL", halted=False)
    venue.push("AAPL", 96)
    assert client.get_order_by_id(order.id).filled_avg_price == "96"


def test_split_when_it_happens_then_positions_orders_and_prices_follow(venue: ServedVenue) -> None:
    client = venue.trading_client()
    client.submit_order(market())
    order = client.submit_order(limit(120, "sell", time_in_force="gtc"))
    venue.split("AAPL", 2)
    position = client.get_open_position("AAPL")
    assert (position.qty, position.avg_entry_price, position.market_value) == ("20", "50", "1000")
    adjusted = client.get_order_by_id(order.id)
    assert (adjusted.qty, adjusted.limit_price) == ("20", "60")


def test_clock_offset_when_planned_then_the_venues_clock_is_off(venue: ServedVenue) -> None:
    before = venue.trading_client().get_clock().timestamp
    venue.fault("clock_offset", seconds=90)
    venue.tick()
    assert (venue.trading_client().get_clock().timestamp - before).total_seconds() >= 90


# --- frames


@contextmanager
def _listen(venue: ServedVenue) -> Iterator[ClientConnection]:
    keys = {"key_id": venue.key_id, "secret_key": venue.secret_key}
    asked = ({"action": "authenticate", "data": keys}, {"action": "listen", "data": {"streams": ["trade_updates"]}})
    with connect(venue.stream_url) as stream:
        for message in asked:
            stream.send(json.dumps(message))
            stream.recv(10)
        yield stream


def _events(stream: ClientConnection, count: int) -> list[str]:
    return [json.loads(stream.recv(10))["data"]["event"] for _ in range(count)]


def test_frame_when_duplicated_then_the_very_same_comes_twice(venue: ServedVenue) -> None:
    venue.fault("duplicate_frame", news=["fill"])
    with _listen(venue) as stream:
        _post(venue)
        frames = [stream.recv(10) for _ in range(4)]
    assert frames[2] == frames[3]


def test_frames_when_reordered_then_the_next_one_comes_first(venue: ServedVenue) -> None:
    venue.fault("reorder_frames", news=["new"])
    with _listen(venue) as stream:
        _post(venue)
        assert _events(stream, 3) == ["pending_new", "fill", "new"]


def test_frame_when_dropped_then_the_others_come(venue: ServedVenue) -> None:
    venue.fault("drop_frame", news=["new"])
    with _listen(venue) as stream:
        _post(venue)
        assert _events(stream, 2) == ["pending_new", "fill"]


def test_frame_when_delayed_then_it_comes_later(venue: ServedVenue) -> None:
    venue.fault("delay_frame", news=["fill"], seconds=0.3)
    with _listen(venue) as stream:
        _post(venue)
        started = time.monotonic()
        assert _events(stream, 3) == ["pending_new", "new", "fill"]
        assert time.monotonic() - started > 0.2


def test_stream_when_mute_then_pings_are_answered_and_nothing_comes(venue: ServedVenue) -> None:
    venue.fault("mute", count=None)
    with _listen(venue) as stream:
        _post(venue)
        assert stream.ping().wait(10)
        with pytest.raises(TimeoutError):
            stream.recv(0.3)
        venue.clear_faults()
        _post(venue, "two")
        assert _events(stream, 3) == ["pending_new", "new", "fill"]


def test_frame_when_its_status_is_unknown_then_the_next_one_is_right_again(venue: ServedVenue) -> None:
    venue.fault("frame_status", news=["new"], status="shipped")
    with _listen(venue) as stream:
        _post(venue)
        statuses = [json.loads(stream.recv(10))["data"]["order"]["status"] for _ in range(3)]
    assert statuses == ["pending_new", "shipped", "filled"]


def test_frame_when_it_is_garbage_then_the_right_one_follows(venue: ServedVenue) -> None:
    venue.fault("garbage_frame", news=["new"])
    with _listen(venue) as stream:
        _post(venue)
        frames = [stream.recv(10) for _ in range(4)]
    with pytest.raises(ValueError):  # noqa: PT011 -- the frame is neither JSON nor text
        json.loads(frames[1])
    assert json.loads(frames[2])["data"]["event"] == "new"


def test_stream_when_disconnected_then_it_is_closed(venue: ServedVenue) -> None:
    venue.fault("disconnect", news=["fill"])
    with _listen(venue) as stream:
        _post(venue)
        assert _events(stream, 2) == ["pending_new", "new"]
        with pytest.raises(Exception, match="1001"):
            stream.recv(10)


def test_stream_when_it_is_to_fail_then_it_is_refused_and_the_next_one_stands(venue: ServedVenue) -> None:
    venue.fault("forbidden", on=["stream"])
    with pytest.raises(InvalidStatus, match="403"), connect(venue.stream_url):
        pass
    with _listen(venue):
        assert venue.venue.hub.listeners == 1


@pytest.mark.parametrize(
    "terms",
    [
        {"fault": "latency"},
        {"fault": "halt"},
        {"fault": "split", "symbol": "AAPL"},
        {"fault": "partial_fills"},
        {"fault": "hang", "seconds": -1},
        {"fault": "drop", "on": ["everything"]},
        {"fault": "drop", "unheard_of": 1},
    ],
)
def test_fault_when_it_is_not_whole_then_it_is_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(terms)


def test_hanging_client_when_others_ask_meanwhile_then_they_are_served(venue: ServedVenue) -> None:
    venue.fault("hang", on=["account"])
    thread = threading.Thread(target=_give_up, args=(venue,))
    thread.start()
    assert venue.trading_client().get_clock().is_open
    thread.join(10)
    assert not thread.is_alive()


def _give_up(venue: ServedVenue) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(f"{venue.base_url}/v2/account", headers=venue.headers, timeout=0.5)
