"""Replacements, splits, and going on in another matcher."""

from copy import deepcopy
from decimal import Decimal

import pytest

from services.contracts.market import Side, TimeInForce
from services.contracts.orders import VenueOrderId
from services.matching.book import DuplicateOrderError
from services.matching.costs import Costs
from services.matching.happenings import Adjusted, Canceled, CancelReason, Filled, Refused, Rejected, Resized
from services.matching.market import Matcher
from services.matching.orders import WorkingOrder
from services.matching.rules import FillRule, Rules
from tests.matching.market import ACME, BUY, SELL, START, bar, fills, matcher, minute, of, order, words

GTC, IOC = TimeInForce.GTC, TimeInForce.IOC
A, B = VenueOrderId("a"), VenueOrderId("b")


def half_filled_bracket() -> Matcher:
    """Four of ten are bought."""
    m = matcher(participation="0.1")
    m.submit_bracket(
        order("entry", limit="100", tif=GTC),
        order("target", SELL, limit="110", tif=GTC),
        order("stop", SELL, stop="90", tif=GTC),
        START,
    )
    m.on_bar(bar(0, "100 101 99 100", volume=40))
    return m


def test_a_replacement_takes_the_place_of_the_old_order() -> None:
    m = matcher()
    m.submit(order("a", limit="90"), START)
    assert words(m.replace(A, order("b", limit="99"), START)) == ["Replaced a", "Accepted b"]
    assert fills(m.on_bar(bar(0, "100 101 89 100"))) == [("b", "10", "99")]


def test_a_replacement_keeps_what_is_filled() -> None:
    m = matcher(participation="0.1", fee_minimum="1")
    m.submit(order("a", limit="100"), START)
    m.on_bar(bar(0, "100 101 99 100", volume=40))
    m.replace(A, order("b", quantity="12", limit="101"), minute(1))
    (fill,) = of(Filled, m.on_bar(bar(1, "100 101 99 100")))
    assert (fill.quantity, fill.cumulative, fill.done, fill.fee, fill.execution) == (8, 12, True, 0, 2)


def test_a_replacement_loses_its_priority() -> None:
    m = matcher(participation="0.1")
    m.submit(order("a", limit="100"), START)
    m.submit(order("c", limit="100"), START)
    m.replace(A, order("b", limit="100"), START)
    assert [each[0] for each in fills(m.on_bar(bar(0, "100 101 99 100", volume=200)))] == ["c", "b"]


def test_a_replacement_made_during_a_bar_does_not_trade_in_it() -> None:
    m = matcher()
    m.submit(order("a", limit="90"), START)
    m.replace(A, order("b", limit="99"), minute(0).replace(second=1))
    assert m.on_bar(bar(0, "100 101 89 100")) == []


def test_a_replacement_that_is_marketable_trades_at_once_under_the_immediate_rule() -> None:
    m = matcher(FillRule.IMMEDIATE)
    m.on_bar(bar(0, "100 101 99 100"))
    m.submit(order("a", limit="90"), minute(1))
    assert fills(m.replace(A, order("b", limit="101"), minute(1))) == [("b", "10", "100")]


def test_a_stop_limit_that_was_set_off_stays_so_with_the_same_stop_only() -> None:
    m = matcher()
    m.submit(order("a", SELL, stop="98", limit="97.5"), START)
    m.on_bar(bar(0, "96 97 95 96"))
    same = deepcopy(m)
    same.replace(A, order("b", SELL, stop="98", limit="96.5"), minute(1))
    assert words(same.on_bar(bar(1, "99 99.5 98.5 99"))) == ["Filled b"]
    m.replace(A, order("b", SELL, stop="97.9", limit="96.5"), minute(1))
    assert m.on_bar(bar(1, "99 99.5 98.5 99")) == []


def test_a_replacement_of_what_has_ended_is_refused() -> None:
    m = matcher()
    assert [each.order_id for each in of(Refused, m.replace(A, order("b"), START))] == ["a"]
    assert m.working() == []


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (order("b", SELL, limit="100"), "the symbol and the side"),
        (order("b", quantity="4", limit="100"), "4 shares are filled"),
        (order("b", stop="100", tif=IOC), "it is day or gtc"),
    ],
)
def test_a_replacement_that_does_not_fit_is_rejected_and_the_order_works_on(new: WorkingOrder, reason: str) -> None:
    m = matcher(participation="0.1")
    m.submit(order("a", limit="100"), START)
    m.on_bar(bar(0, "100 101 99 100", volume=40))
    (rejected,) = of(Rejected, m.replace(A, new, minute(1)))
    assert reason in rejected.reason
    assert fills(m.on_bar(bar(1, "100 101 99 100"))) == [("a", "6", "100")]


def test_a_replacement_needs_an_id_of_its_own() -> None:
    m = matcher()
    m.submit(order("a", limit="100"), START)
    with pytest.raises(DuplicateOrderError):
        m.replace(A, order("a", limit="101"), START)
    assert m.get(A) is not None


def test_a_replaced_exit_belongs_to_its_group() -> None:
    m = half_filled_bracket()
    m.replace(VenueOrderId("target"), order("b", SELL, limit="105", tif=GTC), minute(1))
    told = m.on_bar(bar(1, "106 106 105 105"))
    assert fills(told) == [("b", "4", "106")]
    assert [(each.order_id, each.quantity) for each in of(Resized, told)] == [("stop", 6)]


def test_a_replaced_exit_that_is_held_stays_held() -> None:
    m = matcher()
    m.submit_bracket(
        order("entry", limit="50"), order("target", SELL, limit="60"), order("stop", SELL, stop="40"), START
    )
    m.replace(VenueOrderId("target"), order("b", SELL, limit="55"), START)
    assert m.on_bar(bar(0, "70 71 69 70")) == []
    assert fills(m.on_bar(bar(1, "50 51 50 50"))) == [("entry", "10", "50")]
    assert [each.order_id for each in m.working()] == ["stop", "b"]  # in the order in which they were released
    assert fills(m.on_bar(bar(2, "50 56 50 50"))) == [("b", "10", "55")]


def test_exits_follow_a_replaced_entry_to_its_new_quantity() -> None:
    m = half_filled_bracket()
    told = m.replace(VenueOrderId("entry"), order("b", quantity="12", limit="100", tif=GTC), minute(1))
    assert [(each.order_id, each.quantity) for each in of(Resized, told)] == [("stop", 12), ("target", 12)]
    assert fills(m.on_bar(bar(1, "100 111 99 100"))) == [("b", "8", "100"), ("target", "12", "110")]


@pytest.mark.parametrize(
    ("name", "new", "reason"),
    [
        ("target", order("b", SELL, "9", limit="105", tif=GTC), "it is 10"),
        ("target", order("b", SELL, limit="105"), "time in force"),
        ("target", order("b", SELL, tif=GTC), "is a limit order"),
        ("stop", order("b", SELL, limit="105", tif=GTC), "of a stop a stop"),
        ("entry", order("b", limit="105"), "time in force"),
    ],
)
def test_an_order_of_a_group_keeps_its_part(name: str, new: WorkingOrder, reason: str) -> None:
    (rejected,) = of(Rejected, half_filled_bracket().replace(VenueOrderId(name), new, minute(1)))
    assert reason in rejected.reason


def test_a_split_adjusts_orders_and_the_last_price() -> None:
    m = matcher(FillRule.IMMEDIATE)
    m.on_bar(bar(0, "100 101 99 100"))
    m.submit(order("a", limit="90.01", tif=GTC), minute(1))
    (adjusted,) = of(Adjusted, m.split(ACME, Decimal(2), minute(2)))
    assert (adjusted.quantity, adjusted.limit_price) == (20, Decimal(45))
    assert m.last_price(ACME) == 50
    assert fills(m.on_bar(bar(5, "50 51 44 45"))) == [("a", "20", "45.00")]


def test_a_split_multiplies_what_is_left_of_the_volume() -> None:
    m = matcher(FillRule.IMMEDIATE, participation="0.1")
    m.on_bar(bar(0, "100 101 99 100", volume=30))
    m.split(ACME, Decimal(2), minute(1))
    assert fills(m.submit(order("a"), minute(1))) == [("a", "6", "50")]


@pytest.mark.parametrize(
    ("side", "terms", "limit", "stop"),
    [
        (BUY, {"limit": "10.01"}, "5.00", "None"),
        (SELL, {"limit": "10.01"}, "5.01", "None"),
        (BUY, {"stop": "10.01"}, "None", "5.01"),
        (SELL, {"stop": "10.01"}, "None", "5.00"),
        (BUY, {"stop": "10.01", "limit": "10.01"}, "5.01", "5.01"),
        (SELL, {"stop": "10.01", "limit": "10.01"}, "5.00", "5.00"),
        (BUY, {"limit": "1.0001"}, "0.5000", "None"),
    ],
)
def test_split_prices_go_to_the_tick_that_lets_nothing_trade_sooner(
    side: Side, terms: dict[str, str], limit: str, stop: str
) -> None:
    m = matcher()
    m.submit(order("a", side, **terms), START)  # type: ignore[arg-type]
    (adjusted,) = of(Adjusted, m.split(ACME, Decimal(2), START))
    assert (str(adjusted.limit_price), str(adjusted.stop_price)) == (limit, stop)


def test_a_split_keeps_the_filled_part() -> None:
    m = matcher(participation="0.1")
    m.submit(order("a", limit="100", tif=GTC), START)
    m.on_bar(bar(0, "100 101 99 100", volume=40))
    (adjusted,) = of(Adjusted, m.split(ACME, Decimal(3), minute(1)))
    assert (adjusted.quantity, adjusted.filled) == (30, 12)
    (fill,) = of(Filled, m.on_bar(bar(1, "30 31 29 30")))
    assert (fill.quantity, fill.cumulative, fill.done) == (18, 30, True)


def test_a_reverse_split_rounds_whole_shares_down() -> None:
    m = matcher()
    m.submit(order("a", quantity="19", limit="1", tif=GTC), START)
    m.submit(order("b", quantity="1.5", limit="1", tif=GTC), START)
    told = m.split(ACME, Decimal("0.1"), START)
    assert [each.quantity for each in of(Adjusted, told)] == [1, Decimal("0.15")]


def test_an_order_of_which_a_reverse_split_leaves_less_than_a_share_is_canceled() -> None:
    m = matcher()
    m.submit(order("a", quantity="9", limit="1", tif=GTC), START)
    told = m.split(ACME, Decimal("0.1"), START)
    assert [each.reason for each in of(Canceled, told)] == [CancelReason.SPLIT]
    assert m.working() == []


def test_a_split_keeps_a_group_together() -> None:
    m = half_filled_bracket()
    m.split(ACME, Decimal(2), minute(1))
    told = m.on_bar(bar(1, "49 50 44 45"))
    assert fills(told) == [("entry", "12", "49"), ("stop", "20", "45.00")]
    assert m.working() == []


def test_a_reverse_split_that_leaves_nothing_of_a_bracket_ends_it_whole() -> None:
    m = half_filled_bracket()
    told = m.split(ACME, Decimal("0.1"), minute(1))
    assert len(of(Canceled, told)) == 3
    assert m.working() == []


def test_a_split_is_for_one_symbol_and_above_zero() -> None:
    m = matcher()
    m.submit(order("a", limit="100"), START)
    assert m.split(type(ACME)("OTHR"), Decimal(2), START) == []
    with pytest.raises(ValueError, match="above zero"):
        m.split(ACME, Decimal(0), START)


def test_orders_go_on_in_another_matcher_as_they_stood() -> None:
    m = half_filled_bracket()
    m.submit(order("z", limit="100"), minute(1))
    other = Matcher(Costs(), Rules(participation=Decimal("0.1")), first_execution=2)
    other.on_bar(bar(0, "100 101 99 100", volume=40))
    other.restore(deepcopy(m.working()))
    assert [each.order_id for each in other.working()] == [each.order_id for each in m.working()]
    for number, prices in enumerate(["99 100 98 99", "100 100 89 89", "89 112 88 111"], 1):
        assert other.on_bar(bar(number, prices, volume=120)) == m.on_bar(bar(number, prices, volume=120))
    other.submit(order("y"), minute(9))
    assert other.working()[-1].order_id == "y"


def test_an_order_that_works_is_not_restored_over_itself() -> None:
    m = matcher()
    m.submit(order("a"), START)
    with pytest.raises(DuplicateOrderError):
        m.restore([order("a")])
    assert m.get(B) is None
