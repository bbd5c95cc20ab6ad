"""Mean reversion by Bollinger's bands."""

from collections.abc import Mapping

import numpy as np

from services.contracts.columns import Columns, Panel
from services.contracts.market import Symbol
from services.trading.strategies.indicators import rolling_std, sma
from services.trading.strategies.parameters import Below, Integer, ParameterSpace, Params, Real
from services.trading.strategies.protocol import Decisions, EntryCode, nothing


class BandReversion:
    """Buys far below the average, by a limit order at the close, and sells near the average.

    Idea: a price that is stretched without news snaps back. Fails when the stretch is the news: a falling price goes
    on falling, each day looks cheaper than the one before, and without a stop the loss has no end. Wins often and
    little, loses seldom and much.
    """

    name = "band-reversion"
    version = 1
    title = "mean reversion: Bollinger's bands"
    symbols_needed = 1
    resizes = False
    space = ParameterSpace(
        (
            Integer(name="length", low=5, high=100, default=20),
            Real(name="leave", low=-1.0, high=1.0, default=0.0, step=0.25),
            Real(name="enter", low=0.5, high=4.0, default=2.0, step=0.25),
            Real(name="stop", low=0.0, high=0.5, default=0.1, step=0.01),
        ),
        (Below("leave", "enter"),),
    )

    def warm_up(self, params: Params) -> int:
        return int(params["length"]) - 1

    def decide(self, panel: Panel, params: Params) -> Mapping[Symbol, Decisions]:
        return {symbol: _decide(columns, params) for symbol, columns in panel.items()}


def _decide(columns: Columns, params: Params) -> Decisions:
    out = nothing(len(columns))
    close, length = columns.close, int(params["length"])
    mean, spread = sma(close, length), rolling_std(close, length)
    # Compared without dividing: a price that stands still has no spread, and no band either.
    cheap = (close < mean - float(params["enter"]) * spread) & (spread > 0)
    near = close >= mean - float(params["leave"]) * spread
    out.target[near] = 0.0
    out.target[cheap] = 1.0
    out.entry[cheap] = EntryCode.LIMIT
    out.limit[cheap] = close[cheap]
    if float(params["stop"]) > 0:
        out.stop_loss[cheap] = close[cheap] * (1.0 - float(params["stop"]))
    out.entry[near & ~cheap] = EntryCode.MARKET
    out.target[np.isnan(mean)] = np.nan
    return out
