"""Splits and dividends, applied and undone."""

from datetime import date, timedelta
from fractions import Fraction

import numpy as np

from services.contracts.bars import nanoseconds_of
from services.contracts.columns import Columns
from services.kit.bar_times import daily_start
from services.trading.marketdata.adjustments import Split, raw_again, split_adjusted, total_return

FIRST = date(2024, 3, 4)


def daily(*closes: float) -> Columns:
    times = [nanoseconds_of(daily_start(FIRST + timedelta(days=each))) for each in range(len(closes))]
    close = np.array(closes)
    return Columns(np.array(times), close, close + 1, close - 1, close, volume=np.full(len(closes), 1000.0))


def split(after_days: int, ratio: Fraction) -> Split:
    return Split(FIRST + timedelta(days=after_days), ratio)


def test_a_split_halves_the_prices_and_doubles_the_volumes_before_its_day() -> None:
    adjusted = split_adjusted(daily(100, 102, 52, 53), [split(2, Fraction(2))])
    assert adjusted.close.tolist() == [50, 51, 52, 53]
    assert adjusted.high.tolist() == [50.5, 51.5, 53, 54]
    assert adjusted.volume.tolist() == [2000, 2000, 1000, 1000]


def test_splits_multiply() -> None:
    adjusted = split_adjusted(daily(120, 60, 20), [split(1, Fraction(2)), split(2, Fraction(3))])
    assert adjusted.close.tolist() == [20, 20, 20]


def test_shares_that_are_put_together_raise_earlier_prices() -> None:
    assert split_adjusted(daily(1, 10), [split(1, Fraction(1, 10))]).close.tolist() == [10, 10]


def test_a_split_after_the_last_bar_plays_no_part() -> None:
    assert split_adjusted(daily(100, 102), [split(2, Fraction(2))]).close.tolist() == [100, 102]


def test_undoing_a_split_gives_what_was_traded() -> None:
    splits = [split(1, Fraction(7)), split(3, Fraction(2002, 1000))]
    raw = daily(700.35, 101.2, 99.99, 50.1)
    again = raw_again(split_adjusted(raw, splits), splits)
    assert np.allclose(again.close, raw.close, rtol=1e-14)
    assert np.allclose(again.volume, raw.volume, rtol=1e-14)


def test_total_return_scales_by_the_adjusted_close_and_ends_at_the_traded_price() -> None:
    """A dividend of 2 is paid at 100: a share bought before it has earned 2 %."""
    total = total_return(daily(100, 98, 99), np.array([98.0, 98.0, 99.0]) / 3)
    assert np.allclose(total.close, [98, 98, 99])
    assert total.volume.tolist() == [1000, 1000, 1000]


def test_no_bars_have_nothing_to_adjust() -> None:
    assert len(split_adjusted(daily(), [split(1, Fraction(2))])) == 0
    assert len(total_return(daily(), np.array([]))) == 0
