"""The fast backtest's face: many settings, processes, and what it refuses."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.market import Symbol
from services.matching.costs import Costs
from services.trading.backtest import kernel
from services.trading.backtest.config import BacktestConfig
from services.trading.backtest.errors import BadDecisionError, BadPanelError, MoneyTooLargeError
from services.trading.backtest.fast import run, run_many
from services.trading.backtest.measures import measures_of
from services.trading.backtest.parity import compare_results
from services.trading.backtest.reference import run_reference
from services.trading.backtest.result import BacktestResult
from services.trading.strategies.order_prices import order_price
from services.trading.strategies.protocol import Decisions, EntryCode
from services.trading.strategies.registry import find
from tests.trading.backtest.scripted import FREE, A, Scripted, Wish, days, script, wishes
from tests.trading.strategies.bars import random_panel

CALM = (100.0, 101.0, 99.0, 100.0)


def last_equity(result: BacktestResult) -> float:
    return float(result.equity[-1])


@pytest.mark.parametrize("workers", [1, 2])
def test_many_settings_come_back_in_their_order_and_progress_is_told(workers: int) -> None:
    strategy, panel, config = find("sma-cross"), random_panel(300, 5, symbols=1), BacktestConfig()
    settings = [strategy.space.check({"fast": fast, "slow": 50}) for fast in range(5, 25)]
    heard: list[tuple[int, int]] = []

    found = run_many(
        strategy, panel, settings, config, last_equity, workers=workers, progress=lambda *now: heard.append(now)
    )

    assert found == [last_equity(run(strategy, panel, each, config)) for each in settings]
    assert heard == sorted(heard)
    assert heard[-1] == (20, 20)


def test_a_failure_in_another_process_is_raised_here() -> None:
    bad = Scripted({A: wishes(3, {1: Wish(target=2.0)})})

    with pytest.raises(BadDecisionError, match="between -1 and 1"):
        run_many(bad, {A: days([CALM] * 3)}, [{}, {}], FREE, last_equity, workers=2)


def test_many_settings_over_many_bars_come_back_in_their_order_out_of_several_threads() -> None:
    strategy, panel, config = find("sma-cross"), random_panel(20_000, 5, symbols=1), BacktestConfig()
    settings = [strategy.space.check({"fast": fast, "slow": 50}) for fast in range(5, 25)]

    found = run_many(strategy, panel, settings, config, last_equity, workers=1)

    assert found == [last_equity(run(strategy, panel, each, config)) for each in settings]


def test_a_failure_in_another_thread_is_raised_here() -> None:
    bad = Scripted({A: wishes(20_000, {19_000: Wish(target=2.0)})})

    with pytest.raises(BadDecisionError, match="between -1 and 1"):
        run_many(bad, {A: days([CALM] * 20_000)}, [{}, {}, {}], FREE, last_equity, workers=1)


def test_more_fills_than_there_was_room_for_are_all_told() -> None:
    length = 3_000
    turns = {bar: Wish(target=1.0 if bar % 2 else -1.0) for bar in range(length)}
    strategy, panel = Scripted({A: wishes(length, turns)}), {A: days([CALM] * length)}

    result = run(strategy, panel, {}, FREE)

    assert len(result.fills) == 2 * (length - 2) + 1 > kernel._FIRST_FILLS
    assert compare_results(result, run_reference(strategy, panel, {}, FREE)).problem == ""


@pytest.mark.parametrize(
    ("wish", "resizes", "words"),
    [
        (Wish(target=1.5), False, "between -1 and 1"),
        (Wish(target=1.0, stop_loss=90.0), True, "resizes has market orders without exits"),
        (Wish(target=1.0, entry=EntryCode.LIMIT, limit=90.0), True, "resizes has market orders without exits"),
    ],
)
def test_what_breaks_the_protocol_is_refused_by_both_tiers(wish: Wish, words: str, *, resizes: bool) -> None:
    strategy = Scripted({A: wishes(3, {1: wish})}, resizes=resizes)

    for tier in (run, run_reference):
        with pytest.raises(BadDecisionError, match=words):
            tier(strategy, {A: days([CALM] * 3)}, {}, FREE)


def test_an_entry_of_no_type_is_refused_by_both_tiers() -> None:
    decided: Decisions = wishes(3, {1: Wish(target=1.0)})
    decided.entry[1] = 9

    for tier in (run, run_reference):
        with pytest.raises(BadDecisionError, match="EntryCode"):
            tier(Scripted({A: decided}), {A: days([CALM] * 3)}, {}, FREE)


def test_sums_that_cannot_be_counted_exactly_are_refused() -> None:
    # Sold short at a hundredth of a cent, bought back at a million dollars.
    strategy, panel = script(
        [(0.0001,) * 4, (0.0001,) * 4, (1e6,) * 4, (1e6,) * 4], {0: Wish(target=-1.0), 2: Wish(target=0.0)}
    )

    with pytest.raises(MoneyTooLargeError):
        run(strategy, panel, {}, replace(FREE, shares=10**8))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"close": [100.0, np.nan, 100.0]}, "some prices missing"),
        ({"low": [99.0, 100.5, 99.0]}, "low is above"),
        ({"open": [100.0, -1.0, 100.0], "low": [99.0, -2.0, 99.0]}, "at or below zero"),
        ({"high": [101.0, np.inf, 101.0]}, "above 1,000,000"),
        ({"time_ns": [0, 10**9, 10**9]}, "ascending"),
    ],
)
def test_bars_that_cannot_be_are_refused(changes: Mapping[str, Any], words: str) -> None:
    columns = days([CALM] * 3)
    bad = replace(columns, **{name: np.array(values) for name, values in changes.items()})

    with pytest.raises(BadPanelError, match=words):
        run(Scripted({A: wishes(3, {})}), {A: bad}, {}, FREE)


def test_symbols_on_two_time_axes_are_refused() -> None:
    panel = {A: days([CALM] * 3), Symbol("B"): days([CALM] * 3, first_ns=0)}

    with pytest.raises(BadPanelError, match="B has other times than A"):
        run(Scripted({}), panel, {}, FREE)


def test_no_bars_are_refused() -> None:
    with pytest.raises(BadPanelError, match="no bars"):
        run(Scripted({}), {A: days([CALM]).until(0)}, {}, FREE)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_both_tiers_put_an_order_on_the_same_tick(price: float) -> None:
    expected = order_price(price)

    assert kernel.order_steps(price) == (0 if expected is None else int(expected * 1_000_000))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"capital": Decimal(0)}, "capital"),
        ({"capital": Decimal("100.005")}, "whole cents"),
        ({"budget": Decimal(11)}, "budget"),
        ({"lot": 0}, "lots"),
        ({"costs": Costs(slippage_bps=Decimal("0.00001"))}, "slippage_bps has at most 4"),
        ({"costs": Costs(fee_minimum=Decimal(10) ** 7)}, "fees are at most"),
    ],
)
def test_conditions_out_of_range_are_refused(change: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(FREE, **change)


def test_a_resized_position_is_told_first_in_first_out() -> None:
    prices = [(price, price, price, price) for price in (10.0, 10.0, 20.0, 30.0, 40.0)]
    costs = replace(FREE, costs=Costs(fee_per_share=Decimal("0.1")), shares=100)
    wanted = {0: Wish(target=0.2), 1: Wish(target=0.5), 2: Wish(target=0.4), 3: Wish(target=0.0)}
    strategy = Scripted({A: wishes(5, wanted)}, resizes=True)

    result = run(strategy, {A: days(prices)}, {}, costs)

    found = [
        (trip.shares, int(trip.entry_price), int(trip.exit_price), float(trip.fees)) for trip in result.each_trip()
    ]
    assert found == [(10, 10, 30, 2.0), (10, 10, 40, 2.0), (30, 20, 40, 6.0)]
    assert sum(trip.profit for trip in result.each_trip()) == Decimal(str(round(result.equity[-1], 6))) - FREE.capital


def test_measures_of_a_run_count_what_was_done() -> None:
    strategy, panel = script([CALM, CALM, (110, 111, 109, 110), CALM], {0: Wish(target=1.0), 1: Wish(target=0.0)})

    measures = measures_of(run(strategy, panel, {}, FREE))

    assert (measures.trades, measures.win_rate, measures.expectancy) == (1, 1.0, 100.0)
    assert measures.exposure_time == 0.25
    assert measures.total_return == pytest.approx(0.001)
