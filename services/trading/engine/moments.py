"""Gathers the bars of several symbols that begin at one moment, until a decision can be made."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from services.contracts.market import Bar, Symbol
from services.kit.clock import Clock


class Moments:
    """Bars go in one by one, moments come out in their order, each once. One thread's.

    A moment is whole when each symbol has its bar or a later one: then none is to come any more. It is taken as it is
    when its first bar came `grace_seconds` ago: not every symbol trades in every minute.

    Args:
        after: The last moment that was decided at: bars up to there come too late; None before the first.
    """

    def __init__(
        self, symbols: Sequence[Symbol], clock: Clock, *, grace_seconds: float, after: datetime | None = None
    ) -> None:
        self._symbols = frozenset(symbols)
        self._clock = clock
        self._grace_seconds = grace_seconds
        self._after = after
        self._waiting: dict[datetime, dict[Symbol, Bar]] = {}
        self._since: dict[datetime, float] = {}

    def add(self, bar: Bar) -> bool:
        """Take a bar in; False for one that is too late, that is known, or of another symbol."""
        if bar.symbol not in self._symbols or (self._after is not None and bar.start <= self._after):
            return False
        there = self._waiting.setdefault(bar.start, {})
        if bar.symbol in there:
            return False
        there[bar.symbol] = bar
        self._since.setdefault(bar.start, self._clock.monotonic())
        return True

    def skip(self, until: datetime) -> None:
        """Bars up to a moment come too late from now on."""
        self._after = until

    def take(self) -> Iterator[tuple[datetime, Mapping[Symbol, Bar]]]:
        """The moments that can be decided at, oldest first."""
        while self._waiting:
            first = min(self._waiting)
            if not self._whole(first) and self._clock.monotonic() - self._since[first] < self._grace_seconds:
                return
            self._after = first
            del self._since[first]
            yield first, self._waiting.pop(first)

    def _whole(self, moment: datetime) -> bool:
        later = {symbol for start, bars in self._waiting.items() if start > moment for symbol in bars}
        return self._symbols <= self._waiting[moment].keys() | later
