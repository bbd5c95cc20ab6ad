"""Measures and settings in words, for the command line and for reports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Final

from services.trading.backtest.config import BacktestConfig, Sizing
from services.trading.performance.measures import Measures

LIMITS: Final = (
    "Past prices say little about coming ones, and a setting that was chosen for its past less: see `sightline tune`.",
    "A bar has four prices; the way between them is unknown. Where two ways are possible the dearer one is taken.",
    "A touched limit fills whole: the queue at a price, and what an order itself does to it, are not modelled.",
    "Borrowed shares and borrowed money are free and always to be had; dividends count as far as the prices hold them.",
)
"""What no reader of a result may forget."""


@dataclass(frozen=True, slots=True)
class Told:
    """A measure for people."""

    name: str
    value: str
    meaning: str


def told(measures: Measures) -> list[Told]:
    """Every measure, in the order in which one asks for them."""
    return [Told(name, form(getattr(measures, field)), meaning) for name, field, form, meaning in _TABLE]


def conditions(config: BacktestConfig) -> list[tuple[str, str]]:
    """Capital, sizing and costs."""
    costs = config.costs
    size = (
        f"{float(config.budget) * 100:g} % of the equity for a target of 1"
        if config.sizing is Sizing.FRACTION
        else f"{config.shares} shares for a target of 1"
    )
    slip = f"{costs.slippage_bps.normalize():f} basis points and {costs.slippage_ticks} ticks"
    fees = (
        f"{costs.fee_per_share.normalize():f} dollars a share, {costs.fee_bps.normalize():f} basis points,"
        f" at least {costs.fee_minimum.normalize():f} dollars an order"
    )
    return [
        ("capital", f"{config.capital:,.2f} dollars"),
        ("size", f"{size}, in lots of {config.lot}"),
        ("slippage", slip),
        ("fees", fees),
        ("at the end", "closed" if config.close_at_end else "valued at the last close"),
    ]


def _percent(value: float) -> str:
    return _unless_nan(value, f"{value * 100:,.2f} %")


def _number(value: float) -> str:
    return _unless_nan(value, f"{value:,.2f}")


def _dollars(value: float) -> str:
    return _unless_nan(value, f"{value:,.2f}")


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _unless_nan(value: float, text: str) -> str:
    return "-" if isnan(value) else text


_Row = tuple[str, str, Callable[[float], str], str]
_TABLE: Final[Sequence[_Row]] = (
    ("total return", "total_return", _percent, "last equity over the capital"),
    ("CAGR", "cagr", _percent, "the same, a year"),
    ("volatility", "volatility", _percent, "standard deviation of returns, a year"),
    ("Sharpe ratio", "sharpe", _number, "mean over deviation, a year, over cash without interest"),
    ("Sortino ratio", "sortino", _number, "the same over the deviation of losses"),
    ("Calmar ratio", "calmar", _number, "CAGR over the largest drawdown"),
    ("largest drawdown", "max_drawdown", _percent, "below the best so far"),
    ("longest drawdown", "longest_drawdown", _count, "bars below the best so far"),
    ("time in the market", "exposure_time", _percent, "bars at whose close something was held"),
    ("mean exposure", "mean_exposure", _percent, "positions over equity"),
    ("turnover", "turnover", _number, "times the mean equity, a year, one side"),
    ("fees", "fees", _dollars, "dollars; slippage is in the prices"),
    ("fees over capital", "fees_share", _percent, ""),
    ("closed trades", "trades", _count, ""),
    ("win rate", "win_rate", _percent, "trades that won something"),
    ("profit factor", "profit_factor", _number, "profits over losses"),
    ("expectancy", "expectancy", _dollars, "dollars a trade"),
    ("mean win", "mean_win", _dollars, "dollars"),
    ("mean loss", "mean_loss", _dollars, "dollars"),
    ("longest losing streak", "longest_losing_streak", _count, "trades in a row that did not win"),
)
