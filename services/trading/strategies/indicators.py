"""Indicators over whole columns.

Each value depends on its own window alone: not on what follows, and not on how much history lies before, so a live
window gives the same number as ten years of bars. The first `length - 1` values are NaN.
"""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from services.contracts.columns import Floats


def sma(values: Floats, length: int) -> Floats:
    """Simple moving average: the mean of the last `length` values."""
    return _over_windows(values, length, lambda windows: windows.mean(axis=-1))


def rolling_std(values: Floats, length: int) -> Floats:
    """Standard deviation of the last `length` values about their mean (population form, as Bollinger's bands use)."""
    return _over_windows(values, length, lambda windows: windows.std(axis=-1))


def highest(values: Floats, length: int) -> Floats:
    """The greatest of the last `length` values (the upper Donchian channel)."""
    return _over_windows(values, length, lambda windows: windows.max(axis=-1))


def lowest(values: Floats, length: int) -> Floats:
    """The least of the last `length` values (the lower Donchian channel)."""
    return _over_windows(values, length, lambda windows: windows.min(axis=-1))


def rate_of_change(values: Floats, length: int) -> Floats:
    """Relative change against `length` values before; the first `length` are NaN."""
    out = np.full(len(values), np.nan)
    if len(values) > length:
        out[length:] = values[length:] / values[:-length] - 1.0
    return out


def true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """The bar's range, a gap from the close before included (Wilder 1978); the first is high - low."""
    out = high - low
    if len(out) > 1:
        before = close[:-1]
        out[1:] = np.maximum(out[1:], np.maximum(np.abs(high[1:] - before), np.abs(low[1:] - before)))
    return out


def average_range(high: Floats, low: Floats, close: Floats, length: int) -> Floats:
    """Simple mean of the last `length` true ranges.

    Wilder's own smoothing never forgets, so it is not used here. The first true range of a column knows no close before
    it, so one more value than the window is NaN.
    """
    out = sma(true_range(high, low, close), length)
    out[: min(length, len(out))] = np.nan
    return out


def _over_windows(values: Floats, length: int, reduce: Callable[[Floats], Floats]) -> Floats:
    out = np.full(len(values), np.nan)
    if len(values) >= length:
        out[length - 1 :] = reduce(sliding_window_view(values, length))
    return out
