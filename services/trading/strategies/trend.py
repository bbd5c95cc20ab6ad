"""Trend following by two moving averages."""

from collections.abc import Mapping

import numpy as np

from services.contracts.columns import Columns, Panel
from services.contracts.market import Symbol
from services.trading.strategies.indicators import sma
from services.trading.strategies.parameters import Below, Choice, Integer, ParameterSpace, Params, Real
from services.trading.strategies.protocol import Decisions, nothing


class SmaCross:
    """Buys when the fast average rises above the slow one, and leaves, or sells short, when it falls below.

    Idea: prices that have begun to move tend to go on for a while. Fails in markets that go sideways, where each
    crossing is bought high and sold low, and gives back a good part of a trend before it notices the end. Gaps and
    fast reversals hurt most; a stop limits one loss, not the number of losses.
    """

    name = "sma-cross"
    version = 1
    title = "trend: two moving averages"
    symbols_needed = 1
    resizes = False
    space = ParameterSpace(
        (
            Integer(name="fast", low=2, high=100, default=20),
            Integer(name="slow", low=5, high=300, default=50),
            Choice(name="side", options=("long", "both"), default="long"),
            Real(name="stop", low=0.0, high=0.5, default=0.0, step=0.01),
            Real(name="target", low=0.0, high=2.0, default=0.0, step=0.05),
        ),
        (Below("fast", "slow"),),
    )

    def warm_up(self, params: Params) -> int:
        return int(params["slow"])

    def decide(self, panel: Panel, params: Params) -> Mapping[Symbol, Decisions]:
        return {symbol: _decide(columns, params) for symbol, columns in panel.items()}


def _decide(columns: Columns, params: Params) -> Decisions:
    out = nothing(len(columns))
    close = columns.close
    fast, slow = sma(close, int(params["fast"])), sma(close, int(params["slow"]))
    above, below = fast > slow, fast < slow
    crossed_up, crossed_down = np.zeros(len(close), dtype=bool), np.zeros(len(close), dtype=bool)
    crossed_up[1:] = above[1:] & below[:-1]
    crossed_down[1:] = below[1:] & above[:-1]
    out.target[crossed_up] = 1.0
    out.target[crossed_down] = -1.0 if params["side"] == "both" else 0.0
    stop, target = float(params["stop"]), float(params["target"])
    sign = np.where(crossed_up, 1.0, np.where(crossed_down & (params["side"] == "both"), -1.0, np.nan))
    if stop > 0:
        out.stop_loss[:] = close * (1.0 - sign * stop)
    if target > 0:
        out.take_profit[:] = close * (1.0 + sign * target)
    return out
