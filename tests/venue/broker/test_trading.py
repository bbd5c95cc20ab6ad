"""The real alpaca-py against the paper venue: orders, positions and the account."""

import uuid

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.models import Order
from alpaca.trading.requests import GetOrdersRequest, LimitOrderRequest, MarketOrderRequest, ReplaceOrderRequest

from tests.venue.broker.serving import ServedVenue


def _market(side: str = "buy", qty: float = 10, **more: object) -> MarketOrderRequest:
    return MarketOrderRequest(symbol="AAPL", qty=qty, side=OrderSide(side), time_in_force=TimeInForce.DAY, **more)


def _limit(price: float, side: str = "buy", qty: float = 10, **more: object) -> LimitOrderRequest:
    return LimitOrderRequest(
        symbol="AAPL", qty=qty, side=OrderSide(side), time_in_force=TimeInForce.DAY, limit_price=price, **more
    )


def test_market_order_when_the_rule_is_immediate_then_it_fills_at_the_last_price(venue: ServedVenue) -> None:
    client = venue.trading_client()
    taken = client.submit_order(_market())
    assert isinstance(taken, Order)
    assert (taken.status, taken.filled_qty) == (OrderStatus.PENDING_NEW, "0")
    filled = client.get_order_by_id(taken.id)
    assert isinstance(filled, Order)
    assert (filled.status, filled.filled_qty, filled.filled_avg_price) == (OrderStatus.FILLED, "10", "100")
    account = client.get_account()
    assert (account.cash, account.equity, account.long_market_value) == ("99000", "100000", "1000")
    assert client.get_open_position("AAPL").qty == "10"


def test_limit_order_when_it_does_not_meet_the_price_then_it_waits_and_can_be_canceled(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(_limit(90, client_order_id="mine-1"))
    found = client.get_order_by_client_id("mine-1")
    assert (found.id, found.status) == (order.id, OrderStatus.NEW)
    assert [each.id for each in client.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN))] == [order.id]
    client.cancel_order_by_id(order.id)
    assert client.get_order_by_id(order.id).status is OrderStatus.CANCELED
    assert client.get_orders() == []


def test_limit_order_when_a_bar_reaches_it_then_it_fills(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(_limit(90))
    venue.push("AAPL", 89)
    filled = client.get_order_by_id(order.id)
    assert (filled.status, filled.filled_avg_price) == (OrderStatus.FILLED, "89")


def test_submit_when_the_client_order_id_was_used_then_it_is_refused_with_alpacas_code(venue: ServedVenue) -> None:
    client = venue.trading_client()
    client.submit_order(_limit(90, client_order_id="once"))
    with pytest.raises(APIError) as refused:
        client.submit_order(_limit(90, client_order_id="once"))
    assert (refused.value.status_code, refused.value.code) == (422, 40010001)
    assert refused.value.message == "client_order_id must be unique"


def test_replace_when_the_order_is_open_then_a_new_one_takes_its_place(venue: ServedVenue) -> None:
    client = venue.trading_client()
    old = client.submit_order(_limit(90))
    new = client.replace_order_by_id(old.id, ReplaceOrderRequest(qty=5, limit_price=91))
    assert (new.replaces, new.qty, new.limit_price) == (old.id, "5", "91")
    gone = client.get_order_by_id(old.id)
    assert (gone.status, gone.replaced_by) == (OrderStatus.REPLACED, new.id)
    assert client.get_order_by_id(new.id).status is OrderStatus.NEW


def test_order_when_nobody_has_it_then_it_is_not_found_with_alpacas_code(venue: ServedVenue) -> None:
    with pytest.raises(APIError) as missing:
        venue.trading_client().get_order_by_id(uuid.uuid4())
    assert (missing.value.status_code, missing.value.code) == (404, 40410000)
