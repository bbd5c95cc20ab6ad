"""Brackets and pairs of exits."""

from decimal import Decimal

import pytest

from services.contracts.market import TimeInForce
from services.contracts.orders import VenueOrderId
from services.matching.happenings import (
    Canceled,
    CancelReason,
    Expired,
    Filled,
    Happening,
    LegActivated,
    Rejected,
    Resized,
)
from services.matching.market import Matcher
from services.matching.orders import WorkingOrder
from services.matching.rules import FillRule
from tests.matching.market import BUY, SELL, START, bar, fills, matcher, minute, of, order, words

GTC, DAY, IOC = TimeInForce.GTC, TimeInForce.DAY, TimeInForce.IOC
ENTRY, TARGET, STOP = VenueOrderId("entry"), VenueOrderId("target"), VenueOrderId("stop")


def bracket(m: Matcher, entry: WorkingOrder | None = None, tif: TimeInForce = GTC) -> list[Happening]:
    """Buy ten, sell at 110 or at 90."""
    return m.submit_bracket(
        entry or order("entry", tif=tif),
        order("target", SELL, limit="110", tif=tif),
        order("stop", SELL, stop="90", tif=tif),
        START,
    )


def pair(m: Matcher) -> list[Happening]:
    return m.submit_oco(order("target", SELL, limit="110"), order("stop", SELL, stop="90"), START)


def why(told: list[Happening]) -> list[tuple[str, str]]:
    return [(each.order_id, each.reason) for each in of(Canceled, told)]


def sizes(told: list[Happening]) -> list[tuple[str, Decimal]]:
    return [(each.order_id, each.quantity) for each in of(Resized, told)]


def test_exits_are_held_until_the_entry_fills() -> None:
    m = matcher()
    bracket(m, order("entry", limit="95", tif=GTC))
    assert m.on_bar(bar(0, "100 120 96 100")) == []
    assert words(m.on_bar(bar(1, "95 96 94 95"))) == [
        "Filled entry", "LegActivated stop", "LegActivated target",
    ]  # fmt: skip


def test_the_target_of_an_entry_at_the_open_can_fill_in_the_same_bar() -> None:
    m = matcher()
    bracket(m)
    told = m.on_bar(bar(0, "100 111 99 100"))
    assert fills(told) == [("entry", "10", "100"), ("target", "10", "110")]
    assert why(told) == [("stop", CancelReason.PARTNER_FILLED)]
    assert m.working() == []


def test_the_protective_stop_is_hit_on_the_bar_of_its_entry() -> None:
    m = matcher()
    bracket(m, order("entry", limit="95", tif=GTC))
    told = m.on_bar(bar(0, "100 101 89 100"))
    assert fills(told) == [("entry", "10", "95"), ("stop", "10", "90")]
    assert words(told) == ["Filled entry", "LegActivated stop", "Triggered stop", "Filled stop", "Canceled target"]


def test_the_target_of_an_entry_inside_the_bar_begins_with_the_next_bar() -> None:
    m = matcher()
    bracket(m, order("entry", limit="95", tif=GTC))
    told = m.on_bar(bar(0, "100 115 94 100"))  # the high may have come before the entry
    assert fills(told) == [("entry", "10", "95")]
    assert fills(m.on_bar(bar(1, "100 111 99 100"))) == [("target", "10", "110")]


def test_a_target_that_works_already_sells_nothing_that_was_bought_inside_the_bar() -> None:
    m = matcher(participation="0.1")
    bracket(m, order("entry", limit="95", tif=GTC))
    m.on_bar(bar(0, "95 96 94 95", volume=40))
    told = m.on_bar(bar(1, "100 115 94 100"))
    assert fills(told) == [("entry", "6", "95"), ("target", "4", "110")]
    assert [(each.order_id, each.working) for each in of(LegActivated, told)] == [("stop", 10), ("target", 6)]


@pytest.mark.parametrize(("prices", "price"), [("105 106 99 100", "99"), ("105 106 88 100", "89")])
def test_a_stop_limit_that_was_set_off_sells_what_is_bought_inside_the_bar_at_the_worst_price_it_may(
    prices: str, price: str
) -> None:
    m = matcher(participation="0.1")
    m.submit_bracket(
        order("entry", limit="100"),
        order("target", SELL, limit="130"),
        order("stop", SELL, stop="90", limit="89"),
        START,
    )
    m.on_bar(bar(0, "100 101 99 100", volume=40))
    assert words(m.on_bar(bar(1, "85 86 84 85", volume=0))) == ["Triggered stop"]
    assert fills(m.on_bar(bar(2, prices))) == [("stop", "4", "105"), ("entry", "6", "100"), ("stop", "6", price)]


def test_exits_keep_their_place_when_their_entry_fills_more() -> None:
    m = matcher(participation="0.1")
    bracket(m, order("entry", limit="100", tif=GTC))
    m.on_bar(bar(0, "100 101 99 100", volume=40))
    m.submit(order("later", SELL, limit="110"), minute(1))
    m.on_bar(bar(1, "100 101 99 100", volume=60))
    assert [each.order_id for each in m.working()] == ["stop", "target", "later"]
    assert fills(m.on_bar(bar(2, "110 110 110 110", volume=150))) == [("target", "10", "110"), ("later", "5", "110")]


def test_a_stop_entry_inside_the_bar_is_protected_in_it() -> None:
    m = matcher()
    bracket(m, order("entry", stop="103", tif=GTC))
    assert fills(m.on_bar(bar(0, "100 104 89 100"))) == [("entry", "10", "103"), ("stop", "10", "90")]


def test_a_stop_goes_before_a_target_inside_one_bar() -> None:
    m = matcher()
    pair(m)
    told = m.on_bar(bar(0, "100 111 89 100"))
    assert fills(told) == [("stop", "10", "90")]
    assert why(told) == [("target", CancelReason.PARTNER_FILLED)]


@pytest.mark.parametrize("rule", FillRule)
def test_a_stop_goes_before_a_target_at_one_price(rule: FillRule) -> None:
    m = matcher(rule)
    m.on_bar(bar(-1, "100 100 100 100"))
    told = m.submit_oco(order("target", SELL, limit="100"), order("stop", SELL, stop="100"), START)
    told += m.on_bar(bar(0, "100 100 100 100"))
    assert fills(told) == [("stop", "10", "100")]


def test_a_target_that_is_gapped_through_fills_at_the_better_open_before_the_stop() -> None:
    m = matcher()
    pair(m)
    assert fills(m.on_bar(bar(0, "112 113 89 100"))) == [("target", "10", "112")]


def test_a_stop_that_is_gapped_through_fills_at_the_open() -> None:
    m = matcher()
    pair(m)
    assert fills(m.on_bar(bar(0, "85 111 80 100"))) == [("stop", "10", "85")]


def test_an_entry_that_gaps_below_its_own_stop_is_stopped_out_at_the_open() -> None:
    m = matcher()
    bracket(m, order("entry", limit="95", tif=GTC))
    assert fills(m.on_bar(bar(0, "88 99 85 95"))) == [("entry", "10", "88"), ("stop", "10", "88")]


def test_a_stop_above_the_price_of_an_entry_inside_the_bar_brings_no_better_price_than_the_market() -> None:
    m = matcher()
    m.submit_bracket(
        order("entry", limit="95"), order("target", SELL, limit="110"), order("stop", SELL, stop="96"), START
    )
    assert fills(m.on_bar(bar(0, "100 101 94 100"))) == [("entry", "10", "95"), ("stop", "10", "95")]


def test_a_short_bracket_is_the_mirror_of_a_long_one() -> None:
    m = matcher()
    m.submit_bracket(
        order("entry", SELL, limit="105"), order("target", BUY, limit="90"), order("stop", BUY, stop="110"), START
    )
    assert fills(m.on_bar(bar(0, "100 111 85 100"))) == [("entry", "10", "105"), ("stop", "10", "110")]


def test_exits_work_for_what_the_entry_has_filled() -> None:
    m = matcher(participation="0.1")
    bracket(m)
    told = m.on_bar(bar(0, "100 101 99 100", volume=40))
    assert [(each.order_id, each.working) for each in of(LegActivated, told)] == [("stop", 4), ("target", 4)]
    told = m.on_bar(bar(1, "100 101 99 100", volume=1000))
    assert [(each.order_id, each.working) for each in of(LegActivated, told)] == [("stop", 10), ("target", 10)]


def test_an_exit_of_a_partly_filled_entry_sells_no_more_than_was_bought() -> None:
    m = matcher(participation="0.1")
    bracket(m, order("entry", limit="100", tif=GTC))
    m.on_bar(bar(0, "100 101 99 100", volume=40))
    told = m.on_bar(bar(1, "111 112 111 111", volume=1000))
    assert fills(told) == [("target", "4", "111")]
    assert sizes(told) == [("stop", 6)]
    told = m.on_bar(bar(2, "99 99 89 90", volume=1000))  # the entry goes on, and so does its protection
    assert fills(told) == [("entry", "6", "99"), ("stop", "6", "90")]
    assert why(told) == [("target", CancelReason.PARTNER_FILLED)]


def test_canceling_a_partly_filled_entry_keeps_what_it_bought_protected() -> None:
    m = matcher(participation="0.1")
    bracket(m)
    m.on_bar(bar(0, "100 101 99 100", volume=40))
    told = m.cancel(ENTRY, minute(1))
    assert why(told) == [("entry", CancelReason.REQUESTED)]
    assert sizes(told) == [("stop", 4), ("target", 4)]
    assert fills(m.on_bar(bar(1, "89 90 88 89"))) == [("stop", "4", "89")]
    assert m.working() == []


def test_canceling_an_entry_without_fills_cancels_its_exits() -> None:
    m = matcher()
    bracket(m)
    assert why(m.cancel(ENTRY, START)) == [
        ("entry", CancelReason.REQUESTED),
        ("stop", CancelReason.ENTRY_ENDED),
        ("target", CancelReason.ENTRY_ENDED),
    ]


def test_canceling_a_partly_filled_entry_whose_exits_have_sold_all_ends_them() -> None:
    m = matcher(participation="0.1")
    bracket(m, order("entry", limit="100", tif=GTC))
    m.on_bar(bar(0, "100 101 99 100", volume=40))
    m.on_bar(bar(1, "111 112 111 111"))
    assert why(m.cancel(ENTRY, minute(2)))[1:] == [
        ("stop", CancelReason.ENTRY_ENDED),
        ("target", CancelReason.ENTRY_ENDED),
    ]
    assert m.working() == []


def test_canceling_an_exit_cancels_the_other_and_the_rest_of_the_entry() -> None:
    m = matcher(participation="0.1")
    bracket(m)
    m.on_bar(bar(0, "100 101 99 100", volume=40))
    assert why(m.cancel(TARGET, minute(1))) == [
        ("target", CancelReason.REQUESTED),
        ("stop", CancelReason.PARTNER_ENDED),
        ("entry", CancelReason.PARTNER_ENDED),
    ]


def test_a_partly_filled_exit_takes_as_much_off_the_other() -> None:
    m = matcher(participation="0.1")
    pair(m)
    told = m.on_bar(bar(0, "111 111 100 100", volume=30))
    assert fills(told) == [("target", "3", "111")]
    assert sizes(told) == [("stop", 7)]
    told = m.on_bar(bar(1, "89 90 88 89"))
    assert fills(told) == [("stop", "7", "89")]
    assert of(Filled, told)[0].done
    assert why(told) == [("target", CancelReason.PARTNER_FILLED)]


def test_a_stop_that_filled_a_part_goes_on_at_the_next_open() -> None:
    m = matcher(participation="0.1")
    pair(m)
    assert fills(m.on_bar(bar(0, "100 100 89 90", volume=30))) == [("stop", "3", "90")]
    assert fills(m.on_bar(bar(1, "95 96 94 95"))) == [("stop", "7", "95")]


def test_a_stop_hit_in_part_on_the_bar_of_an_entry_leaves_the_rest_to_both_exits() -> None:
    m = matcher(participation="0.1")
    bracket(m, order("entry", limit="95", tif=GTC))
    told = m.on_bar(bar(0, "100 101 89 90", volume=140))
    assert fills(told) == [("entry", "10", "95"), ("stop", "4", "90")]
    target = m.get(TARGET)
    assert target is not None
    assert target.open == 6
    assert fills(m.on_bar(bar(1, "112 112 111 112"))) == [("stop", "6", "112")]  # set off: a market order now


def test_an_immediate_entry_activates_its_exits_at_once() -> None:
    m = matcher(FillRule.IMMEDIATE)
    m.on_bar(bar(-1, "100 101 99 100"))
    told = bracket(m)
    assert words(told)[3:] == ["Filled entry", "LegActivated stop", "LegActivated target"]
    assert fills(m.on_bar(bar(0, "100 111 99 100"))) == [("target", "10", "110")]


def test_an_immediate_entry_beyond_its_stop_is_stopped_out_at_once() -> None:
    m = matcher(FillRule.IMMEDIATE)
    m.on_bar(bar(-1, "85 85 85 85"))
    assert fills(bracket(m)) == [("entry", "10", "85"), ("stop", "10", "85")]


def test_an_ioc_entry_that_fills_a_part_leaves_exits_for_that_part() -> None:
    m = matcher(participation="0.1")
    bracket(m, order("entry", tif=IOC))
    told = m.on_bar(bar(0, "100 101 99 100", volume=40))
    assert why(told) == [("entry", CancelReason.NOT_IMMEDIATE)]
    assert sizes(told) == [("stop", 4), ("target", 4)]


def test_a_day_bracket_expires_whole() -> None:
    m = matcher()
    bracket(m, order("entry", limit="50"), tif=DAY)
    told = m.end_of_session(minute(390))
    assert sorted(each.order_id for each in of(Expired, told)) == ["entry", "stop", "target"]
    assert m.working() == []


def test_exits_that_are_gtc_outlive_a_day_entry_for_what_it_filled() -> None:
    m = matcher(participation="0.1")
    bracket(m, order("entry"))
    m.on_bar(bar(0, "100 101 99 100", volume=40))
    told = m.end_of_session(minute(390))
    assert [each.order_id for each in of(Expired, told)] == ["entry"]
    assert sizes(told) == [("stop", 4), ("target", 4)]
    assert fills(m.on_bar(bar(1000, "110 110 110 110"))) == [("target", "4", "110")]


def test_gtc_exits_of_a_day_entry_without_fills_end_with_it() -> None:
    m = matcher()
    bracket(m, order("entry", limit="50"))
    assert len(why(m.end_of_session(minute(390)))) == 2
    assert m.working() == []


@pytest.mark.parametrize(
    ("target", "stop", "reason"),
    [
        (order("t", SELL), order("s", SELL, stop="90"), "limit order"),
        (order("t", SELL, limit="110"), order("s", SELL, limit="90"), "stop or a stop-limit"),
        (order("t", SELL, limit="110"), order("s", SELL, "9", stop="90"), "same symbol, side and quantity"),
        (order("t", SELL, limit="110", tif=GTC), order("s", SELL, stop="90"), "both are gtc"),
        (order("t", SELL, limit="110", tif=IOC), order("s", SELL, stop="90", tif=IOC), "both exits are day"),
        (order("t", BUY, limit="110"), order("s", BUY, stop="90"), "opposite side"),
        (order("t", SELL, limit="110"), order("s", SELL, stop="90"), "do not end before their entry"),
    ],
)
def test_a_bracket_that_does_not_fit_together_is_rejected(
    target: WorkingOrder, stop: WorkingOrder, reason: str
) -> None:
    m = matcher()
    told = m.submit_bracket(order("entry", tif=GTC), target, stop, START)
    assert all(reason in each.reason for each in of(Rejected, told))
    assert words(told) == ["Rejected entry", "Rejected t", "Rejected s"]
    assert m.working() == []


def test_a_pair_of_two_stops_is_rejected() -> None:
    told = matcher().submit_oco(order("t", SELL, stop="110"), order("s", SELL, stop="90"), START)
    assert words(told) == ["Rejected t", "Rejected s"]
