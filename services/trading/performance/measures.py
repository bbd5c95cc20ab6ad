"""All measures of a run in one."""

from dataclasses import dataclass

from services.contracts.columns import Floats
from services.trading.performance import activity, drawdown, ratios, returns, trades


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a run did, as far as its equity does not tell.

    Attributes:
        profits: Of each closed trade in the order of their ends, in dollars, fees taken off.
        invested: At each close, worth of all positions without regard to their sign, in dollars.
        traded: All buying and selling, in dollars.
        fees: In dollars.
    """

    profits: Floats
    invested: Floats
    traded: float
    fees: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Each is explained at the function of its name. NaN: there is nothing to tell it from.

    Attributes:
        longest_drawdown: In periods.
        fees: In dollars.
        fees_share: Fees as a share of what was put in at the start.
        expectancy, mean_win, mean_loss: In dollars a trade.
        trades: Closed ones.
    """

    total_return: float
    cagr: float
    volatility: float
    sharpe: float
    sortino: float
    calmar: float
    max_drawdown: float
    longest_drawdown: int
    exposure_time: float
    mean_exposure: float
    turnover: float
    fees: float
    fees_share: float
    trades: int
    win_rate: float
    profit_factor: float
    expectancy: float
    mean_win: float
    mean_loss: float
    longest_losing_streak: int


def measure(equity: Floats, done: Activity, periods_per_year: float) -> Measures:
    """Measure a run.

    Args:
        equity: In dollars; the money put in comes first, then the account at each close.
        done: What else there is to know.
        periods_per_year: 252 for US trading days.
    """
    rates, profits = returns.simple_returns(equity), done.profits
    return Measures(
        total_return=returns.total_return(equity),
        cagr=returns.cagr(equity, periods_per_year),
        volatility=returns.volatility(rates, periods_per_year),
        sharpe=ratios.sharpe(rates, periods_per_year),
        sortino=ratios.sortino(rates, periods_per_year),
        calmar=ratios.calmar(equity, periods_per_year),
        max_drawdown=drawdown.max_drawdown(equity),
        longest_drawdown=drawdown.longest_drawdown(equity),
        exposure_time=activity.exposure_time(done.invested),
        mean_exposure=activity.mean_exposure(done.invested, equity[1:]),
        turnover=activity.turnover(done.traded, equity[1:], periods_per_year),
        fees=done.fees,
        fees_share=done.fees / float(equity[0]),
        trades=len(profits),
        win_rate=trades.win_rate(profits),
        profit_factor=trades.profit_factor(profits),
        expectancy=trades.expectancy(profits),
        mean_win=trades.mean_win(profits),
        mean_loss=trades.mean_loss(profits),
        longest_losing_streak=trades.longest_losing_streak(profits),
    )
