"""Bars that a venue was fed, and the prices that follow from them."""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Final

from services.contracts.market import Bar, Symbol

_KEPT: Final = 20_000  # bars of a symbol and length: two weeks of minutes
_DECIMALS: Final = 6


class Prices:
    """The last bars of each symbol, kept in memory; the newest of each is stored with the rest of the venue."""

    def __init__(self) -> None:
        self._bars: dict[tuple[Symbol, int], deque[Bar]] = {}
        self._newest: dict[Symbol, Bar] = {}
        self._closes: dict[Symbol, deque[tuple[datetime, Decimal]]] = {}

    def add(self, bar: Bar) -> bool:
        """Take in a bar; False for one that is not newer than those of its length that came before it."""
        bars = self._bars.setdefault((bar.symbol, bar.seconds), deque(maxlen=_KEPT))
        if bars and bar.start <= bars[-1].start:
            return False
        bars.append(bar)
        before = self._newest.get(bar.symbol)
        if before is None or end_of(bar) >= end_of(before):
            self._newest[bar.symbol] = bar
            self._note_close(bar)
        return True

    def recall(self, bars: Sequence[Bar]) -> bool:
        """Know bars of one symbol and length that were made before all that came; whether they are all that is known.

        They say what the last price is only where nothing newer does.
        """
        symbol, seconds = bars[0].symbol, bars[0].seconds
        kept = self._bars.setdefault((symbol, seconds), deque(maxlen=_KEPT))
        older = [bar for bar in bars if not kept or bar.start < kept[0].start]
        room = _KEPT - len(kept)
        kept.extendleft(reversed(older[-room:] if room else []))
        if symbol in self._newest or not older:
            return False
        self._newest[symbol] = older[-1]
        for bar in older[-2:]:
            self._note_close(bar)
        return True

    def split(self, symbol: Symbol, ratio: Decimal) -> Bar | None:
        """Reckon the newest bar in new shares; the older ones stay as they were traded."""
        bar = self._newest.get(symbol)
        if bar is None:
            return None
        changed = replace(
            bar,
            open=_shared(bar.open, ratio),
            high=_shared(bar.high, ratio),
            low=_shared(bar.low, ratio),
            close=_shared(bar.close, ratio),
            volume=bar.volume * ratio,
        )
        self._newest[symbol] = changed
        self._closes[symbol] = deque(((at, _shared(close, ratio)) for at, close in self._closes[symbol]), maxlen=2)
        return changed

    @property
    def symbols(self) -> list[Symbol]:
        """Every symbol with a price."""
        return sorted(self._newest)

    def newest(self, symbol: Symbol) -> Bar | None:
        """The last bar of a symbol, whatever its length."""
        return self._newest.get(symbol)

    def last(self, symbol: Symbol) -> Decimal | None:
        """The last price, in dollars."""
        bar = self._newest.get(symbol)
        return None if bar is None else bar.close

    def yesterday(self, symbol: Symbol) -> Decimal | None:
        """The last price of the day before the newest bar's; the newest one where that is not known."""
        closes = self._closes.get(symbol)
        return closes[0][1] if closes else None

    def between(self, symbol: Symbol, seconds: int, start: datetime | None, end: datetime | None) -> Iterator[Bar]:
        """Bars of a length that began from `start` to `end`, both included, the oldest first."""
        bars = self._bars.get((symbol, seconds), deque())
        first = 0 if start is None else bisect_left(bars, start, key=lambda bar: bar.start)
        for bar in islice(bars, first, None):
            if end is not None and bar.start > end:
                return
            yield bar

    def _note_close(self, bar: Bar) -> None:
        closes = self._closes.setdefault(bar.symbol, deque(maxlen=2))
        if closes and closes[-1][0].date() == bar.start.date():
            closes[-1] = (bar.start, bar.close)
        else:
            closes.append((bar.start, bar.close))


def _shared(price: Decimal, ratio: Decimal) -> Decimal:
    return round(price / ratio, _DECIMALS)


def end_of(bar: Bar) -> datetime:
    """When a bar was complete."""
    return bar.start + timedelta(seconds=bar.seconds)
