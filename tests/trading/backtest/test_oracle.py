"""Both tiers against backtesting.py on real prices: the same trades and the same equity."""

import warnings
from decimal import Decimal

import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for an optional progress bar, and speaks of its plots
    import backtesting
    from backtesting.test import GOOG

from services.contracts.bars import decimal_of
from services.contracts.columns import Columns, Panel
from services.contracts.market import Symbol
from services.matching.costs import Costs
from services.trading.backtest.config import BacktestConfig, Sizing
from services.trading.backtest.fast import run
from services.trading.backtest.reference import run_reference
from services.trading.backtest.result import BacktestResult
from services.trading.strategies.indicators import sma
from services.trading.strategies.registry import find

SHARES = 100
CONFIG = BacktestConfig(capital=Decimal(1_000_000), costs=Costs(), sizing=Sizing.SHARES, shares=SHARES)
Row = tuple[int, float, int, float]


def google() -> Panel:
    prices = (GOOG[name].to_numpy(dtype=float) for name in ("Open", "High", "Low", "Close", "Volume"))
    return {Symbol("GOOG"): Columns(GOOG.index.to_numpy().astype("datetime64[ns]").astype(np.int64), *prices)}


def theirs(stop: float, target: float) -> tuple[list[Row], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Trades (bars and prices of entry and exit) and equity of the same rules, written for backtesting.py."""

    class Crossing(backtesting.Strategy):  # type: ignore[misc] # the package ships no types
        def init(self) -> None:
            close = self.data.Close
            self.fast = self.I(sma, close, 20)
            self.slow = self.I(sma, close, 50)

        def next(self) -> None:
            above = self.fast[-1] > self.slow[-1] and self.fast[-2] < self.slow[-2]
            below = self.fast[-1] < self.slow[-1] and self.fast[-2] > self.slow[-2]
            close = float(self.data.Close[-1])
            if above and not self.position:
                self.buy(
                    size=SHARES,
                    sl=float(decimal_of(close * (1.0 - stop))) if stop else None,
                    tp=float(decimal_of(close * (1.0 + target))) if target else None,
                )
            elif below:
                self.position.close()

    runner = backtesting.Backtest(GOOG, Crossing, cash=1_000_000, commission=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a trade is open at the end, and not listed
        stats = runner.run()
    trades = stats["_trades"].sort_values("EntryBar")
    columns = ("EntryBar", "EntryPrice", "ExitBar", "ExitPrice")
    rows = [
        (int(a), round(float(b), 6), int(c), round(float(d), 6))
        for a, b, c, d in zip(*(trades[name] for name in columns), strict=True)
    ]
    return rows, stats["_equity_curve"]["Equity"].to_numpy(dtype=float)


def ours(result: BacktestResult) -> list[Row]:
    return [
        (trip.entered_bar, float(trip.entry_price), trip.left_bar, float(trip.exit_price))
        for trip in result.each_trip()
        if not trip.open
    ]


@pytest.mark.parametrize(
    ("stop", "target", "trades"), [(0.0, 0.0, 20), (0.05, 0.1, 20), (0.05, 0.0, 20), (0.0, 0.1, 20)]
)
def test_google_by_two_averages_trades_as_it_does_there(stop: float, target: float, trades: int) -> None:
    strategy, panel = find("sma-cross"), google()
    params = strategy.space.check({"fast": 20, "slow": 50, "stop": stop, "target": target})
    expected, equity = theirs(stop, target)

    fast, reference = run(strategy, panel, params, CONFIG), run_reference(strategy, panel, params, CONFIG)

    assert len(fast.trips) == trades  # one may be open
    assert ours(fast) == expected
    assert ours(reference) == expected
    assert np.abs(fast.equity - equity).max() < 1e-6
    assert np.abs(reference.equity - equity).max() < 1e-6
