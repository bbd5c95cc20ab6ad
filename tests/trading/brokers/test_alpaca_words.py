"""Alpaca's words and ours, both ways."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.contracts.market import OrderClass, OrderType, Side, Symbol, TimeInForce
from services.contracts.orders import OrderStatus, OrderTicket, StopLoss
from services.trading.brokers.alpaca_fields import UnreadableError
from services.trading.brokers.alpaca_words import (
    STATUSES,
    account_of,
    change_fields,
    clock_of,
    decimal_text,
    fill_of_activity,
    instrument_of,
    order_fields,
    order_of,
    position_of,
)
from services.trading.brokers.port import Change
from tests.trading.brokers.papers import ACCOUNT, NAME, TICKET, activity_document, order_document

JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def ticket(terms: dict[str, Any]) -> OrderTicket:
    return OrderTicket(symbol=Symbol("AAPL"), side=Side.SELL, quantity=Decimal(3), **terms)


def test_a_market_order_is_told_by_strings_alone() -> None:
    assert order_fields(NAME, TICKET) == {
        "symbol": "AAPL",
        "qty": "10",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": NAME,
    }


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"order_type": OrderType.LIMIT, "limit_price": Decimal("100.50")}, {"limit_price": "100.5"}),
        ({"order_type": OrderType.STOP, "stop_price": Decimal("0.1234")}, {"stop_price": "0.1234"}),
        (
            {"order_type": OrderType.STOP_LIMIT, "stop_price": Decimal(99), "limit_price": Decimal("98.5")},
            {"stop_price": "99", "limit_price": "98.5"},
        ),
        ({"time_in_force": TimeInForce.FOK}, {"time_in_force": "fok"}),
        (
            {
                "order_class": OrderClass.BRACKET,
                "take_profit": Decimal(110),
                "stop_loss": StopLoss(stop_price=Decimal(95), limit_price=Decimal("94.9")),
            },
            {
                "order_class": "bracket",
                "take_profit": {"limit_price": "110"},
                "stop_loss": {"stop_price": "95", "limit_price": "94.9"},
            },
        ),
        (
            {
                "order_class": OrderClass.OCO,
                "order_type": OrderType.LIMIT,
                "limit_price": Decimal(110),
                "take_profit": Decimal(110),
                "stop_loss": StopLoss(stop_price=Decimal(95)),
            },
            {"order_class": "oco", "take_profit": {"limit_price": "110"}, "stop_loss": {"stop_price": "95"}},
        ),
    ],
    ids=["limit", "stop", "stop-limit", "fok", "bracket", "oco"],
)
def test_each_term_of_a_ticket_is_told(terms: dict[str, Any], told: dict[str, Any]) -> None:
    assert order_fields(NAME, ticket(terms)).items() >= told.items()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Decimal("0.1") + Decimal("0.2"), "0.3"),
        (Decimal("100.005"), "100.005"),
        (Decimal("1E+2"), "100"),
        (Decimal("0.000000001"), "0.000000001"),
        (Decimal("0.00"), "0"),
    ],
)
def test_a_decimal_is_told_exactly(number: Decimal, text: str) -> None:
    assert decimal_text(number) == text


def test_a_change_tells_only_what_changes() -> None:
    assert change_fields(NAME, Change(limit_price=Decimal("99.90"))) == {"limit_price": "99.9", "client_order_id": NAME}


def test_an_order_is_read_with_exact_numbers_and_utc_times() -> None:
    order = order_of(
        order_document(
            type="limit",
            limit_price="100.005",
            filled_qty="0.3",
            filled_avg_price="100.0049",
            status="partially_filled",
        )
    )
    assert (order.limit_price, order.filled, order.average_price) == (
        Decimal("100.005"), Decimal("0.3"), Decimal("100.0049"),
    )  # fmt: skip
    assert (order.status, order.substatus, order.order_type) == (
        OrderStatus.PARTIAL, "partially_filled", OrderType.LIMIT,
    )  # fmt: skip
    assert order.updated_at == datetime(2026, 3, 2, 15, 0, 0, 223456, tzinfo=UTC)


@pytest.mark.parametrize("word", ["held", "stopped", "calculated", "done_for_day", "accepted", "pending_new"])
def test_a_state_of_alpacas_own_is_open_and_never_an_end(word: str) -> None:
    assert order_of(order_document(status=word)).status is OrderStatus.OPEN
    assert order_of(order_document(status=word, filled_qty="4")).status is OrderStatus.PARTIAL


def test_every_word_of_alpaca_py_for_a_status_is_known() -> None:
    from alpaca.trading.enums import OrderStatus as Words  # noqa: PLC0415 -- alpaca-py is loaded for this test alone

    assert {word.value for word in Words} <= STATUSES.keys()


def test_a_word_that_nobody_knows_is_no_status_and_is_kept() -> None:
    order = order_of(order_document(status="under_quantum_review"))
    assert (order.status, order.substatus) == (None, "under_quantum_review")


def test_legs_are_read_inside_their_entry_and_name_it() -> None:
    leg = order_document(id="leg-1", client_order_id="of the venue", status="held", side="sell")
    order = order_of(order_document(order_class="bracket", legs=[leg]))
    assert [(each.venue_order_id, each.parent) for each in order.legs] == [("leg-1", order.venue_order_id)]


def test_an_order_by_dollars_has_the_quantity_that_it_got() -> None:
    assert order_of(order_document(qty=None, notional="500", filled_qty="4.5")).quantity == Decimal("4.5")


@pytest.mark.parametrize("field", ["id", "status", "symbol", "side", "filled_qty", "updated_at"])
def test_an_order_without_a_field_that_counts_is_unreadable(field: str) -> None:
    document = order_document(submitted_at=None, created_at=None)
    del document[field]
    with pytest.raises(UnreadableError, match=field):
        order_of(document)


@given(field=some.sampled_from(sorted(order_document())), value=JSON)
def test_an_order_with_anything_for_a_field_is_read_or_unreadable(field: str, value: object) -> None:
    try:
        order = order_of(order_document(**{field: value}))
    except UnreadableError:
        return
    assert order.quantity.is_finite()


def test_a_short_sale_among_the_activities_is_a_sale() -> None:
    fill = fill_of_activity(activity_document(1, side="sell_short"))
    assert (fill.side, fill.cumulative, fill.price) == (Side.SELL, Decimal(1), Decimal("100.005"))


@pytest.mark.parametrize("quantity", ["-5", "5"])
def test_a_short_position_is_negative_however_its_sign_is_told(quantity: str) -> None:
    document = {"symbol": "AAPL", "qty": quantity, "side": "short", "avg_entry_price": "100", "current_price": None}
    assert position_of(document).quantity == -5


@pytest.mark.parametrize(
    "block",
    [{"trading_blocked": True}, {"account_blocked": True}, {"trade_suspended_by_user": True}, {"status": "ONBOARDING"}],
)
def test_an_account_that_takes_no_orders_is_blocked(block: dict[str, object]) -> None:
    assert not account_of(ACCOUNT).blocked
    assert account_of({**ACCOUNT, **block}).blocked


def test_an_account_without_the_fields_of_the_day_trading_rule_is_read() -> None:
    assert "pattern_day_trader" not in ACCOUNT
    assert account_of(ACCOUNT).buying_power == Decimal("200000.5")


def test_the_clock_of_new_york_is_read_in_utc() -> None:
    clock = clock_of(
        {
            "timestamp": "2026-03-09T09:30:00.123456789-04:00",
            "is_open": True,
            "next_open": "2026-03-10T09:30:00-04:00",
            "next_close": "2026-03-09T16:00:00-04:00",
        }
    )
    assert clock.at == datetime(2026, 3, 9, 13, 30, 0, 123456, tzinfo=UTC)
    assert clock.is_open


def test_an_asset_that_is_not_active_is_not_tradable() -> None:
    document = {"symbol": "FB", "tradable": True, "status": "inactive", "shortable": False, "fractionable": True}
    assert not instrument_of(document).tradable
