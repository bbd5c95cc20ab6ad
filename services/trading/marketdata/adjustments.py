"""Splits and dividends: from prices as they were traded to prices that compare, and back.

A split of ratio r makes r shares of one: earlier prices are divided by r, earlier volumes multiplied by it. Total
return scales each bar by what the source's own adjusted close (for splits and dividends) is to the close: a dividend d
at a price p makes the factor of all earlier bars (p - d) / p.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

import numpy as np

from services.contracts.bars import nanoseconds_of
from services.contracts.columns import Columns, Floats
from services.kit.bar_times import daily_start


@dataclass(frozen=True, slots=True)
class Split:
    """From the session of `day` on, there are `ratio` shares for each one before."""

    day: date
    ratio: Fraction


def split_adjusted(raw: Columns, splits: Sequence[Split]) -> Columns:
    """Prices as traded, made to compare with the last bar. Splits after the last bar play no part."""
    return _multiplied(raw, _shares_at_end(raw, splits))


def raw_again(adjusted: Columns, splits: Sequence[Split]) -> Columns:
    """Undoes `split_adjusted`."""
    return _multiplied(adjusted, 1.0 / _shares_at_end(adjusted, splits))


def total_return(split_adjusted_bars: Columns, adjusted_close: Floats) -> Columns:
    """Prices that grow as money in the share does, equal to the traded ones at the last bar.

    Args:
        split_adjusted_bars: Prices made to compare across splits.
        adjusted_close: For each bar the close that the source adjusted for splits and dividends, on any scale.
    """
    factors = adjusted_close / split_adjusted_bars.close
    return _scaled(split_adjusted_bars, factors / factors[-1] if len(factors) else factors)


def _shares_at_end(columns: Columns, splits: Sequence[Split]) -> Floats:
    """For each bar, how many shares at the end there are for one at its time."""
    shares = np.ones(len(columns))
    for split in splits:
        day_ns = nanoseconds_of(daily_start(split.day))
        if len(columns) and day_ns <= columns.time_ns[-1]:
            shares[columns.time_ns < day_ns] *= float(split.ratio)
    return shares


def _multiplied(columns: Columns, shares: Floats) -> Columns:
    """Each share becomes so many."""
    scaled = _scaled(columns, 1.0 / shares)
    return Columns(scaled.time_ns, scaled.open, scaled.high, scaled.low, scaled.close, volume=columns.volume * shares)


def _scaled(columns: Columns, factors: Floats) -> Columns:
    return Columns(
        columns.time_ns,
        columns.open * factors,
        columns.high * factors,
        columns.low * factors,
        columns.close * factors,
        volume=columns.volume,
    )
