"""Market, limit, stop and stop-limit orders by themselves."""

from decimal import Decimal

import pytest

from services.contracts.market import OrderType, Side
from services.contracts.orders import VenueOrderId
from services.matching.book import BarOverlapError, DuplicateOrderError
from services.matching.happenings import Canceled, CancelReason, Filled, Refused
from services.matching.orders import WorkingOrder
from services.matching.rules import FillRule
from tests.matching.market import ACME, BUY, SELL, START, bar, fills, matcher, minute, of, order, words


def test_a_market_order_trades_at_the_open_of_the_next_bar() -> None:
    m = matcher()
    assert words(m.submit(order("a"), minute(0))) == ["Accepted a"]
    (fill,) = of(Filled, m.on_bar(bar(0, "100 105 95 102")))
    assert (fill.price, fill.quantity, fill.cumulative, fill.done, fill.at) == (100, 10, 10, True, minute(0))
    assert m.working() == []


def test_an_order_submitted_during_a_bar_does_not_trade_in_it() -> None:
    m = matcher()
    m.submit(order("a", limit="200"), minute(0).replace(second=30))
    assert m.on_bar(bar(0, "100 105 95 102")) == []
    assert fills(m.on_bar(bar(1, "103 105 95 102"))) == [("a", "10", "103")]


def test_an_order_submitted_during_a_bar_does_not_trade_beside_one_that_was_there() -> None:
    m = matcher()
    m.submit(order("a", limit="99"), minute(0))
    m.submit(order("b", limit="99"), minute(0).replace(second=30))
    assert fills(m.on_bar(bar(0, "100 105 95 102"))) == [("a", "10", "99")]


@pytest.mark.parametrize(
    ("side", "limit", "prices", "price"),
    [
        (BUY, "99", "100 101 98 100", "99"),
        (BUY, "99", "97 98 96 97", "97"),
        (BUY, "99", "99 101 99 100", "99"),
        (SELL, "101", "100 102 99 100", "101"),
        (SELL, "101", "103 104 102 103", "103"),
    ],
    ids=["buy at the limit", "buy improved at the open", "buy touched", "sell at the limit", "sell improved"],
)
def test_a_limit_order_trades_at_its_limit_or_better_at_the_open(
    side: Side, limit: str, prices: str, price: str
) -> None:
    m = matcher()
    m.submit(order("a", side, limit=limit), START)
    assert fills(m.on_bar(bar(0, prices))) == [("a", "10", price)]


@pytest.mark.parametrize(("side", "limit"), [(BUY, "94.99"), (SELL, "105.01")])
def test_a_limit_order_that_the_bar_does_not_reach_rests(side: Side, limit: str) -> None:
    m = matcher()
    m.submit(order("a", side, limit=limit), START)
    assert m.on_bar(bar(0, "100 105 95 102")) == []
    assert [each.order_id for each in m.working(ACME)] == ["a"]


@pytest.mark.parametrize(
    ("side", "stop", "prices", "price"),
    [
        (SELL, "98", "100 101 97 99", "98"),
        (SELL, "98", "96 101 95 99", "96"),
        (BUY, "102", "100 103 97 99", "102"),
        (BUY, "102", "104 105 103 104", "104"),
    ],
    ids=["sell at the stop", "sell gapped", "buy at the stop", "buy gapped"],
)
def test_a_stop_fills_at_its_price_or_at_the_open_that_gapped_through(
    side: Side, stop: str, prices: str, price: str
) -> None:
    m = matcher()
    m.submit(order("a", side, stop=stop), START)
    told = m.on_bar(bar(0, prices))
    assert words(told) == ["Triggered a", "Filled a"]
    assert fills(told) == [("a", "10", price)]


def test_a_stop_that_the_bar_does_not_reach_waits() -> None:
    m = matcher()
    m.submit(order("a", SELL, stop="94.99"), START)
    assert m.on_bar(bar(0, "100 105 95 102")) == []


def test_a_fill_inside_the_bar_is_told_at_its_end() -> None:
    m = matcher()
    m.submit(order("a", limit="99"), START)
    (fill,) = of(Filled, m.on_bar(bar(0, "100 105 95 102")))
    assert fill.at == minute(1)


def test_a_stop_limit_fills_at_its_trigger_when_that_satisfies_the_limit() -> None:
    m = matcher()
    m.submit(order("a", SELL, stop="98", limit="97.5"), START)
    assert fills(m.on_bar(bar(0, "100 101 97 99"))) == [("a", "10", "98")]


def test_a_gapped_stop_limit_is_set_off_and_waits_for_its_limit() -> None:
    m = matcher()
    m.submit(order("a", SELL, stop="98", limit="97.5"), START)
    assert words(m.on_bar(bar(0, "96 97 95 96"))) == ["Triggered a"]
    assert fills(m.on_bar(bar(1, "96 98 96 98"))) == [("a", "10", "97.5")]


def test_a_stop_limit_set_off_at_the_open_may_fill_at_its_limit_in_the_same_bar() -> None:
    m = matcher()
    m.submit(order("a", SELL, stop="98", limit="97.5"), START)
    told = m.on_bar(bar(0, "96 98 95 96"))
    assert words(told) == ["Triggered a", "Filled a"]
    assert fills(told) == [("a", "10", "97.5")]


def test_a_stop_limit_set_off_inside_a_bar_waits_for_the_next_when_its_limit_is_not_satisfied() -> None:
    m = matcher()
    m.submit(order("a", SELL, stop="98", limit="99"), START)
    assert words(m.on_bar(bar(0, "100 101 97 100"))) == ["Triggered a"]  # the high may have come before
    assert fills(m.on_bar(bar(1, "98 99.5 97 98"))) == [("a", "10", "99")]


def test_a_cancel_before_the_bar_wins() -> None:
    m = matcher()
    m.submit(order("a"), START)
    assert [each.reason for each in of(Canceled, m.cancel(VenueOrderId("a"), START))] == [CancelReason.REQUESTED]
    assert m.on_bar(bar(0, "100 105 95 102")) == []


def test_a_cancel_after_the_bar_is_refused() -> None:
    m = matcher()
    m.submit(order("a"), START)
    m.on_bar(bar(0, "100 105 95 102"))
    assert len(of(Refused, m.cancel(VenueOrderId("a"), minute(1)))) == 1


def test_an_immediate_market_order_trades_at_the_last_price() -> None:
    m = matcher(FillRule.IMMEDIATE)
    m.on_bar(bar(0, "100 105 95 102"))
    told = m.submit(order("a"), minute(1))
    assert words(told) == ["Accepted a", "Filled a"]
    assert fills(told) == [("a", "10", "102")]


def test_an_immediate_limit_order_that_is_not_marketable_rests() -> None:
    m = matcher(FillRule.IMMEDIATE)
    m.on_bar(bar(0, "100 105 95 102"))
    assert words(m.submit(order("a", limit="101"), minute(1))) == ["Accepted a"]
    assert fills(m.on_bar(bar(1, "102 103 100 102"))) == [("a", "10", "101")]


def test_an_immediate_stop_beyond_the_last_price_is_set_off_at_once() -> None:
    m = matcher(FillRule.IMMEDIATE)
    m.on_bar(bar(0, "100 105 95 102"))
    assert fills(m.submit(order("a", SELL, stop="103"), minute(1))) == [("a", "10", "102")]


def test_an_immediate_market_order_waits_where_no_price_is_known() -> None:
    m = matcher(FillRule.IMMEDIATE)
    assert words(m.submit(order("a"), START)) == ["Accepted a"]
    assert fills(m.on_bar(bar(0, "100 105 95 102"))) == [("a", "10", "100")]


def test_executions_are_numbered_over_all_symbols() -> None:
    m = matcher()
    other = type(ACME)("OTHR")
    m.submit(order("a"), START)
    m.submit(order("b", symbol=other), START)
    told = m.on_bar(bar(0, "100 105 95 102")) + m.on_bar(bar(0, "50 50 50 50", symbol=other))
    assert [(each.order_id, each.execution) for each in of(Filled, told)] == [("a", 1), ("b", 2)]


def test_a_bar_fills_orders_of_its_symbol_only() -> None:
    m = matcher()
    m.submit(order("a"), START)
    assert m.on_bar(bar(0, "50 50 50 50", symbol=type(ACME)("OTHR"))) == []


def test_a_bar_that_overlaps_the_last_one_is_refused() -> None:
    m = matcher()
    m.on_bar(bar(1, "100 105 95 102"))
    with pytest.raises(BarOverlapError, match="feed bars in order"):
        m.on_bar(bar(1, "100 105 95 102"))


def test_an_id_that_works_is_not_taken_again() -> None:
    m = matcher()
    m.submit(order("a"), START)
    with pytest.raises(DuplicateOrderError):
        m.submit(order("a"), START)


def test_a_bracket_with_an_id_twice_leaves_nothing_behind() -> None:
    m = matcher()
    with pytest.raises(DuplicateOrderError):
        m.submit_bracket(order("a"), order("b", SELL, limit="110"), order("a", SELL, stop="90"), START)
    assert m.working() == []


@pytest.mark.parametrize(
    ("terms", "words_"),
    [
        ({"quantity": Decimal(0)}, "quantity above zero"),
        ({"quantity": Decimal("NaN")}, "quantity above zero"),
        ({"order_type": OrderType.LIMIT}, "limit price: missing"),
        ({"stop_price": Decimal(1)}, "stop price: not wanted"),
        ({"order_type": OrderType.STOP, "stop_price": Decimal(-1)}, "stop price: not above zero"),
    ],
)
def test_an_order_that_makes_no_sense_cannot_be_made(terms: dict[str, object], words_: str) -> None:
    whole: dict[str, object] = {
        "order_id": VenueOrderId("a"), "symbol": ACME, "side": BUY, "quantity": Decimal(1), "submitted_at": START,
    }  # fmt: skip
    with pytest.raises(ValueError, match=words_):
        WorkingOrder(**(whole | terms))  # type: ignore[arg-type]
