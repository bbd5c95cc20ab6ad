"""Breakout from a channel, with a stop and a target measured in the market's own range."""

from collections.abc import Mapping

import numpy as np

from services.contracts.columns import Columns, Panel
from services.contracts.market import Symbol
from services.trading.strategies.indicators import average_range, highest
from services.trading.strategies.parameters import Integer, ParameterSpace, Params, Real
from services.trading.strategies.protocol import Decisions, EntryCode, nothing


class ChannelBreakout:
    """Buys, by a stop order, when the price rises above the highest of the last days; leaves by stop or target alone.

    Idea: a new high after a quiet time means that somebody knows more. Fails on false breakouts, where the stop order
    buys the day's high and the protective stop sells its low; most trades lose, and a few large ones must pay for them,
    so leaving those few out, or a target that is too near, leaves nothing.
    """

    name = "channel-breakout"
    version = 1
    title = "breakout: channel high, stop and target by average range"
    symbols_needed = 1
    resizes = False
    space = ParameterSpace(
        (
            Integer(name="channel", low=5, high=120, default=20),
            Integer(name="range", low=5, high=60, default=14),
            Real(name="risk", low=0.5, high=6.0, default=2.0, step=0.5),
            Real(name="reward", low=1.0, high=12.0, default=6.0, step=0.5),
        )
    )

    def warm_up(self, params: Params) -> int:
        return max(int(params["channel"]) - 1, int(params["range"]))

    def decide(self, panel: Panel, params: Params) -> Mapping[Symbol, Decisions]:
        return {symbol: _decide(columns, params) for symbol, columns in panel.items()}


def _decide(columns: Columns, params: Params) -> Decisions:
    out = nothing(len(columns))
    level = highest(columns.high, int(params["channel"]))
    width = average_range(columns.high, columns.low, columns.close, int(params["range"]))
    # Every bar anew: the order works for one session, and is not sent again while its position is held.
    set_up = ~np.isnan(level) & (width > 0)
    out.target[set_up] = 1.0
    out.entry[set_up] = EntryCode.STOP
    out.stop[set_up] = level[set_up]
    out.stop_loss[set_up] = (level - float(params["risk"]) * width)[set_up]
    out.take_profit[set_up] = (level + float(params["reward"]) * width)[set_up]
    # A stop at or below nothing protects nothing.
    hopeless = set_up & ~(out.stop_loss > 0)
    out.target[hopeless] = np.nan
    return out
