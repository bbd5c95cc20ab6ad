"""Cutting the time so that what is measured was not learned from.

Bars are numbered along one time axis. A *label* is what is learned at a bar; its horizon is the last bar whose prices
are in it. Learning from a bar whose label reaches into the test would be looking ahead: such bars are purged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Final

import numpy as np

from services.contracts.columns import Ints
from services.trading.tuning.errors import SplitError, TooFewBarsError

_MOST_COMBINATIONS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Fold:
    """One step of a walk forward: bars to learn from, then bars to be measured on."""

    train: slice
    test: slice


@dataclass(frozen=True, slots=True)
class Split:
    """Numbers of the bars to learn from and of those to be measured on, ascending."""

    train: Ints
    test: Ints


def hold_out(bars: int, share: float) -> tuple[slice, slice]:
    """The bars to work with, and those at the end that are kept back until everything is decided.

    Args:
        bars: How many there are.
        share: Of the bars kept back, from 0 up to a half.

    Raises:
        SplitError: The share is out of its range.
    """
    if not 0.0 <= share <= 0.5:  # noqa: PLR2004 -- more held back than worked with
        raise SplitError(f"Between 0 and a half of the bars is kept back, not {share:g}.")
    end = bars - round(bars * share)
    return slice(0, end), slice(end, bars)


def walk_forward(  # noqa: PLR0913 -- each is a choice of its own
    bars: int, folds: int, *, start: int = 0, anchored: bool = True, gap: int = 0, least: int = 20
) -> list[Fold]:
    """Equal tests one after another, each learned for from the bars before it.

    The bars are cut into `folds + 1` equal parts; the first is only learned from, and longer by what the division
    leaves over.

    Args:
        bars: How many there are.
        folds: How many tests.
        start: The first bar that may be learned from, after the warm-up.
        anchored: Each fold learns from the beginning on; otherwise from as many bars as the first one.
        gap: Bars left out between learning and test: at least the labels' horizon, and an embargo if wanted.
        least: Bars that a test must have, and that must be left to learn from.

    Raises:
        SplitError: No fold, or a number below 0.
        TooFewBarsError: A test or the first training is shorter than `least`.
    """
    if folds < 1 or min(start, gap) < 0 or least < 1:
        raise SplitError("A walk forward has one fold or more, and neither a start nor a gap below 0.")
    length = (bars - start - gap) // (folds + 1)
    if length < least:
        raise TooFewBarsError(
            f"{bars:,} bars are too few for {folds} folds of at least {least} bars after a warm-up of {start} and a "
            f"gap of {gap}: give at least {start + gap + (folds + 1) * least:,} bars, or fewer folds."
        )
    first = bars - folds * length
    made = []
    for number in range(folds):
        test = slice(first + number * length, first + (number + 1) * length)
        begin = start if anchored else start + number * length
        made.append(Fold(slice(begin, test.start - gap), test))
    return made


def purged_k_fold(ends: Ints, folds: int, *, embargo: int = 0) -> list[Split]:
    """K folds, each tested once, with purging and embargo.

    Lopez de Prado (2018), "Advances in Financial Machine Learning", chapter 7.

    Args:
        ends: For each bar, the last bar whose prices are in its label; never before the bar itself.
        folds: How many.
        embargo: Bars after a test, counted from the end of its labels, that are not learned from either.

    Raises:
        SplitError: Fewer than two folds, an embargo below 0, or a label that ends before its bar.
        TooFewBarsError: A fold would be empty, or nothing would be left to learn from.
    """
    return combinatorial_purged(ends, folds, 1, embargo=embargo)


def combinatorial_purged(ends: Ints, groups: int, tested: int, *, embargo: int = 0) -> list[Split]:
    """All ways of testing on `tested` of `groups` parts of the time and learning from the others, purged.

    Lopez de Prado (2018), chapter 12. Each bar is tested in `comb(groups - 1, tested - 1)` of the splits.

    Args:
        ends: As for `purged_k_fold`.
        groups: Into how many parts the bars are cut, as equal as can be.
        tested: How many of them make up one test.
        embargo: As for `purged_k_fold`.

    Raises:
        SplitError: Not 1 <= tested < groups, more than 20,000 splits, an embargo below 0, or labels that are not right.
        TooFewBarsError: A part would be empty, or nothing would be left to learn from.
    """
    _check_labels(ends, embargo)
    bars = len(ends)
    if not 1 <= tested < groups:
        raise SplitError(f"At least one part and not all of them are tested: {tested} of {groups} cannot be.")
    if comb(groups, tested) > _MOST_COMBINATIONS:
        raise SplitError(f"{tested} of {groups} parts give {comb(groups, tested):,} splits; take fewer parts.")
    if bars < groups:
        raise TooFewBarsError(f"{bars} bars cannot be cut into {groups} parts; give more bars, or fewer parts.")
    edges = [bars * number // groups for number in range(groups + 1)]
    splits = []
    for chosen in combinations(range(groups), tested):
        parts = [(edges[number], edges[number + 1]) for number in chosen]
        train = _purged(ends, parts, embargo)
        if not len(train):
            raise TooFewBarsError("Purging and embargo leave nothing to learn from; give more bars, or fewer parts.")
        splits.append(Split(train, np.concatenate([np.arange(begin, end) for begin, end in parts])))
    return splits


def _purged(ends: Ints, parts: Sequence[tuple[int, int]], embargo: int) -> Ints:
    bars = np.arange(len(ends))
    kept = np.ones(len(ends), dtype=bool)
    for begin, end in parts:
        last = int(ends[begin:end].max())
        # Two labels share prices if each begins no later than the other ends.
        kept &= ~((bars <= last + embargo) & (ends >= begin))
    return bars[kept]


def _check_labels(ends: Ints, embargo: int) -> None:
    if embargo < 0:
        raise SplitError(f"An embargo of {embargo} bars cannot be.")
    if (ends < np.arange(len(ends))).any():
        raise SplitError("A label ends before its own bar.")
