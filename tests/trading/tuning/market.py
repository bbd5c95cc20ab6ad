"""A strategy that is quickly evaluated, on made-up markets with and without something to be found."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from services.contracts.columns import Floats
from services.trading.strategies.parameters import Below, Integer, ParameterSpace, Params, Real
from services.trading.tuning.subject import Evaluation, Subject

COST = 0.0005
SPACE = ParameterSpace(
    (
        Integer(name="fast", low=2, high=30, default=5),
        Integer(name="slow", low=4, high=60, default=20),
        Real(name="band", low=0.0, high=0.01, default=0.0, step=0.001),
    ),
    (Below("fast", "slow"),),
)
SMALL_SPACE = ParameterSpace(
    (Integer(name="fast", low=2, high=4, default=3), Integer(name="slow", low=3, high=6, default=5)),
    (Below("fast", "slow"),),
)


@dataclass
class TrendOnReturns:
    """Long while the fast mean of the market's returns is above the slow one by a band, else flat."""

    market: Floats
    cost: float = COST
    ran: list[tuple[Params, slice]] = field(default_factory=list)

    def __call__(self, settings: Sequence[Params], span: slice) -> Sequence[Evaluation]:
        return [self._one(setting, span) for setting in settings]

    def _one(self, setting: Params, span: slice) -> Evaluation:
        self.ran.append((setting, span))
        known = self.market[: span.stop]
        summed = np.concatenate(([0.0], np.cumsum(known)))
        fast, slow = (_mean(summed, int(setting[name])) for name in ("fast", "slow"))
        long = np.where(np.isnan(slow), False, fast - slow > float(setting.get("band", 0.0)) / 10)
        held = np.concatenate(([0.0], long[:-1].astype(float)))
        changes = np.abs(np.diff(held, prepend=0.0))
        returns = held * known - changes * self.cost
        return Evaluation(returns[span.start :], int(changes[span.start :].sum() // 2))


def noise(bars: int, seed: int) -> Floats:
    """Returns that nothing foretells."""
    return np.random.default_rng(seed).normal(0.0, 0.01, bars)


def planted(bars: int, seed: int, drift: float = 0.005) -> Floats:
    """Returns that drift up and down in turns of 60 to 140 bars: what trend following lives on."""
    random = np.random.default_rng(seed)
    turns = random.integers(60, 140, bars // 60 + 1)
    signs = np.where(np.arange(len(turns)) % 2, -1.0, 1.0)
    return drift * np.repeat(signs, turns)[:bars] + random.normal(0.0, 0.01, bars)


def subject(market: Floats, *, space: ParameterSpace = SPACE, data: str = "MADE 1d", **changed: object) -> Subject:
    """The strategy on a market."""
    given = {
        "strategy": "returns-trend",
        "version": 1,
        "space": space,
        "data": data,
        "digest": sha256(market.tobytes()).hexdigest(),
        "bars": len(market),
        "warm_up": 60,
        "bars_per_year": 252.0,
        "evaluate": TrendOnReturns(market),
        "evaluate_dear": TrendOnReturns(market, cost=2 * COST),
    }
    return Subject(**{**given, **changed})  # type: ignore[arg-type]


def _mean(summed: Floats, length: int) -> Floats:
    out = np.full(len(summed) - 1, np.nan)
    out[length - 1 :] = (summed[length:] - summed[:-length]) / length
    return out
