"""Prices as columns of numbers: the form in which market data gives them and strategies and backtests read them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.contracts.market import Symbol

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars of one symbol, oldest first; all arrays are equally long. NaN in every price: no bar at that moment.

    Attributes:
        time_ns: Starts of the bars, in nanoseconds since the Unix epoch, strictly ascending.
        open, high, low, close: In dollars.
        volume: In shares.
    """

    time_ns: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __len__(self) -> int:
        return len(self.time_ns)

    def until(self, end: int) -> "Columns":
        """The first `end` bars, without copying."""
        return self.between(0, end)

    def between(self, start: int, end: int) -> "Columns":
        """Bars `start` to `end`, the latter not included, without copying."""
        return Columns(
            self.time_ns[start:end],
            self.open[start:end],
            self.high[start:end],
            self.low[start:end],
            self.close[start:end],
            self.volume[start:end],
        )


Panel = Mapping[Symbol, Columns]
"""Bars of several symbols on one and the same time axis."""
