"""From prices as numbers to prices in exact steps and back: the one place where both meet.

A price goes over a whole number of ticks. So the number and the Decimal that come of one price are the same price, and
a backtest in numbers and a venue in Decimal see the same bars.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt

from services.contracts.columns import Columns, Floats, Ints, Panel
from services.contracts.market import Bar, Symbol

_CENTS: Final = 100.0  # a tick is a cent, below one dollar a hundredth of one: `market.tick_at`
_SUB_DOLLAR: Final = 10_000.0
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US_TO_NS: Final = 1000
_PIECE: Final = 65_536  # bars that are turned into Decimal at once
_TWO: Final = 2
_DAY_SECONDS: Final = 86_400
_SHORT_DAY_SECONDS: Final = 82_800


def on_ticks(columns: Columns) -> Columns:
    """The same bars, each price rounded to its nearest tick, half to even."""
    return Columns(
        columns.time_ns,
        _rounded(columns.open),
        _rounded(columns.high),
        _rounded(columns.low),
        _rounded(columns.close),
        columns.volume,
    )


def bars_of(symbol: Symbol, columns: Columns, seconds: int) -> Iterator[Bar]:
    """Bars in Decimal, prices on ticks, shares whole or to a millionth. A moment without a bar is left out.

    `seconds` is the length of a bar.
    """
    for first in range(0, len(columns), _PIECE):
        piece = on_ticks(columns.between(first, first + _PIECE))
        prices = [piece.open.tolist(), piece.high.tolist(), piece.low.tolist(), piece.close.tolist()]
        times, volumes = piece.time_ns.tolist(), piece.volume.tolist()
        for place in np.flatnonzero(~np.isnan(piece.close)).tolist():
            opened, high, low, close = (decimal_of(each[place]) for each in prices)
            yield Bar(symbol, moment_of(times[place]), seconds, opened, high, low, close, _shares(volumes[place]))


def in_order(bars: Mapping[Symbol, Columns], seconds: int) -> Iterator[Bar]:
    """Bars of several symbols as they came about: by their starts, those of one moment by symbol."""
    return heapq.merge(
        *(bars_of(symbol, bars[symbol], seconds) for symbol in sorted(bars)), key=lambda bar: (bar.start, bar.symbol)
    )


def seconds_of(columns: Columns) -> int:
    """Length of the bars: the shortest distance between two of them; a day where there are not two.

    A day of 23 hours, when clocks change, is one of 86,400 seconds.
    """
    if len(columns) < _TWO:
        return _DAY_SECONDS
    seconds = int(np.diff(columns.time_ns).min()) // (_US_TO_NS * 1_000_000)
    return _DAY_SECONDS if seconds >= _SHORT_DAY_SECONDS else seconds


def columns_of(bars: Iterable[Bar]) -> Columns:
    """Bars of one symbol, oldest first, as numbers."""
    rows = [(nanoseconds_of(each.start), each.open, each.high, each.low, each.close, each.volume) for each in bars]
    times: Ints = np.array([row[0] for row in rows], dtype=np.int64)
    numbers: npt.NDArray[np.float64] = np.array([[float(each) for each in row[1:]] for row in rows]).reshape(-1, 5)
    opened, high, low, close, volume = np.ascontiguousarray(numbers.T)
    return Columns(times, opened, high, low, close, volume)


def decimal_of(price: float) -> Decimal:
    """A price in dollars on its tick, half to even."""
    per_dollar, places = (_CENTS, -2) if price >= 1.0 else (_SUB_DOLLAR, -4)
    return Decimal(round(price * per_dollar)).scaleb(places)


def nanoseconds_of(at: datetime) -> int:
    """An aware moment in nanoseconds since the Unix epoch, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1) * _US_TO_NS


def moment_of(time_ns: int) -> datetime:
    """Nanoseconds since the Unix epoch as an aware UTC datetime, to the microsecond."""
    return _EPOCH + timedelta(microseconds=time_ns // _US_TO_NS)


def joined(older: Columns, newer: Columns) -> Columns:
    """Both in one; of bars that begin at the same moment the newer one counts."""
    kept = ~np.isin(older.time_ns, newer.time_ns)
    times = np.concatenate((older.time_ns[kept], newer.time_ns))
    order = np.argsort(times, kind="stable")

    def merged(first: Floats, second: Floats) -> Floats:
        return np.concatenate((first[kept], second))[order]

    return Columns(
        times[order],
        merged(older.open, newer.open),
        merged(older.high, newer.high),
        merged(older.low, newer.low),
        merged(older.close, newer.close),
        merged(older.volume, newer.volume),
    )


def within(columns: Columns, start: datetime, end: datetime) -> Columns:
    """Bars that begin at `start` or later and before `end`, without copying."""
    first, last = np.searchsorted(columns.time_ns, [nanoseconds_of(start), nanoseconds_of(end)])
    return columns.between(int(first), int(last))


def on_one_axis(columns: Mapping[Symbol, Columns]) -> Panel:
    """Bars of several symbols on all of their times together; where a symbol has no bar its prices are NaN."""
    times = np.unique(np.concatenate([np.array([], dtype=np.int64), *(each.time_ns for each in columns.values())]))
    return {symbol: _spread(each, times) for symbol, each in columns.items()}


def _spread(columns: Columns, times: Ints) -> Columns:
    places = np.searchsorted(times, columns.time_ns)

    def over(values: Floats, missing: float) -> Floats:
        spread = np.full(len(times), missing)
        spread[places] = values
        return spread

    prices = (columns.open, columns.high, columns.low, columns.close)
    opened, high, low, close = (over(each, np.nan) for each in prices)
    return Columns(times, opened, high, low, close, volume=over(columns.volume, 0.0))


def _rounded(prices: Floats) -> Floats:
    per_dollar = np.where(prices >= 1.0, _CENTS, _SUB_DOLLAR)
    rounded: Floats = np.rint(prices * per_dollar) / per_dollar
    return rounded


def _shares(volume: float) -> Decimal:
    whole = int(volume)
    return Decimal(whole) if whole == volume else Decimal(repr(round(volume, 6)))
