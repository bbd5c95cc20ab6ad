"""Prices as numbers and in exact steps: the same prices."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.bars import (
    bars_of,
    columns_of,
    decimal_of,
    joined,
    moment_of,
    nanoseconds_of,
    on_one_axis,
    on_ticks,
    within,
)
from services.contracts.columns import Columns
from services.contracts.market import Bar, Symbol, on_tick

START = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
PRICES = st.floats(min_value=0.0001, max_value=1_000_000, allow_nan=False)


def columns(*closes: float, first: int = 0) -> Columns:
    times = nanoseconds_of(START) + np.arange(first, first + len(closes), dtype=np.int64) * 60_000_000_000
    prices = np.array(closes)
    return Columns(times, prices, prices, prices, prices, volume=np.full(len(closes), 100.0))


@given(PRICES)
def test_the_decimal_and_the_number_of_a_price_are_the_same_and_stand_on_a_tick(price: float) -> None:
    rounded = float(on_ticks(columns(price)).close[0])
    assert decimal_of(price) == Decimal(repr(rounded))
    assert on_tick(decimal_of(price))


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        (44.121, "44.12"),
        (0.12345, "0.1234"),
        (0.99996, "1.0000"),
        (2.125, "2.12"),
        (2.375, "2.38"),
        (549.0299, "549.03"),
    ],
)
def test_prices_go_to_the_nearest_tick_and_halves_to_the_even_one(price: float, expected: str) -> None:
    assert decimal_of(price) == Decimal(expected)


def test_bars_survive_the_way_to_numbers_and_back() -> None:
    bar = Bar(Symbol("AAPL"), START, 60, *map(Decimal, ("10.01", "10.05", "9.99", "10.02")), volume=Decimal(1500))
    later = Bar(Symbol("AAPL"), START + timedelta(minutes=1), 60, *[Decimal("0.1234")] * 4, volume=Decimal("0.5"))
    assert list(bars_of(Symbol("AAPL"), columns_of([bar, later]), 60)) == [bar, later]


def test_no_bars_are_no_columns() -> None:
    assert len(columns_of([])) == 0


def test_a_moment_without_a_bar_gives_none() -> None:
    bars = bars_of(Symbol("AAPL"), columns(10.0, np.nan, 12.0), 60)
    assert [bar.close for bar in bars] == [Decimal(10), Decimal(12)]


def test_moments_keep_their_microseconds() -> None:
    at = datetime(2038, 1, 19, 3, 14, 7, 123456, tzinfo=UTC)
    assert moment_of(nanoseconds_of(at)) == at


def test_joining_keeps_the_order_and_lets_the_newer_bar_count() -> None:
    both = joined(columns(1.0, 2.0, 3.0), columns(9.0, 8.0, first=2))
    assert both.close.tolist() == [1.0, 2.0, 9.0, 8.0]
    assert np.all(np.diff(both.time_ns) > 0)


def test_a_range_has_its_start_and_not_its_end() -> None:
    part = within(columns(1.0, 2.0, 3.0, 4.0), START + timedelta(minutes=1), START + timedelta(minutes=3))
    assert part.close.tolist() == [2.0, 3.0]


def test_symbols_are_brought_onto_one_axis_with_nothing_where_one_has_no_bar() -> None:
    panel = on_one_axis({Symbol("A"): columns(1.0, 2.0), Symbol("B"): columns(8.0, 9.0, first=1)})
    assert np.array_equal(panel[Symbol("A")].time_ns, panel[Symbol("B")].time_ns)
    assert np.array_equal(panel[Symbol("A")].close, [1.0, 2.0, np.nan], equal_nan=True)
    assert np.array_equal(panel[Symbol("B")].close, [np.nan, 8.0, 9.0], equal_nan=True)
    assert panel[Symbol("B")].volume.tolist() == [0.0, 100.0, 100.0]
    assert on_one_axis({}) == {}
