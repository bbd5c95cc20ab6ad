"""The real alpaca-py against the paper venue: orders, positions and the account."""

import uuid
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
)

from services.matching.costs import Costs
from tests.venue.broker.orders import bracket, limit, market, oco, stop
from tests.venue.broker.serving import ServedVenue, serving


def test_market_order_when_the_rule_is_immediate_then_it_fills_at_the_last_price(venue: ServedVenue) -> None:
    client = venue.trading_client()
    taken = client.submit_order(market())
    assert (taken.status, taken.filled_qty) == (OrderStatus.PENDING_NEW, "0")
    filled = client.get_order_by_id(taken.id)
    assert (filled.status, filled.filled_qty, filled.filled_avg_price) == (OrderStatus.FILLED, "10", "100")
    account = client.get_account()
    assert (account.cash, account.equity, account.long_market_value) == ("99000", "100000", "1000")
    assert client.get_open_position("AAPL").qty == "10"


def test_limit_order_when_it_does_not_meet_the_price_then_it_waits_and_can_be_canceled(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(limit(90, client_order_id="mine-1"))
    found = client.get_order_by_client_id("mine-1")
    assert (found.id, found.status) == (order.id, OrderStatus.NEW)
    assert [each.id for each in client.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN))] == [order.id]
    client.cancel_order_by_id(order.id)
    assert client.get_order_by_id(order.id).status is OrderStatus.CANCELED
    assert client.get_orders() == []


def test_limit_order_when_a_bar_reaches_it_then_it_fills(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(limit(90))
    venue.push("AAPL", 89)
    filled = client.get_order_by_id(order.id)
    assert (filled.status, filled.filled_avg_price) == (OrderStatus.FILLED, "89")


def test_stop_order_when_a_bar_reaches_it_then_it_sells(venue: ServedVenue) -> None:
    client = venue.trading_client()
    client.submit_order(market())
    order = client.submit_order(stop(95))
    venue.push_bar("AAPL", 99, 99, 94, 96)
    assert client.get_order_by_id(order.id).filled_avg_price == "95"
    assert client.get_all_positions() == []


def test_order_when_volume_is_short_then_it_fills_in_parts(tmp_path: Path) -> None:
    with serving(tmp_path, participation=Decimal("0.5")) as venue:
        client = venue.trading_client()
        order = client.submit_order(limit(95, qty=10))
        venue.push("AAPL", 94, volume=8)
        part = client.get_order_by_id(order.id)
        assert (part.status, part.filled_qty) == (OrderStatus.PARTIALLY_FILLED, "4")
        venue.push("AAPL", 93, volume=80)
        assert client.get_order_by_id(order.id).filled_avg_price == "93.4"


def test_fill_when_fees_are_asked_then_they_leave_the_cash(tmp_path: Path) -> None:
    with serving(tmp_path, costs=Costs(fee_per_share=Decimal("0.01"), slippage_bps=Decimal(10))) as venue:
        client = venue.trading_client()
        client.submit_order(market())
        assert client.get_account().cash == "98998.9"  # ten shares at 100.10, and ten cents


# --- brackets and pairs


def test_bracket_when_its_target_is_reached_then_its_stop_is_canceled(venue: ServedVenue) -> None:
    client = venue.trading_client()
    entry = client.submit_order(bracket(110, 90))
    assert [leg.status for leg in entry.legs] == [OrderStatus.HELD, OrderStatus.HELD]
    target, protect = (client.get_order_by_id(leg.id) for leg in entry.legs)
    assert (target.status, protect.status) == (OrderStatus.NEW, OrderStatus.HELD)
    venue.push("AAPL", 111)
    nested = client.get_order_by_id(entry.id, GetOrderByIdRequest(nested=True))
    assert [leg.status for leg in nested.legs] == [OrderStatus.FILLED, OrderStatus.CANCELED]
    assert client.get_all_positions() == []


def test_bracket_when_listed_nested_then_its_legs_are_inside_of_it(venue: ServedVenue) -> None:
    client = venue.trading_client()
    entry = client.submit_order(bracket(110, 90))
    nested = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL, nested=True))
    assert [(order.id, len(order.legs)) for order in nested] == [(entry.id, 2)]
    flat = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL))
    assert len(flat) == 3


def test_oco_when_its_stop_is_reached_then_its_target_is_canceled(venue: ServedVenue) -> None:
    client = venue.trading_client()
    client.submit_order(market())
    target = client.submit_order(oco(110, 90))
    venue.push("AAPL", 89)
    assert client.get_order_by_id(target.id).status is OrderStatus.CANCELED
    assert client.get_order_by_id(target.legs[0].id).filled_avg_price == "89"


# --- replacing


def test_replace_when_the_order_is_open_then_a_new_one_takes_its_place(venue: ServedVenue) -> None:
    client = venue.trading_client()
    old = client.submit_order(limit(90))
    new = client.replace_order_by_id(old.id, ReplaceOrderRequest(qty=5, limit_price=91))
    assert (new.replaces, new.qty, new.limit_price) == (old.id, "5", "91")
    gone = client.get_order_by_id(old.id)
    assert (gone.status, gone.replaced_by) == (OrderStatus.REPLACED, new.id)
    assert client.get_order_by_id(new.id).status is OrderStatus.NEW


def test_replace_when_the_order_is_half_filled_then_the_new_one_is_for_all_of_its_quantity(venue: ServedVenue) -> None:
    client = venue.trading_client()
    old = client.submit_order(limit(90))
    venue.fill(old.id, 4)
    new = client.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=91))
    venue.push("AAPL", 91)
    filled = client.get_order_by_id(new.id)
    assert (filled.status, filled.qty, filled.filled_qty) == (OrderStatus.FILLED, "10", "10")
    assert client.get_open_position("AAPL").qty == "14"


def test_replace_when_a_leg_gets_another_price_then_the_pair_stays_a_pair(venue: ServedVenue) -> None:
    client = venue.trading_client()
    entry = client.submit_order(bracket(110, 90))
    protect = client.replace_order_by_id(entry.legs[1].id, ReplaceOrderRequest(stop_price=95))
    venue.push("AAPL", 94)
    assert client.get_order_by_id(protect.id).status is OrderStatus.FILLED
    assert client.get_order_by_id(entry.legs[0].id).status is OrderStatus.CANCELED


def test_replace_when_the_order_is_filled_then_it_is_refused(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(market())
    with pytest.raises(APIError) as refused:
        client.replace_order_by_id(order.id, ReplaceOrderRequest(qty=5))
    assert (refused.value.status_code, refused.value.code) == (422, 42210000)


# --- positions


def test_position_when_closed_then_an_order_at_market_does_it(venue: ServedVenue) -> None:
    client = venue.trading_client()
    client.submit_order(market())
    order = client.close_position("AAPL", ClosePositionRequest(qty="4"))
    assert (order.side, order.qty) == (OrderSide.SELL, "4")
    assert client.get_open_position("AAPL").qty == "6"
    client.close_position("AAPL", ClosePositionRequest(percentage="50"))
    assert client.get_open_position("AAPL").qty == "3"


def test_positions_when_all_are_closed_then_open_orders_can_go_first(venue: ServedVenue) -> None:
    client = venue.trading_client()
    client.submit_order(market())
    held = client.submit_order(limit(120, "sell"))
    answers = client.close_all_positions(cancel_orders=True)
    assert [(each.symbol, each.status) for each in answers] == [("AAPL", 200)]
    assert client.get_order_by_id(held.id).status is OrderStatus.CANCELED
    assert client.get_all_positions() == []


def test_position_when_shares_are_held_for_an_order_then_closing_says_by_which(venue: ServedVenue) -> None:
    client = venue.trading_client()
    client.submit_order(market())
    held = client.submit_order(limit(120, "sell", 7))
    with pytest.raises(APIError) as refused:
        client.close_position("AAPL")
    body = refused.value.response.json()
    assert (refused.value.status_code, body["code"]) == (403, 40310000)
    assert (body["existing_qty"], body["held_for_orders"], body["available"]) == ("10", "7", "3")
    assert body["related_orders"] == [str(held.id)]
    assert client.get_open_position("AAPL").qty_available == "3"


def test_short_sale_when_allowed_then_the_position_is_negative(venue: ServedVenue) -> None:
    client = venue.trading_client()
    client.submit_order(market("sell"))
    position = client.get_open_position("AAPL")
    assert (position.qty, position.side.value, position.market_value) == ("-10", "short", "-1000")
    assert client.get_account().short_market_value == "-1000"


# --- refusals


def _refusal(venue: ServedVenue, **body: object) -> tuple[int, dict[str, object]]:
    order = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day", **body}
    sent = {name: value for name, value in order.items() if value is not None}
    answer = httpx.post(f"{venue.base_url}/v2/orders", json=sent, headers=venue.headers)
    return answer.status_code, answer.json()


def test_submit_when_the_client_order_id_was_used_then_it_is_refused_with_alpacas_code(venue: ServedVenue) -> None:
    client = venue.trading_client()
    client.submit_order(limit(90, client_order_id="once"))
    with pytest.raises(APIError) as refused:
        client.submit_order(limit(90, client_order_id="once"))
    assert (refused.value.status_code, refused.value.code) == (422, 40010001)
    assert refused.value.message == "client_order_id must be unique"


def test_submit_when_it_costs_too_much_then_the_answer_says_what_there_is(venue: ServedVenue) -> None:
    venue.trading_client().submit_order(limit(99, qty=1000))
    status, body = _refusal(venue, type="limit", limit_price="98", qty="1100")
    assert (status, body["code"], body["message"]) == (403, 40310000, "insufficient buying power")
    assert (body["buying_power"], body["cost_basis"]) == ("101000", "107800")


def test_submit_when_it_could_trade_with_the_own_order_then_that_one_is_named(venue: ServedVenue) -> None:
    client = venue.trading_client()
    client.submit_order(market())
    order = client.submit_order(limit(110, "sell", 5))
    status, body = _refusal(venue, qty="1")
    assert (status, body["code"]) == (403, 40310000)
    assert body["existing_order_id"] == str(order.id)
    assert body["reject_reason"] == "opposite side limit order exists"
    assert client.submit_order(limit(90)).status is OrderStatus.PENDING_NEW  # these cannot meet


def test_cancel_when_the_order_has_ended_then_it_is_refused_with_alpacas_code(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(market())
    with pytest.raises(APIError) as refused:
        client.cancel_order_by_id(order.id)
    assert (refused.value.status_code, refused.value.code) == (422, 42210000)
    assert refused.value.message == 'order is already in "filled" state'


def test_order_when_nobody_has_it_then_it_is_not_found_with_alpacas_code(venue: ServedVenue) -> None:
    with pytest.raises(APIError) as missing:
        venue.trading_client().get_order_by_id(uuid.uuid4())
    assert (missing.value.status_code, missing.value.code) == (404, 40410000)


@pytest.mark.parametrize(
    ("terms", "status", "code", "words"),
    [
        ({"qty": None}, 422, 42210000, "qty or notional"),
        ({"qty": "0"}, 422, 40010001, "qty"),
        ({"qty": "-1"}, 422, 40010001, "qty"),
        ({"side": "hold"}, 422, 40010001, "side"),
        ({"side": None}, 422, 40010001, "side is required"),
        ({"type": "trailing_stop"}, 422, 40010001, "type"),
        ({"time_in_force": "opg"}, 422, 40010001, "time_in_force"),
        ({"symbol": "NOPE"}, 422, 42210000, 'asset "NOPE" not found'),
        ({"type": "limit"}, 422, 42210000, "require a limit price"),
        ({"limit_price": "90"}, 422, 42210000, "must not have a limit price"),
        ({"type": "limit", "limit_price": "100.005"}, 422, 42210000, "sub-penny"),
        ({"type": "stop", "stop_price": "99", "time_in_force": "ioc"}, 422, 42210000, "DAY or GTC"),
        ({"qty": "0.5", "time_in_force": "gtc"}, 422, 42210000, "fractional orders must be DAY"),
        ({"qty": "0.5", "type": "limit", "limit_price": "90"}, 422, 42210000, "fractional"),
        ({"qty": "0.5", "side": "sell"}, 403, 40310000, "sold short"),
        ({"qty": "1", "notional": "5"}, 422, 42210000, "only one"),
        ({"extended_hours": True}, 422, 42210000, "extended hours"),
        ({"order_class": "bracket"}, 422, 42210000, "take_profit"),
        ({"client_order_id": "x" * 129}, 422, 40010001, "client_order_id"),
    ],
)
def test_submit_when_the_terms_do_not_fit_then_the_answer_says_what(
    venue: ServedVenue, terms: dict[str, object], status: int, code: int, words: str
) -> None:
    got, body = _refusal(venue, **terms)
    assert (got, body["code"]) == (status, code)
    assert words in str(body["message"])


def test_submit_when_numbers_are_json_floats_then_they_are_taken_as_written(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(limit(100.1, qty=3))
    assert (order.limit_price, order.qty) == ("100.1", "3")


def test_notional_order_when_sent_then_it_buys_parts_of_shares(venue: ServedVenue) -> None:
    client = venue.trading_client()
    terms = MarketOrderRequest(symbol="AAPL", notional=50, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    order = client.get_order_by_id(client.submit_order(terms).id)
    assert (order.notional, order.qty, order.filled_qty) == ("50", None, "0.5")


@pytest.mark.parametrize(("notional", "words"), [("999999999999999", "too large"), ("0.000000001", "too small")])
def test_notional_order_when_it_comes_to_no_number_of_shares_then_it_is_refused(
    venue: ServedVenue, notional: str, words: str
) -> None:
    venue.push("MSFT", "0.000001" if words == "too large" else "300")
    status, body = _refusal(venue, symbol="MSFT", qty=None, notional=notional)
    assert (status, body["code"]) == (422, 42210000)
    assert words in str(body["message"])


# --- lists


def test_orders_when_filtered_then_only_the_fitting_ones_come_newest_first(venue: ServedVenue) -> None:
    client = venue.trading_client()
    first, second = client.submit_order(limit(90)), client.submit_order(limit(91))
    third = client.submit_order(limit(92, symbol="MSFT"))
    client.cancel_order_by_id(second.id)

    def ids(**query: object) -> list[object]:
        return [order.id for order in client.get_orders(GetOrdersRequest(**query))]

    assert ids() == [third.id, first.id]
    assert ids(status=QueryOrderStatus.CLOSED) == [second.id]
    assert ids(status=QueryOrderStatus.ALL, limit=2) == [third.id, second.id]
    assert ids(status=QueryOrderStatus.ALL, direction="asc", limit=1) == [first.id]
    assert ids(symbols=["MSFT"]) == [third.id]
    assert ids(status=QueryOrderStatus.ALL, after=first.submitted_at, until=third.submitted_at) == [second.id]
    assert ids(side=OrderSide.SELL) == []


def test_activities_when_asked_for_then_every_fill_is_there_with_its_cumulative_quantity(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(limit(90))
    venue.fill(order.id, 4, 90)
    venue.fill(order.id, 6, 89)
    found = client.get("/account/activities/FILL", {"direction": "asc"})
    assert [(each["type"], each["qty"], each["cum_qty"], each["leaves_qty"]) for each in found] == [
        ("partial_fill", "4", "4", "6"),
        ("fill", "6", "10", "0"),
    ]
    page = client.get("/account/activities", {"activity_types": "FILL", "page_size": 1, "page_token": found[1]["id"]})
    assert [each["id"] for each in page] == [found[0]["id"]]
    later = client.get("/account/activities/FILL", {"after": found[0]["transaction_time"]})
    assert [each["id"] for each in later] == [found[1]["id"]]


def test_cancel_all_when_orders_are_open_then_each_is_answered_for(venue: ServedVenue) -> None:
    client = venue.trading_client()
    orders = {client.submit_order(limit(90)).id, client.submit_order(limit(91)).id}
    answers = client.cancel_orders()
    assert {(each.id, each.status) for each in answers} == {(order, 200) for order in orders}
    assert client.cancel_orders() == []


def test_order_when_it_belongs_to_another_account_then_it_is_not_found(venue: ServedVenue) -> None:
    order = venue.trading_client().submit_order(limit(90))
    venue.do(lambda: venue.venue.open_account("other", "PKOTHER", "other-secret"))
    other = {"APCA-API-KEY-ID": "PKOTHER", "APCA-API-SECRET-KEY": "other-secret"}
    assert httpx.get(f"{venue.base_url}/v2/orders/{order.id}", headers=other).status_code == 404
    assert httpx.get(f"{venue.base_url}/v2/orders", headers=other).json() == []
