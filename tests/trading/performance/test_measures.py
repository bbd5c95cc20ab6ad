"""Measures: by hand on small numbers, and against a well-kept library on random ones."""

import empyrical
import numpy as np
import pandas as pd
import pytest

from services.contracts.columns import Floats
from services.trading.performance import activity, drawdown, ratios, returns, trades

YEAR = returns.TRADING_DAYS


def random_equity(seed: int, length: int = 900) -> Floats:
    random = np.random.default_rng(seed)
    return 10_000.0 * np.cumprod(np.concatenate(([1.0], 1.0 + random.normal(0.0004, 0.012, length))))


@pytest.mark.parametrize("seed", range(8))
def test_measures_agree_with_empyrical(seed: int) -> None:
    equity = random_equity(seed)
    ours = returns.simple_returns(equity)
    series = pd.Series(ours, index=pd.bdate_range("2015-01-01", periods=len(ours)))

    expected = {
        "total": empyrical.cum_returns_final(series),
        "cagr": empyrical.annual_return(series, annualization=YEAR),
        "volatility": empyrical.annual_volatility(series, annualization=YEAR),
        "sharpe": empyrical.sharpe_ratio(series, annualization=YEAR),
        "sharpe over 1 bp": empyrical.sharpe_ratio(series, risk_free=0.0001, annualization=YEAR),
        "sortino": empyrical.sortino_ratio(series, annualization=YEAR),
        "drawdown": empyrical.max_drawdown(series),
        "calmar": empyrical.calmar_ratio(series, annualization=YEAR),
    }

    found = {
        "total": returns.total_return(equity),
        "cagr": returns.cagr(equity, YEAR),
        "volatility": returns.volatility(ours, YEAR),
        "sharpe": ratios.sharpe(ours, YEAR),
        "sharpe over 1 bp": ratios.sharpe(ours, YEAR, risk_free=0.0001),
        "sortino": ratios.sortino(ours, YEAR),
        "drawdown": drawdown.max_drawdown(equity),
        "calmar": ratios.calmar(equity, YEAR),
    }
    assert found == pytest.approx(expected, rel=1e-9)


def test_growth_by_hand() -> None:
    equity = np.array([100.0, 110.0, 99.0, 121.0])

    assert returns.simple_returns(equity).tolist() == pytest.approx([0.1, -0.1, 121 / 99 - 1])
    assert returns.total_return(equity) == pytest.approx(0.21)
    assert returns.cagr(equity, 6) == pytest.approx(1.21**2 - 1)


def test_an_account_that_lost_all_has_no_returns_after_it() -> None:
    equity = np.array([100.0, -20.0, -10.0, -30.0])

    assert returns.simple_returns(equity).tolist() == pytest.approx([-1.2, 0.0, 0.0])
    assert returns.cagr(equity, YEAR) == -1.0
    assert drawdown.max_drawdown(equity) == pytest.approx(-1.3)


@pytest.mark.parametrize(
    ("equity", "depth", "length"),
    [
        ([100, 101, 102], 0.0, 0),
        ([100, 90, 95, 100, 80, 120], -0.2, 2),
        ([100, 90, 95, 99, 98], -0.1, 4),
        ([100, 200, 150, 201, 200, 199, 198, 202], -0.25, 3),
    ],
)
def test_drawdowns_by_hand(equity: list[float], depth: float, length: int) -> None:
    values = np.array(equity, dtype=float)

    assert (drawdown.max_drawdown(values), drawdown.longest_drawdown(values)) == (pytest.approx(depth), length)


def test_a_ratio_without_risk_has_no_value() -> None:
    steady = np.full(50, 0.001)

    assert np.isnan(ratios.sharpe(steady, YEAR))
    assert np.isnan(ratios.sortino(steady, YEAR))
    assert np.isnan(ratios.calmar(np.cumprod(1 + steady), YEAR))


def test_trades_by_hand() -> None:
    profits = np.array([10.0, -5.0, 0.0, -5.0, 30.0])

    assert trades.win_rate(profits) == pytest.approx(0.4)
    assert trades.profit_factor(profits) == pytest.approx(4.0)
    assert trades.expectancy(profits) == pytest.approx(6.0)
    assert (trades.mean_win(profits), trades.mean_loss(profits)) == (20.0, -5.0)
    assert trades.longest_losing_streak(profits) == 3


@pytest.mark.parametrize(
    "measure", [trades.win_rate, trades.profit_factor, trades.expectancy, trades.mean_win, trades.mean_loss]
)
def test_without_trades_there_is_nothing_to_tell(measure: object) -> None:
    assert np.isnan(measure(np.array([])))  # type: ignore[operator] # each is a function of profits


def test_activity_by_hand() -> None:
    equity = np.array([100.0, 100.0, 200.0, 0.0])
    invested = np.array([0.0, 50.0, 300.0, 10.0])

    assert activity.exposure_time(invested) == 0.75
    assert activity.mean_exposure(invested, equity) == pytest.approx((0 + 0.5 + 1.5) / 3)
    assert activity.turnover(400.0, equity, periods_per_year=2.0) == pytest.approx(200 / 100 / 2)
