"""Brings bars to the venues: the same to each, at the pace of the clock or faster."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, Protocol

from services.contracts.bars import bars_of, in_order, moment_of, seconds_of, within
from services.contracts.market import TICK, Bar, Symbol
from services.kit.bar_files import read_bars
from services.kit.bar_times import EARLIEST, LATEST
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.venue.broker.prices import end_of
from services.venue.broker.venue import PaperVenue

_BASE: Final = 200  # dollars, about
_STEP: Final = 20  # basis points that a bar moves at most
_FURTHEST: Final = 4  # times the first price, and its fraction: where the walk turns around
_VOLUME: Final = 50_000
_log = logging.getLogger("services.venue.broker")


class BarSource(Protocol):
    """Where bars come from."""

    def bars(self, since: datetime) -> Iterator[Bar]:
        """Bars that begin then or later, in the order of their ends; may go on for ever."""


@dataclass(frozen=True, slots=True)
class SyntheticBars:
    """Made-up bars: a walk that the seed, the symbol and the time determine. They say nothing of any real market.

    Attributes:
        seconds: Length of a bar. Bars begin at multiples of it.
    """

    symbols: Sequence[Symbol]
    seconds: int = 60
    seed: int = 0

    def bars(self, since: datetime) -> Iterator[Bar]:
        length = timedelta(seconds=self.seconds)
        epoch = datetime.fromtimestamp(0, since.tzinfo)
        number = -((epoch - since) // length)  # rounded up
        walks = {symbol: self._first(symbol) for symbol in self.symbols}
        while True:
            for symbol in self.symbols:
                walks[symbol], bar = self._next(symbol, walks[symbol], number, epoch + number * length)
                yield bar
            number += 1

    def _first(self, symbol: Symbol) -> Decimal:
        return Decimal(_BASE // 2 + self._draw(symbol, -1)[0] % _BASE)

    def _next(self, symbol: Symbol, opened: Decimal, number: int, start: datetime) -> tuple[Decimal, Bar]:
        first, middle = self._first(symbol), 128
        move, above, below, traded = self._draw(symbol, number)
        share = Decimal(move - middle) / middle
        if not first / _FURTHEST < opened < first * _FURTHEST:
            share = abs(share) if opened < first else -abs(share)
        close = _on_tick(opened * (1 + share * _STEP / 10_000))
        high = _on_tick(max(opened, close) * (1 + Decimal(above) / middle / 10_000))
        low = _on_tick(min(opened, close) * (1 - Decimal(below) / middle / 10_000))
        prices = (opened, max(high, opened, close), min(low, opened, close), close)
        bar = Bar(symbol, start, self.seconds, *prices, volume=Decimal(_VOLUME + traded * 100))
        return close, bar

    def _draw(self, symbol: Symbol, number: int) -> bytes:
        return hashlib.sha256(f"{self.seed}:{symbol}:{number}".encode()).digest()[:4]


class RecordedBars:
    """Bars of a file, CSV or Parquet, in the order in which they came about.

    Raises:
        BarFileError: The file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._bars = {symbol: each.columns for symbol, each in read_bars(path).items()}
        self._seconds = min(seconds_of(each) for each in self._bars.values())

    @property
    def symbols(self) -> list[Symbol]:
        """Whose bars they are."""
        return sorted(self._bars)

    @property
    def start(self) -> datetime:
        """When the first one begins."""
        return moment_of(min(int(each.time_ns[0]) for each in self._bars.values()))

    def bars(self, since: datetime) -> Iterator[Bar]:
        return in_order({symbol: within(each, since, LATEST) for symbol, each in self._bars.items()}, self._seconds)

    def last(self, symbol: Symbol) -> datetime:
        """When the last bar of a symbol begins."""
        return moment_of(int(self._bars[symbol].time_ns[-1]))

    def before(self, moment: datetime) -> Iterator[list[Bar]]:
        """For each symbol the bars that begin earlier."""
        for symbol, each in self._bars.items():
            yield list(bars_of(symbol, within(each, EARLIEST, moment), self._seconds))


class Feed:
    """Pushes the bars of a source into venues, each when it is complete.

    Args:
        source: Where bars come from.
        venues: Where they go.
        clock: The machine's.
        speed: Seconds of the bars for each second of the machine; above 1 only for venues that go by the bars' time.
        start: When the first bars begin, where venues without any begin; by default now.
        head_start: Bars of so much time before now come at once, at the clock's pace: there are prices from the start.
        before: By symbol the bars before a moment, which venues know as history from the start.
    """

    def __init__(  # noqa: PLR0913 -- how the bars of one source differ from those of another
        self,
        source: BarSource,
        venues: Sequence[PaperVenue],
        clock: Clock,
        *,
        speed: float = 1.0,
        start: datetime | None = None,
        head_start: timedelta = timedelta(),
        before: Callable[[datetime], Iterator[Sequence[Bar]]] = lambda _moment: iter(()),
    ) -> None:
        self._source = source
        self._venues = venues
        self._clock = clock
        self._speed = speed
        self._start = start
        self._head_start = head_start
        self._before = before

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Feed as long as the block runs."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        newest = (venue.books.prices.newest(symbol) for venue in self._venues for symbol in venue.books.prices.symbols)
        since = max((end_of(bar) for bar in newest if bar is not None), default=None)
        begun, clock_begun = self._clock.now(), self._clock.monotonic()
        if self._start is not None:
            start = origin = since or self._start
        else:
            earliest = begun - self._head_start
            start = earliest if since is None or (self._speed == 1.0 and since < earliest) else since
            origin = begun if self._speed == 1.0 else start
        for bars in self._before(start):
            for venue in self._venues:
                venue.exchange.recall(bars)
        for bar in self._source.bars(start):
            due = clock_begun + (end_of(bar) - origin).total_seconds() / self._speed
            await asyncio.sleep(max(due - self._clock.monotonic(), 0.0))
            await self._push(bar)
        _log.info("all bars that begin at %s or later have been played; no more will come", start.isoformat())

    async def _push(self, bar: Bar) -> None:
        for venue in self._venues:
            try:
                await venue.push(bar)
            except SightlineError as error:
                _log.warning("%s did not store a bar of %s: %s", venue.name, bar.symbol, error.detail)


def _on_tick(price: Decimal) -> Decimal:
    return max(price.quantize(TICK), TICK)
