"""Whether both tiers agree: what a setting has to show before it is tried with money."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from services.contracts.columns import Panel
from services.contracts.market import tick_at
from services.trading.backtest.config import BacktestConfig
from services.trading.backtest.fast import run
from services.trading.backtest.reference import run_reference
from services.trading.backtest.result import BacktestResult, Fill
from services.trading.strategies.parameters import Params
from services.trading.strategies.protocol import Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The fast backtest beside the reference.

    Attributes:
        fast_trades, reference_trades: Round trips of each, open ones included.
        largest_ticks: The largest distance between prices of a fill, in ticks.
        largest_equity: The largest distance between equities at one close, in dollars.
        problem: The first difference in words; "" if there is none.
    """

    fast_trades: int
    reference_trades: int
    largest_ticks: Decimal
    largest_equity: float
    problem: str

    @property
    def agrees(self) -> bool:
        """The same trades, each fill within a tick."""
        return not self.problem


def compare(strategy: Strategy, panel: Panel, params: Params, config: BacktestConfig) -> Parity:
    """Run both tiers and compare them. Raises what they raise; the reference takes 10 to 40 us a bar."""
    return compare_results(run(strategy, panel, params, config), run_reference(strategy, panel, params, config))


def compare_results(fast: BacktestResult, reference: BacktestResult) -> Parity:
    """Compare two runs over the same bars."""
    ours, theirs = list(fast.each_fill()), list(reference.each_fill())
    problem = ""
    largest = Decimal(0)
    for one, other in zip(ours, theirs, strict=False):
        distance = abs(one.price - other.price) / tick_at(other.price)
        largest = max(largest, distance)
        if not problem and (_what(one) != _what(other) or distance > 1):
            problem = f"fast: {_words(one)}; reference: {_words(other)}"
    if not problem and len(ours) != len(theirs):
        more, name = (ours, "fast") if len(ours) > len(theirs) else (theirs, "reference")
        problem = f"{name} alone: {_words(more[min(len(ours), len(theirs))])}"
    return Parity(
        fast_trades=len(fast.trips),
        reference_trades=len(reference.trips),
        largest_ticks=largest,
        largest_equity=float(np.abs(fast.equity - reference.equity).max()),
        problem=problem,
    )


def _what(fill: Fill) -> tuple[object, ...]:
    return fill.bar, fill.symbol, fill.shares, fill.reason


def _words(fill: Fill) -> str:
    what = f"{fill.symbol} {fill.shares:+} at {fill.price}, {fill.reason.name.lower()}"
    return f"bar {fill.bar} ({fill.at:%Y-%m-%d}), {what}"
