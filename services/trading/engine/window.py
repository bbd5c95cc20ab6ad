"""The newest bars of a strategy's symbols, on one time axis: what it decides by."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from services.contracts.bars import moment_of, nanoseconds_of
from services.contracts.columns import Columns, Panel
from services.contracts.market import Bar, Symbol

if TYPE_CHECKING:
    from decimal import Decimal

_PRICES = 5  # open, high, low, close, volume


class Window:
    """Holds so many of the newest moments. One thread's.

    Args:
        symbols: In alphabetical order.
        length: How many moments `panel` gives; at least that of the warm-up and one.

    Attributes:
        last: The last close of each symbol that has had a bar.
    """

    def __init__(self, symbols: Sequence[Symbol], length: int) -> None:
        self.last: dict[Symbol, Decimal] = {}
        self._symbols = tuple(symbols)
        self._length = length
        # Twice as long as needed, so that what is kept moves only once in `length` moments.
        self._times = np.zeros(2 * length, dtype=np.int64)
        self._prices = np.zeros((len(symbols), _PRICES, 2 * length))
        self._count = 0

    def __len__(self) -> int:
        return min(self._count, self._length)

    @property
    def newest(self) -> datetime | None:
        """Start of the newest moment; None before the first."""
        return moment_of(int(self._times[self._count - 1])) if self._count else None

    def add(self, moment: datetime, bars: Mapping[Symbol, Bar]) -> None:
        """Take in a moment that is newer than all before, with the bars that it has.

        Raises:
            ValueError: It is not newer.
        """
        newest = self.newest
        if newest is not None and moment <= newest:
            raise ValueError(f"{moment} is not after {newest}")
        if self._count == len(self._times):
            self._times[: self._length] = self._times[self._length :]
            self._prices[:, :, : self._length] = self._prices[:, :, self._length :]
            self._count = self._length
        self._times[self._count] = nanoseconds_of(moment)
        for row, symbol in enumerate(self._symbols):
            self._prices[row, :, self._count] = self._numbers(symbol, bars.get(symbol))
        self._count += 1

    def amend(self, bar: Bar) -> bool:
        """Take in a bar that came after its moment; False when its moment is not here, or the bar is."""
        at = nanoseconds_of(bar.start)
        place = int(np.searchsorted(self._times[: self._count], at))
        if place == self._count or self._times[place] != at or bar.symbol not in self._symbols:
            return False
        row = self._prices[self._symbols.index(bar.symbol)]
        if not np.isnan(row[0, place]):
            return False
        known = self.last.get(bar.symbol)
        row[:, place] = self._numbers(bar.symbol, bar)
        if known is not None and not np.isnan(row[0, place + 1 : self._count]).all():
            self.last[bar.symbol] = known  # a newer one has come
        return True

    def panel(self) -> Panel:
        """The newest moments as columns; a symbol has NaN where it has no bar. A view: use it before the next `add`."""
        held = slice(max(self._count - self._length, 0), self._count)
        times = self._times[held]
        return {symbol: Columns(times, *self._prices[row][:, held]) for row, symbol in enumerate(self._symbols)}

    def _numbers(self, symbol: Symbol, bar: Bar | None) -> tuple[float, ...]:
        if bar is None:
            return (np.nan, np.nan, np.nan, np.nan, 0.0)
        self.last[symbol] = bar.close
        return tuple(float(each) for each in (bar.open, bar.high, bar.low, bar.close, bar.volume))
