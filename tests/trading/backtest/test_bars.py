"""What both tiers make of single bars: gaps, stops and targets in one bar, and the bar of an entry."""

import numpy as np
import pytest

from services.trading.backtest.config import BacktestConfig
from services.trading.backtest.fast import run
from services.trading.backtest.parity import compare_results
from services.trading.backtest.reference import run_reference
from services.trading.strategies.protocol import EntryCode
from tests.trading.backtest.scripted import FREE, A, Prices, Scripted, Wish, days, script, wishes

CALM: Prices = (100.0, 101.0, 99.0, 100.0)
NONE: Prices = (np.nan, np.nan, np.nan, np.nan)
HOUR_NS = 3600 * 10**9
LONG = Wish(target=1.0, stop_loss=95.0, take_profit=110.0)
SHORT = Wish(target=-1.0, stop_loss=105.0, take_profit=90.0)


def limit(price: float, **exits: float) -> Wish:
    return Wish(target=1.0, entry=EntryCode.LIMIT, limit=price, **exits)


def stop(price: float, **exits: float) -> Wish:
    return Wish(target=1.0, entry=EntryCode.STOP, stop=price, **exits)


def stop_limit(at: float, up_to: float) -> Wish:
    return Wish(target=1.0, entry=EntryCode.STOP_LIMIT, stop=at, limit=up_to)


# Named: prices, decisions by bar, and the fills as bar, shares, price, reason.
CASES: dict[str, tuple[list[Prices], dict[int, Wish], list[tuple[int, int, float, str]]]] = {
    "a market order trades at the next open": (
        [CALM, (102, 103, 101, 102), CALM],
        {0: Wish(target=1.0)},
        [(1, 10, 102.0, "ENTRY")],
    ),
    "a gap through a stop fills at the open": (
        [CALM, CALM, (90, 92, 88, 91)],
        {0: LONG},
        [(1, 10, 100.0, "ENTRY"), (2, -10, 90.0, "STOP")],
    ),
    "a gap through a short position's stop fills at the open": (
        [CALM, CALM, (120, 121, 119, 120)],
        {0: SHORT},
        [(1, -10, 100.0, "ENTRY"), (2, 10, 120.0, "STOP")],
    ),
    "with stop and target in one bar the stop comes first": (
        [CALM, CALM, (100, 115, 94, 100)],
        {0: LONG},
        [(1, 10, 100.0, "ENTRY"), (2, -10, 95.0, "STOP")],
    ),
    "a stop is hit on the bar of its entry": (
        [CALM, (100, 101, 94, 96)],
        {0: LONG},
        [(1, 10, 100.0, "ENTRY"), (1, -10, 95.0, "STOP")],
    ),
    "a target is reached on the bar of an entry at its open": (
        [CALM, (100, 111, 99, 105)],
        {0: LONG},
        [(1, 10, 100.0, "ENTRY"), (1, -10, 110.0, "TARGET")],
    ),
    "a gap over a target fills at the better open": (
        [CALM, CALM, (115, 116, 114, 115)],
        {0: LONG},
        [(1, 10, 100.0, "ENTRY"), (2, -10, 115.0, "TARGET")],
    ),
    "the target of an entry inside the bar begins with the next bar": (
        [CALM, (100, 111, 97, 108), (109, 112, 108, 109)],
        {0: limit(98, take_profit=110.0)},
        [(1, 10, 98.0, "ENTRY"), (2, -10, 110.0, "TARGET")],
    ),
    "the stop of an entry inside the bar is hit in it": (
        [CALM, (100, 106, 94, 100)],
        {0: stop(105, stop_loss=95.0)},
        [(1, 10, 105.0, "ENTRY"), (1, -10, 95.0, "STOP")],
    ),
    "a limit order trades at a better open": (
        [CALM, (96, 97, 95, 96)],
        {0: limit(98)},
        [(1, 10, 96.0, "ENTRY")],
    ),
    "a stop order that is gapped over trades at the open": (
        [CALM, (107, 108, 106, 107)],
        {0: stop(105)},
        [(1, 10, 107.0, "ENTRY")],
    ),
    "a stop-limit order inside a bar trades at its stop if its limit allows": (
        [CALM, (100, 106, 99, 105)],
        {0: stop_limit(105, 105.5)},
        [(1, 10, 105.0, "ENTRY")],
    ),
    "a stop-limit order set off inside a bar beyond its limit ends with the day": (
        [CALM, (100, 106, 99, 103), (103, 104, 100, 103)],
        {0: stop_limit(105, 104)},
        [],
    ),
    "a stop-limit order that is gapped over waits for its limit in the same bar": (
        [CALM, (107, 108, 104, 105)],
        {0: stop_limit(105, 105.5)},
        [(1, 10, 105.5, "ENTRY")],
    ),
    "an entry that is not reached ends with its session": (
        [CALM, CALM, (97, 98, 96, 97)],
        {0: limit(98)},
        [],
    ),
    "a target of none closes at the next open": (
        [CALM, CALM, (103, 104, 102, 103)],
        {0: LONG, 1: Wish(target=0.0)},
        [(1, 10, 100.0, "ENTRY"), (2, -10, 103.0, "SIGNAL")],
    ),
    "turning around closes first and enters then": (
        [CALM, CALM, (103, 104, 102, 103)],
        {0: LONG, 1: Wish(target=-1.0)},
        [(1, 10, 100.0, "ENTRY"), (2, -10, 103.0, "SIGNAL"), (2, -10, 103.0, "ENTRY")],
    ),
    "the same target again leaves the exits alone": (
        [CALM, CALM, CALM, (95, 96, 93, 94)],
        {0: LONG, 1: Wish(target=1.0, stop_loss=50.0)},
        [(1, 10, 100.0, "ENTRY"), (3, -10, 95.0, "STOP")],
    ),
    "without a bar a market order waits for the next one": (
        [CALM, NONE, NONE, (104, 105, 103, 104)],
        {0: Wish(target=1.0)},
        [(3, 10, 104.0, "ENTRY")],
    ),
    "without a bar an entry with a price ends with the day": (
        [CALM, NONE, (97, 98, 96, 97)],
        {0: limit(98)},
        [],
    ),
    "a close that waits is not taken back": (
        [CALM, CALM, NONE, (104, 105, 103, 104)],
        {0: LONG, 1: Wish(target=0.0), 2: Wish(target=1.0)},
        [(1, 10, 100.0, "ENTRY"), (3, -10, 104.0, "SIGNAL"), (3, 10, 104.0, "ENTRY")],
    ),
    "an entry without its price is not sent": (
        [CALM, CALM, CALM],
        {0: limit(np.nan)},
        [],
    ),
    "a decision at the last bar comes too late": ([CALM, CALM], {1: LONG}, []),
}


@pytest.mark.parametrize("case", CASES)
def test_in_both_tiers(case: str) -> None:
    prices, wanted, expected = CASES[case]
    strategy, panel = script(prices, wanted)

    fast, reference = run(strategy, panel, {}, FREE), run_reference(strategy, panel, {}, FREE)

    for result in (fast, reference):
        assert [(each.bar, each.shares, float(each.price), each.reason.name) for each in result.each_fill()] == expected


@pytest.mark.parametrize(("first", "filled"), [(14, True), (20, False)])
def test_a_day_order_lives_for_the_hours_of_the_next_bars_session(first: int, *, filled: bool) -> None:
    # Hours from 14:00 or 20:00 UTC: by 05:00 UTC another day has begun in New York.
    panel = {A: days([CALM] * 9 + [(97, 98, 96, 97)], step_ns=HOUR_NS, first_ns=first * HOUR_NS)}
    strategy = Scripted({A: wishes(10, {0: limit(98)})})

    fast, reference = run(strategy, panel, {}, FREE), run_reference(strategy, panel, {}, FREE)

    assert compare_results(fast, reference).agrees
    assert (len(fast.fills) == 1) is filled


def test_an_order_of_the_last_bar_of_a_session_lives_through_the_next_one() -> None:
    times = days([CALM, CALM, (97, 98, 96, 97)], step_ns=HOUR_NS, first_ns=26 * HOUR_NS)  # 02:00, 03:00, 04:00 UTC
    strategy = Scripted({A: wishes(3, {0: limit(98)})})
    over_night = {A: days([CALM, CALM, (97, 98, 96, 97)], step_ns=HOUR_NS, first_ns=28 * HOUR_NS)}

    # Midnight in New York is 05:00 UTC in winter.
    assert len(run(strategy, {A: times}, {}, FREE).fills) == 1
    assert len(run(strategy, over_night, {}, FREE).fills) == 1
    assert compare_results(run(strategy, over_night, {}, FREE), run_reference(strategy, over_night, {}, FREE)).agrees


def test_what_is_open_at_the_end_is_valued_there_or_closed_if_asked() -> None:
    strategy, panel = script([CALM, CALM, (108, 109, 107, 108)], {0: Wish(target=1.0)})
    closing = BacktestConfig(capital=FREE.capital, costs=FREE.costs, sizing=FREE.sizing, shares=10, close_at_end=True)

    left, closed = run(strategy, panel, {}, FREE), run(strategy, panel, {}, closing)

    assert [(trip.open, trip.reason.name, trip.profit) for trip in left.each_trip()] == [(True, "END", 80)]
    assert [(trip.open, trip.reason.name, trip.profit) for trip in closed.each_trip()] == [(False, "END", 80)]
    assert left.equity[-1] == closed.equity[-1] == 100_080.0
