"""Since when something has been out of the ordinary: the change point of the series.

The split of the series into two parts of which each is most like itself: least squares over ranks, with one change
(Truong, Oudre and Vayatis, "Selective review of offline change point detection methods", 2020). A test holds it
against ruptures' KernelCPD with a linear kernel.
"""

import statistics
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.agents.signals.sources import Sample

_LEAST_SAMPLES: Final = 8
_LEAST_PART: Final = 2
_LEAST_MOVE: Final = 1.5  # spreads of the earlier part that the mean must have moved


def onset(samples: Sequence[Sample]) -> float | None:
    """Unix time of the first sample after the series' one greatest change; None when nothing changed enough."""
    if len(samples) < _LEAST_SAMPLES:
        return None
    values = np.array([sample.value for sample in samples])
    if float(values.std()) == 0.0:
        return None
    # Ranks bear what single wild values do to a mean; equal values have one rank.
    split = best_split(np.unique(values, return_inverse=True)[1].astype(float))
    before, after = values[:split], values[split:]
    middle = float(np.median(before))
    spread = statistics.fmean([abs(float(value) - middle) for value in before])
    moved = abs(float(np.median(after)) - middle)
    return samples[split].seconds if moved > _LEAST_MOVE * spread and moved > 0 else None


def best_split(values: NDArray[np.float64]) -> int:
    """Index at which the second part begins when both have the least sum of squares about their means."""
    sizes = np.arange(1, len(values))
    sums = np.cumsum(values)[:-1]
    # The sum of squares itself is the same for every split: what a split takes off it is what counts.
    gained = sums**2 / sizes + (values.sum() - sums) ** 2 / (len(values) - sizes)
    inner = gained[_LEAST_PART - 1 : len(values) - _LEAST_PART]
    return int(np.argmax(inner)) + _LEAST_PART
