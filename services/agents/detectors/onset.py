"""Since when something has been out of the ordinary: the change point of the series, by kernels.

KernelCPD of ruptures, with a linear kernel and one change (Truong, Oudre and Vayatis, "Selective review of offline
change point detection methods", 2020): the split of the series into two parts of which each is most like itself.
"""

import statistics
from collections.abc import Sequence
from typing import Final

import numpy as np
from ruptures.detection.kernelcpd import KernelCPD  # type: ignore[import-untyped]  # the package ships no types

from services.agents.signals.signal import Sample

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
    ranked = np.unique(values, return_inverse=True)[1].astype(float).reshape(-1, 1)
    split = int(KernelCPD(kernel="linear", min_size=_LEAST_PART).fit(ranked).predict(n_bkps=1)[0])
    if split >= len(samples):
        return None
    before, after = values[:split], values[split:]
    middle = float(np.median(before))
    spread = statistics.fmean([abs(float(value) - middle) for value in before])
    moved = abs(float(np.median(after)) - middle)
    return samples[split].seconds if moved > _LEAST_MOVE * spread and moved > 0 else None
