"""Day, GTC, IOC and FOK orders; halts."""

import pytest

from services.contracts.market import Side, TimeInForce
from services.contracts.orders import VenueOrderId
from services.matching.happenings import Canceled, CancelReason, Expired, Rejected
from services.matching.rules import FillRule
from tests.matching.market import ACME, BUY, SELL, START, bar, fills, matcher, minute, of, order, words

DAY, GTC, IOC, FOK = TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK
CLOSE = minute(390)


def test_a_day_order_expires_at_the_end_of_the_session() -> None:
    m = matcher()
    m.submit(order("a", limit="50", tif=DAY), START)
    assert [each.at for each in of(Expired, m.end_of_session(CLOSE))] == [CLOSE]
    assert m.working() == []


def test_a_gtc_order_lives_on() -> None:
    m = matcher()
    m.submit(order("a", limit="50", tif=GTC), START)
    assert m.end_of_session(CLOSE) == []
    assert fills(m.on_bar(bar(1440, "49 50 48 49"))) == [("a", "10", "49")]


@pytest.mark.parametrize("tif", [IOC, FOK])
def test_an_immediate_order_that_is_not_marketable_at_the_open_ends_there(tif: TimeInForce) -> None:
    m = matcher()
    m.submit(order("a", limit="99", tif=tif), START)
    told = m.on_bar(bar(0, "100 101 98 99"))
    assert words(told) == ["Canceled a"]
    assert of(Canceled, told)[0].reason is CancelReason.NOT_IMMEDIATE


def test_an_ioc_order_takes_what_there_is_and_ends() -> None:
    m = matcher(participation="0.1")
    m.submit(order("a", tif=IOC), START)
    told = m.on_bar(bar(0, "100 101 98 99", volume=49))
    assert fills(told) == [("a", "4", "100")]
    assert words(told) == ["Filled a", "Canceled a"]


def test_a_fok_order_takes_all_or_nothing() -> None:
    m = matcher(participation="0.1")
    m.submit(order("a", tif=FOK), START)
    m.submit(order("b", quantity="4", tif=FOK), START)
    told = m.on_bar(bar(0, "100 101 98 99", volume=49))
    assert words(told) == ["Canceled a", "Filled b"]  # what the first left alone is there for the second


@pytest.mark.parametrize("tif", [IOC, FOK])
def test_an_immediate_order_that_found_no_bar_ends_with_the_session(tif: TimeInForce) -> None:
    m = matcher()
    m.submit(order("a", tif=tif), START)
    assert words(m.end_of_session(CLOSE)) == ["Canceled a"]


@pytest.mark.parametrize("tif", [IOC, FOK])
def test_under_the_immediate_rule_an_immediate_order_never_rests(tif: TimeInForce) -> None:
    m = matcher(FillRule.IMMEDIATE)
    assert words(m.submit(order("a", tif=tif), START)) == ["Accepted a", "Canceled a"]
    m.on_bar(bar(0, "100 101 98 99"))
    assert words(m.submit(order("b", limit="98", tif=tif), minute(1))) == ["Accepted b", "Canceled b"]
    assert words(m.submit(order("c", limit="99", tif=tif), minute(1))) == ["Accepted c", "Filled c"]


@pytest.mark.parametrize("tif", [IOC, FOK])
def test_a_stop_cannot_be_immediate(tif: TimeInForce) -> None:
    told = matcher().submit(order("a", SELL, stop="90", tif=tif), START)
    assert "it is day or gtc" in of(Rejected, told)[0].reason


@pytest.mark.parametrize(
    ("side", "terms"),
    [(BUY, {}), (BUY, {"limit": "99"}), (SELL, {"stop": "99"}), (SELL, {"stop": "99", "limit": "98"})],
)
def test_nothing_trades_or_triggers_in_a_halt(side: Side, terms: dict[str, str]) -> None:
    m = matcher()
    m.submit(order("a", side, **terms), START)  # type: ignore[arg-type]
    m.halt(ACME, START)
    assert m.on_bar(bar(0, "100 101 98 99")) == []
    m.resume(ACME, minute(1))
    assert len(fills(m.on_bar(bar(1, "100 101 98 99")))) == 1


def test_a_bar_that_began_in_the_halt_fills_nothing() -> None:
    m = matcher()
    m.submit(order("a"), START)
    m.halt(ACME, START)
    m.resume(ACME, minute(0).replace(second=30))
    assert m.on_bar(bar(0, "100 101 98 99")) == []
    assert fills(m.on_bar(bar(1, "97 98 96 97"))) == [("a", "10", "97")]


def test_a_halt_is_for_one_symbol() -> None:
    m = matcher()
    m.halt(type(ACME)("OTHR"), START)
    m.submit(order("a"), START)
    assert len(fills(m.on_bar(bar(0, "100 101 98 99")))) == 1


def test_a_halt_cancels_immediate_orders_that_wait_and_those_that_come() -> None:
    m = matcher()
    m.submit(order("a", tif=IOC), START)
    assert words(m.halt(ACME, START)) == ["Canceled a"]
    assert words(m.submit(order("b", tif=FOK), START)) == ["Accepted b", "Canceled b"]


def test_after_a_halt_nothing_trades_at_once_at_the_old_price() -> None:
    m = matcher(FillRule.IMMEDIATE)
    m.on_bar(bar(0, "100 101 98 99"))
    m.halt(ACME, minute(1))
    assert words(m.submit(order("a"), minute(1))) == ["Accepted a"]
    m.resume(ACME, minute(2))
    assert words(m.submit(order("b"), minute(2))) == ["Accepted b"]
    assert fills(m.on_bar(bar(2, "80 81 79 80"))) == [("a", "10", "80"), ("b", "10", "80")]


def test_resuming_what_is_not_halted_changes_nothing() -> None:
    m = matcher()
    m.submit(order("a"), START)
    m.resume(ACME, minute(5))
    assert len(fills(m.on_bar(bar(0, "100 101 98 99")))) == 1


def test_canceling_one_of_two_leaves_the_other() -> None:
    m = matcher()
    m.submit(order("a"), START)
    m.submit(order("b"), START)
    m.cancel(VenueOrderId("a"), START)
    assert fills(m.on_bar(bar(0, "100 101 98 99"))) == [("b", "10", "100")]
