"""Whether the best of many strategies is better than a benchmark by more than the search for it explains."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from services.contracts.columns import Floats
from services.trading.tuning.errors import SeriesError

_SHORTEST: Final = 16
_CELLS_AT_ONCE: Final = 4_000_000
_TINY: Final = 1e-300
# Autocovariances are estimates, and their sum can come out near 0 or below.
_LEAST_PART: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Superiority:
    """The test's result: p-values, that is, how often chance alone does as well.

    Attributes:
        lower: As if all strategies that did worse than the benchmark were known to be worse: too easy.
        consistent: Hansen's own.
        upper: As if each of them were as good as the benchmark (White's reality check, studentised): too hard.
    """

    lower: float
    consistent: float
    upper: float


def superior_ability(excess: Floats, *, seed: int, draws: int = 2000, block_bars: float | None = None) -> Superiority:
    """Hansen's test for superior predictive ability, with the stationary bootstrap.

    Hansen (2005), "A Test for Superior Predictive Ability", Journal of Business and Economic Statistics 23(4); the
    bootstrap is Politis and Romano's (1994), with blocks of random length that wrap around.

    Args:
        excess: Configurations x time: returns per bar less those of the benchmark.
        seed: Of the bootstrap.
        draws: How often it draws.
        block_bars: Mean length of a block in bars; the square root of the number of bars if not given.

    Raises:
        SeriesError: Too few bars, or something that is not a number.
    """
    if excess.ndim != 2 or excess.shape[1] < _SHORTEST:  # noqa: PLR2004 -- rows and columns
        raise SeriesError(f"Configurations x at least {_SHORTEST} bars are needed, not the shape {excess.shape}.")
    if not np.isfinite(excess).all():
        raise SeriesError("A return is not a number; a bar without a price has a return of 0.")
    bars = excess.shape[1]
    leave = 1.0 / (block_bars or sqrt(bars))
    # A row that is the benchmark itself has nothing to be tested.
    moving = excess[excess.var(axis=1) > _TINY]
    if not len(moving):
        return Superiority(1.0, 1.0, 1.0)
    mean, deviation = moving.mean(axis=1), np.sqrt(_long_run_variance(moving, leave))
    observed = max(0.0, float((sqrt(bars) * mean / deviation).max()))
    hopeless = mean < -deviation * sqrt(2.0 * log(log(bars)) / bars)
    centres = (np.maximum(mean, 0.0), np.where(hopeless, 0.0, mean), mean)
    reached = np.zeros(len(centres), dtype=np.int64)
    for weights in _bootstrap(bars, leave, draws, np.random.default_rng(seed)):
        drawn = weights @ moving.T / bars
        for place, centre in enumerate(centres):
            statistic = np.maximum(sqrt(bars) * (drawn - centre) / deviation, 0.0).max(axis=1)
            reached[place] += int((statistic >= observed).sum())
    # What was observed is a draw like any other: no number of draws shows that chance never does as well.
    lower, consistent, upper = (float(count + 1) / (draws + 1) for count in reached)
    return Superiority(lower, consistent, upper)


def _long_run_variance(returns: Floats, leave: float) -> Floats:
    """Of the bootstrap's mean, times the number of bars.

    Hansen's sum of weighted autocovariances. Blocks wrap around, so these are circular, which is what the unpadded
    transform gives at once.
    """
    bars = returns.shape[1]
    power = np.abs(np.fft.rfft(returns - returns.mean(axis=1, keepdims=True), axis=1)) ** 2
    circular = np.fft.irfft(power, n=bars, axis=1) / bars
    lags = np.arange(bars)
    weights = 2.0 * (1.0 - lags / bars) * (1.0 - leave) ** lags
    weights[0] = 1.0
    variance: Floats = np.maximum(circular @ weights, _LEAST_PART * circular[:, 0])
    return variance


def _bootstrap(bars: int, leave: float, draws: int, random: np.random.Generator) -> Iterator[npt.NDArray[np.float64]]:
    """How often each bar is drawn, some draws at a time: a mean needs no more than that."""
    at_once = max(1, _CELLS_AT_ONCE // bars)
    places = np.arange(bars)
    for first in range(0, draws, at_once):
        count = min(at_once, draws - first)
        jumps = random.random((count, bars)) < leave
        jumps[:, 0] = True
        starts = random.integers(0, bars, (count, bars))
        last = np.maximum.accumulate(np.where(jumps, places, 0), axis=1)
        drawn = (np.take_along_axis(starts, last, axis=1) + places - last) % bars
        drawn += np.arange(count)[:, None] * bars
        yield np.bincount(drawn.ravel(), minlength=count * bars).reshape(count, bars).astype(np.float64)
