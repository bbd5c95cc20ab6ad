"""Made-up prices for tests of strategies and backtests."""

import numpy as np

from services.contracts.columns import Columns, Floats, Panel
from services.contracts.market import Symbol

DAY_NS = 86_400 * 10**9
FIRST_NS = 1_262_304_000 * 10**9  # 2010-01-01


def random_columns(length: int, seed: int, *, start: float = 100.0, volatility: float = 0.02) -> Columns:
    """A random walk with gaps and ranges, on consecutive days."""
    random = np.random.default_rng(seed)
    close = start * np.exp(np.cumsum(random.normal(0.0, volatility, length)))
    before = np.concatenate(([start], close[:-1]))
    opened = before * np.exp(random.normal(0.0, volatility / 3, length))
    high = np.maximum(opened, close) * (1.0 + np.abs(random.normal(0.0, volatility / 2, length)))
    low = np.minimum(opened, close) * (1.0 - np.minimum(0.9, np.abs(random.normal(0.0, volatility / 2, length))))
    return of_prices(opened, high, low, close)


def of_prices(opened: Floats, high: Floats, low: Floats, close: Floats) -> Columns:
    """Daily bars of these prices, to the cent."""
    length = len(close)
    time_ns = FIRST_NS + DAY_NS * np.arange(length, dtype=np.int64)
    prices = [np.round(each, 2) for each in (opened, high, low, close)]
    return Columns(time_ns, *prices, volume=np.full(length, 1_000_000.0))


def random_panel(length: int, seed: int, symbols: int = 3) -> Panel:
    """Several random walks on one time axis."""
    return {Symbol(name): random_columns(length, seed + place) for place, name in enumerate("ABCDEFG"[:symbols])}


def changed_after(columns: Columns, place: int, seed: int) -> Columns:
    """The same bars up to and with `place`, and other ones after it."""
    other = random_columns(len(columns), seed + 10_000, start=float(columns.close[place]))

    def joined(kept: Floats, new: Floats) -> Floats:
        return np.concatenate((kept[: place + 1], new[place + 1 :]))

    return Columns(
        columns.time_ns,
        joined(columns.open, other.open),
        joined(columns.high, other.high),
        joined(columns.low, other.low),
        joined(columns.close, other.close),
        joined(columns.volume, other.volume),
    )
