"""Reward against risk. All are annualised by the number of periods that make a year.

A ratio whose risk is zero has no value: NaN, not an infinity that would rank first.
"""

from typing import Final

import numpy as np

from services.contracts.columns import Floats
from services.trading.performance.drawdown import max_drawdown
from services.trading.performance.returns import cagr

_LEAST: Final = 2
_NONE: Final = float("nan")
# A constant return has a standard deviation of some rounding errors instead of none.
_NOISE: Final = 1e-15


def sharpe(returns: Floats, periods_per_year: float, risk_free: float = 0.0) -> float:
    """`mean(excess) / std(excess) * sqrt(periods_per_year)`, deviation of a sample (Sharpe 1994).

    Args:
        returns: One per period, as shares.
        periods_per_year: 252 for US trading days.
        risk_free: Return of a period, not of a year.
    """
    excess = returns - risk_free
    if len(excess) < _LEAST or excess.std(ddof=1) <= _NOISE:
        return _NONE
    return float(excess.mean() / excess.std(ddof=1) * np.sqrt(periods_per_year))


def sortino(returns: Floats, periods_per_year: float, required: float = 0.0) -> float:
    """`mean(excess) / sqrt(mean(min(excess, 0)^2)) * sqrt(periods_per_year)` (Sortino and Price 1994).

    The downside is measured over all periods, not over the losing ones alone.

    Args:
        returns: One per period, as shares.
        periods_per_year: 252 for US trading days.
        required: The return of a period below which it counts as a loss.
    """
    excess = returns - required
    downside = float(np.sqrt(np.mean(np.minimum(excess, 0.0) ** 2))) if len(excess) else 0.0
    return float(excess.mean() / downside * np.sqrt(periods_per_year)) if downside > _NOISE else _NONE


def calmar(equity: Floats, periods_per_year: float) -> float:
    """`cagr / |max drawdown|` (Young 1991, there over three years; here over all that is given)."""
    depth = -max_drawdown(equity)
    return cagr(equity, periods_per_year) / depth if depth > 0 else _NONE
