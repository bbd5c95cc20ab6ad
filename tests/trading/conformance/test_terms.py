"""Scenarios 13 to 15: decimals, the edges of the session, and what venues refuse."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.contracts.market import OrderClass, OrderType, Side, Symbol, TimeInForce
from services.contracts.orders import DenyReason, OrderStatus, StopLoss
from services.trading.brokers.port import Rejected
from tests.trading.conformance.bench import Bench
from tests.trading.conformance.rig import NAME


@pytest.mark.parametrize(
    ("quantity", "price"),
    [
        (Decimal("0.1") + Decimal("0.2"), None),
        (Decimal("0.000000001"), None),
        (Decimal(10), Decimal("99.99")),
        (Decimal(3), Decimal("0.0001")),
        (Decimal(100_000), Decimal("0.9999")),
    ],
)
def test_13_a_decimal_arrives_at_the_venue_as_it_was_meant(
    bench: Bench, quantity: Decimal, price: Decimal | None
) -> None:
    terms: dict[str, Any] = {} if price is None else {"order_type": OrderType.LIMIT, "limit_price": price}
    order, _ = bench.book.begin(bench.intent(quantity=quantity, **terms), NAME, 0)

    bench.book.submit_answered(order.client_order_id, bench.rig.adapter.submit(order.client_order_id, order.ticket))

    (taken,) = bench.at_venue(order.client_order_id)
    assert (taken.quantity, taken.price) == (quantity, price)
    assert bench.order(order).status in {OrderStatus.OPEN, OrderStatus.FILLED}


def test_13_a_price_between_two_ticks_is_refused_and_not_rounded(bench: Bench) -> None:
    intent = bench.intent(order_type=OrderType.LIMIT, limit_price=Decimal("100.005"))
    placed = bench.desk.submit(intent)
    assert placed.denial is not None
    assert placed.denial.reason is DenyReason.WRONG_TICK

    order, _ = bench.book.begin(bench.intent(leg="ungated", order_type=OrderType.LIMIT, limit_price="100.005"), NAME, 0)
    assert isinstance(bench.rig.adapter.submit(order.client_order_id, order.ticket), Rejected)
    assert bench.at_venue() == []


def test_13_a_fraction_of_a_share_with_a_limit_of_days_is_refused(bench: Bench) -> None:
    placed = bench.desk.submit(
        bench.intent(quantity=Decimal("0.5"), order_type=OrderType.LIMIT, limit_price=90, time_in_force=TimeInForce.GTC)
    )
    assert placed.denial is not None
    assert bench.at_venue() == []


@pytest.mark.parametrize(
    "terms",
    [
        {"order_type": OrderType.STOP, "stop_price": 110},
        {"order_type": OrderType.STOP_LIMIT, "stop_price": 110, "limit_price": 111},
        {"order_type": OrderType.LIMIT, "limit_price": 90, "time_in_force": TimeInForce.GTC},
        {
            "order_type": OrderType.LIMIT,
            "limit_price": 90,
            "order_class": OrderClass.BRACKET,
            "take_profit": 120,
            "stop_loss": StopLoss(stop_price=Decimal(80), limit_price=Decimal(79)),
        },
    ],
    ids=["stop", "stop-limit", "gtc", "bracket"],
)
def test_13_each_kind_of_order_is_taken_with_its_terms(bench: Bench, terms: dict[str, Any]) -> None:
    order = bench.place(bench.intent(**terms))
    assert bench.wait_for_status(order, OrderStatus.OPEN).venue_order_id is not None
    assert [each.works for each in bench.at_venue(order.client_order_id)] == [True]


def test_13_a_target_and_a_stop_for_what_is_held_are_taken(bench: Bench) -> None:
    held = bench.place(bench.intent())
    bench.wait_for_status(held, OrderStatus.FILLED)
    exits = bench.limit(
        120,
        leg="exit",
        side=Side.SELL,
        order_class=OrderClass.OCO,
        take_profit=120,
        stop_loss=StopLoss(stop_price=Decimal(90)),
    )

    order = bench.place(exits)

    assert bench.wait_for_status(order, OrderStatus.OPEN).venue_order_id is not None


def test_14_clocks_that_differ_by_more_than_two_seconds_keep_new_exposure_back(bench: Bench) -> None:
    bench.rig.side.set_clock_ahead(timedelta(seconds=30))
    bench.reconcile()

    refused = bench.desk.submit(bench.limit(90))

    skew = bench.desk.state().venues[0].skew_seconds
    assert skew is not None
    assert 29 < skew < 31
    assert refused.denial is not None
    assert bench.at_venue() == []


def test_14_a_symbol_that_is_halted_gets_no_order(bench: Bench) -> None:
    bench.rig.side.halt("AAPL")
    bench.advance(600)  # what is remembered of symbols is asked for again
    bench.settle()
    bench.reconcile()

    placed = bench.desk.submit(bench.limit(90))

    assert placed.denial is not None or placed.orders[0].status is OrderStatus.REJECTED
    assert not any(each.works for each in bench.at_venue())


def test_15_shares_that_another_order_holds_are_not_sold_twice(bench: Bench) -> None:
    bench.wait_for_status(bench.place(bench.intent()), OrderStatus.FILLED)
    bench.place(bench.limit(120, leg="target", side=Side.SELL))
    intent = bench.limit(121, leg="again", side=Side.SELL)
    order, _ = bench.book.begin(intent, NAME, 0)

    outcome = bench.rig.adapter.submit(order.client_order_id, intent.ticket)

    assert isinstance(outcome, Rejected)
    assert not outcome.unauthorised
    assert not outcome.venue_side
    assert bench.book.submit_answered(order.client_order_id, outcome).status is OrderStatus.REJECTED
    assert len([each for each in bench.at_venue() if each.works]) == 1


def test_15_an_order_that_would_trade_with_one_of_ours_is_rejected(bench: Bench) -> None:
    bench.wait_for_status(bench.place(bench.intent(quantity=Decimal(20))), OrderStatus.FILLED)
    bench.place(bench.limit(120, leg="target", side=Side.SELL))

    order, _ = bench.book.begin(bench.intent(leg="wash"), NAME, 0)
    outcome = bench.rig.adapter.submit(order.client_order_id, order.ticket)

    assert isinstance(outcome, Rejected)
    assert "wash" in outcome.reason


def test_15_a_split_overnight_changes_the_position_and_is_not_booked_as_a_fill(bench: Bench) -> None:
    order = bench.place(bench.intent())
    bench.wait_for_status(order, OrderStatus.FILLED)

    bench.rig.side.split("AAPL", "2")
    report = bench.desk.reconcile(NAME)

    assert report.positions == ()
    assert bench.position() == 20
    assert bench.booked(order) == [10]


def test_15_a_symbol_that_the_venue_does_not_know_is_denied(bench: Bench) -> None:
    placed = bench.desk.submit(bench.limit(90, symbol=Symbol("GONE")))
    assert placed.denial is not None
    assert placed.denial.reason is DenyReason.UNKNOWN_SYMBOL


def test_15_a_cancel_of_an_order_that_has_ended_is_refused(bench: Bench) -> None:
    order = bench.place(bench.limit(90))
    venue_order_id = bench.wait_for_status(order, OrderStatus.OPEN).venue_order_id
    assert venue_order_id is not None
    bench.desk.cancel(order.client_order_id, "tester")
    bench.wait_for_status(order, OrderStatus.CANCELED)

    outcome = bench.rig.adapter.cancel(venue_order_id)

    assert isinstance(outcome, Rejected)
