"""Growth of an account and how much it varies. Equity is in dollars, returns are shares: 0.01 is one per cent.

Nothing is annualised without being told how many periods make a year: 252 for US trading days.
"""

from typing import Final

import numpy as np

from services.contracts.columns import Floats

TRADING_DAYS: Final = 252
_LEAST: Final = 2


def simple_returns(equity: Floats) -> Floats:
    """`equity[t] / equity[t - 1] - 1`, one shorter than the equity (Bacon 2008, 2.1); 0 once nothing is left."""
    before = equity[:-1]
    growth: Floats = np.divide(equity[1:], before, out=np.ones(len(before)), where=before > 0)
    return growth - 1.0


def total_return(equity: Floats) -> float:
    """`last / first - 1`."""
    return float(equity[-1] / equity[0] - 1.0)


def cagr(equity: Floats, periods_per_year: float) -> float:
    """Compound annual growth rate: `(last / first) ^ (periods_per_year / periods) - 1`.

    -1 for an account that lost all, or more; NaN for fewer than two values.
    """
    periods = len(equity) - 1
    if periods < 1:
        return float("nan")
    growth = float(equity[-1] / equity[0])
    return growth ** (periods_per_year / periods) - 1.0 if growth > 0 else -1.0


def volatility(returns: Floats, periods_per_year: float) -> float:
    """Standard deviation of a sample (by n - 1), times the square root of the periods in a year (Bacon 2008)."""
    if len(returns) < _LEAST:
        return float("nan")
    return float(returns.std(ddof=1) * np.sqrt(periods_per_year))
