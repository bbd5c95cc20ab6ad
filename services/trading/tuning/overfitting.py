"""The probability of backtest overfitting: how often what was best in one half of the time is poor in the other."""

from dataclasses import dataclass
from itertools import combinations, islice
from math import comb
from typing import Final

import numpy as np

from services.contracts.columns import Floats
from services.trading.tuning.errors import SeriesError

_FEWEST: Final = 2
_AT_ONCE: Final = 512
_TINY: Final = 1e-300


@dataclass(frozen=True, slots=True)
class Overfitting:
    """What the combinatorial comparison found.

    Attributes:
        probability: That the best of one half ranks at or below the median in the other; 0 to 1.
        loss_probability: That the best of one half loses money in the other; 0 to 1.
        halves: How many ways of halving the time were compared.
        purge, embargo: Bars that were left out where one half follows on the other.
    """

    probability: float
    loss_probability: float
    halves: int
    purge: int = 0
    embargo: int = 0


def overfitting(returns: Floats, *, blocks: int = 16, purge: int = 0, embargo: int = 0) -> Overfitting:
    """The probability of backtest overfitting by combinatorially symmetric cross-validation, with Sharpe ratios.

    The bars are cut into `blocks` equal parts. For each choice of half of them, the configuration with the best Sharpe
    ratio is looked up in the other half: its relative rank there is w = rank / (N + 1), and the probability is the
    share of choices with ln(w / (1 - w)) <= 0. Bailey, Borwein, Lopez de Prado and Zhu (2015), "The Probability of
    Backtest Overfitting", Journal of Computational Finance 20(4).

    Args:
        returns: Configurations x time. Bars that are left over by the division are dropped at the beginning.
        blocks: An even number; 16 give 12,870 halves.
        purge: Bars left out of what is learned from where the other half follows: their decisions reach into it.
        embargo: Bars left out where the other half lies before. Both are cut to a quarter of a block. Lopez de Prado
            (2018), "Advances in Financial Machine Learning", chapters 7 and 12.

    Raises:
        SeriesError: The matrix is transposed or too small, or holds something that is not a number.
    """
    _check(returns, blocks)
    count, bars = returns.shape
    length = bars // blocks
    parts = returns[:, bars - length * blocks :].reshape(count, blocks, length)
    purge, embargo = min(purge, length // 4), min(embargo, length // 4)
    whole, tails, heads = (_moments(each) for each in (parts, parts[:, :, length - purge :], parts[:, :, :embargo]))
    below = losses = 0
    half = length * blocks // 2
    choices = combinations(range(blocks), blocks // 2)
    while chosen := list(islice(choices, _AT_ONCE)):
        inside = np.zeros((len(chosen), blocks))
        np.put_along_axis(inside, np.array(chosen), 1.0, axis=1)
        outside = 1.0 - inside
        before, after = inside[:, :-1] * outside[:, 1:], inside[:, 1:] * outside[:, :-1]
        sums, squares = (
            inside @ all_of - before @ last[:-1] - after @ first[1:]
            for all_of, last, first in zip(whole, tails, heads, strict=True)
        )
        bars_learned = half - purge * before.sum(axis=1) - embargo * after.sum(axis=1)
        best = np.argmax(_sharpes(sums, squares, bars_learned[:, None]), axis=1)[:, None]
        total, squares = (outside @ each for each in whole)
        others = _sharpes(total, squares, half)
        own = np.take_along_axis(others, best, axis=1)
        # Ranks from 1, the mean of those that tie. At or below the middle is what counts as overfitted.
        rank = (others < own).sum(axis=1) + ((others == own).sum(axis=1) + 1) / 2
        below += int((rank / (count + 1) <= 0.5).sum())  # noqa: PLR2004 -- the median
        losses += int((np.take_along_axis(total, best, axis=1) < 0).sum())
    halves = comb(blocks, blocks // 2)
    return Overfitting(below / halves, losses / halves, halves, purge, embargo)


def different(returns: Floats, *, alike: float = 0.9) -> Floats:
    """The rows that are configurations of their own: of those that go together, only the first.

    A search that closes in on a good region tries hundreds of settings there that hold nearly the same positions. The
    rank among them is chance, whatever the region is worth, so the comparison above would call every such search
    overfitted. The first row is always kept.

    Args:
        returns: Configurations x time.
        alike: Rows whose correlation is above this are one configuration.
    """
    spread = returns.std(axis=1, keepdims=True)
    scaled = np.where(spread > _TINY, (returns - returns.mean(axis=1, keepdims=True)) / np.maximum(spread, _TINY), 0.0)
    together = scaled @ scaled.T / returns.shape[1] > alike
    # Those that never trade go together too.
    still = spread[:, 0] <= _TINY
    together |= np.outer(still, still)
    kept: list[int] = []
    for row in range(len(returns)):
        if not together[row, kept].any():
            kept.append(row)
    return returns[kept]


def _check(returns: Floats, blocks: int) -> None:
    if blocks < _FEWEST or blocks % 2:
        raise SeriesError(f"The time is cut into an even number of blocks, not into {blocks}.")
    if returns.ndim != 2:  # noqa: PLR2004 -- rows and columns
        raise SeriesError(f"A matrix of configurations x time is needed, not the shape {returns.shape}.")
    count, bars = returns.shape
    if count > bars:
        raise SeriesError(
            f"{count:,} configurations over {bars:,} bars: the matrix looks transposed, it is configurations x time. "
            "If it is not, give fewer configurations than there are bars."
        )
    if count < _FEWEST:
        raise SeriesError("Two configurations at the least are compared; with one there was no choice to overfit.")
    if bars < _FEWEST * blocks:
        raise SeriesError(f"{bars:,} bars are too few for {blocks} blocks; {_FEWEST * blocks} are the least.")
    if not np.isfinite(returns).all():
        raise SeriesError("A return is not a number; a bar without a price has a return of 0.")


def _moments(parts: Floats) -> tuple[Floats, Floats]:
    """Sums of returns and of their squares, blocks x configurations."""
    return parts.sum(axis=2).T, (parts**2).sum(axis=2).T


def _sharpes(sums: Floats, squares: Floats, bars: int | Floats) -> Floats:
    mean = sums / bars
    variance = np.maximum(squares / bars - mean**2, 0.0)
    # Who never trades has neither return nor spread, and a Sharpe ratio of 0.
    return np.where(variance > _TINY, mean / np.sqrt(np.maximum(variance, _TINY)), 0.0)
