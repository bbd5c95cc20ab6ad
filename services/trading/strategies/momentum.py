"""Momentum across several symbols."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from services.contracts.columns import Ints, Panel
from services.contracts.market import Symbol
from services.trading.strategies.indicators import rate_of_change
from services.trading.strategies.parameters import Below, Choice, Integer, ParameterSpace, Params
from services.trading.strategies.protocol import Decisions, nothing

_DAY_NS = 86_400 * 10**9
# The Unix epoch was a Thursday; weeks begin on Mondays.
_DAYS_TO_MONDAY = 3


class RelativeMomentum:
    """Holds the symbols that rose most over the last months, in equal parts, and looks again each week or month.

    Idea: what has risen more than its peers tends to go on doing so for some months (Jegadeesh and Titman 1993); the
    last days are left out, since they tend to revert. Fails at turning points: after a crash the losers rebound first
    and the winners are what was sold last. With few symbols it is little more than a bet on one of them.
    """

    name = "relative-momentum"
    version = 1
    title = "momentum across symbols"
    symbols_needed = 2
    resizes = True
    space = ParameterSpace(
        (
            Integer(name="skip", low=0, high=21, default=5),
            Integer(name="lookback", low=20, high=252, default=126),
            Integer(name="hold", low=1, high=10, default=2),
            Choice(name="every", options=("week", "month"), default="month"),
            Choice(name="only", options=("rising", "any"), default="rising"),
        ),
        (Below("skip", "lookback"),),
    )

    def warm_up(self, params: Params) -> int:
        return int(params["lookback"]) + 1

    def decide(self, panel: Panel, params: Params) -> Mapping[Symbol, Decisions]:
        symbols = sorted(panel)
        if not symbols:
            return {}
        scores = np.vstack([_score(panel[symbol].close, params) for symbol in symbols])
        looks = _first_of_period(panel[symbols[0]].time_ns, str(params["every"]))
        looks[: self.warm_up(params)] = False
        decided = {symbol: nothing(len(panel[symbol])) for symbol in symbols}
        weights = _weights(scores[:, looks], int(params["hold"]), rising=params["only"] == "rising")
        for row, symbol in enumerate(symbols):
            decided[symbol].target[looks] = weights[row]
        return decided


def _score(close: npt.NDArray[np.float64], params: Params) -> npt.NDArray[np.float64]:
    skip, lookback = int(params["skip"]), int(params["lookback"])
    change = rate_of_change(close, lookback - skip)
    out = np.full(len(close), np.nan)
    out[skip:] = change[: len(close) - skip]
    return out


def _first_of_period(time_ns: Ints, every: str) -> npt.NDArray[np.bool_]:
    """Whether a bar is the first of its week or month, as far as the bar before tells."""
    days = time_ns // _DAY_NS
    period = (
        (days + _DAYS_TO_MONDAY) // 7
        if every == "week"
        else time_ns.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    )
    out = np.zeros(len(time_ns), dtype=bool)
    out[1:] = period[1:] != period[:-1]
    return out


def _weights(scores: npt.NDArray[np.float64], hold: int, *, rising: bool) -> npt.NDArray[np.float64]:
    """Equal parts for the best `hold` symbols of each column; a symbol without a score, or falling, gets none."""
    known = np.where(np.isnan(scores), -np.inf, scores)
    if rising:
        known = np.where(known > 0, known, -np.inf)
    # Stable, so that symbols of equal score keep their order by name.
    order = np.argsort(-known, axis=0, kind="stable")
    weights = np.zeros_like(known)
    for place in range(min(hold, len(known))):
        chosen = order[place]
        columns = np.arange(known.shape[1])
        weights[chosen, columns] = np.where(np.isneginf(known[chosen, columns]), 0.0, 1.0 / hold)
    return weights
