"""The measures of a backtest."""

from typing import Final

import numpy as np

from services.contracts.columns import Floats, Ints
from services.trading.backtest.result import BacktestResult
from services.trading.backtest.tape import MICRO, sessions_of
from services.trading.performance.measures import Activity, Measures, measure
from services.trading.performance.returns import TRADING_DAYS

_NS_PER_YEAR: Final = 365.25 * 86_400 * 10**9
_SPARSE: Final = 0.5


def equity_with_start(result: BacktestResult) -> Floats:
    """The money put in, then the equity at each close, in dollars."""
    return np.concatenate(([float(result.config.capital)], result.equity))


def measures_of(result: BacktestResult) -> Measures:
    """Measure a run; a year has as many bars as `bars_per_year` finds."""
    shares, prices, fees = (result.fills[:, column].astype(np.float64) for column in (2, 3, 4))
    done = Activity(
        profits=result.trips.closed.profits,
        invested=result.invested(),
        traded=float((np.abs(shares) * prices).sum()) / MICRO,
        fees=float(fees.sum()) / MICRO,
    )
    return measure(equity_with_start(result), done, bars_per_year(result.time_ns))


def bars_per_year(time_ns: Ints) -> float:
    """252 times the bars of a session, on average; fewer where bars are further apart than sessions, as weekly ones.

    Real years hold 250 to 253 sessions; one number for all makes runs over different years comparable.
    """
    sessions = len(np.unique(sessions_of(time_ns)))
    bars_a_session = len(time_ns) / sessions
    years = float(time_ns[-1] - time_ns[0]) / _NS_PER_YEAR
    seen = (sessions - 1) / years if years > 0 else TRADING_DAYS
    return bars_a_session * (seen if seen < _SPARSE * TRADING_DAYS else TRADING_DAYS)
