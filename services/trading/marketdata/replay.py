"""Recorded bars as if they came now: in one order, at any speed, the same on each run."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Final

from services.contracts.bars import in_order, within
from services.contracts.columns import Columns
from services.contracts.market import Bar, Symbol
from services.kit.bar_times import EARLIEST, LATEST
from services.kit.clock import Clock
from services.trading.marketdata.port import Timeframe, UnknownSymbolError

_TURN: Final = 256  # bars after which others get their turn, where nothing is waited for


class Replay:
    """Implements `BarStream`; ends after the last bar. Bars come by their starts, those of one moment by symbol.

    A paper venue that replays the same file (`SIGHTLINE_PAPER_BARS`) has its bars in the same order.

    Args:
        bars: What was recorded; moments without a bar (NaN) are left out.
        timeframe: Length of the bars.
        clock: Sets the pace.
        speed: Seconds of the bars for each second of the clock; None for as fast as they are taken.
        since: Bars that begin before are left out: where an earlier run ended.
        sleep: Waits for a number of seconds.
    """

    def __init__(  # noqa: PLR0913 -- each is a choice of its own
        self,
        bars: Mapping[Symbol, Columns],
        timeframe: Timeframe,
        *,
        clock: Clock,
        speed: float | None = None,
        since: datetime = EARLIEST,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if speed is not None and not speed > 0:
            raise ValueError(f"a replay's speed is above zero, not {speed:g}")
        self._bars = bars
        self._timeframe = timeframe
        self._clock = clock
        self._speed = speed
        self._since = since
        self._sleep = sleep

    async def bars(self, symbols: Collection[Symbol]) -> AsyncGenerator[Bar, None]:
        """Implements `BarStream`. Raises `UnknownSymbolError` for a symbol that was not recorded."""
        if missing := sorted(set(symbols) - set(self._bars)):
            raise UnknownSymbolError(f"No bars of {', '.join(missing)} were recorded.")
        chosen = {symbol: within(self._bars[symbol], self._since, LATEST) for symbol in symbols}
        begun, first = self._clock.monotonic(), None
        for number, bar in enumerate(in_order(chosen, self._timeframe.seconds)):
            first = first or bar.start
            if self._speed is not None:
                due = begun + (bar.start + self._timeframe.length - first).total_seconds() / self._speed
                await self._sleep(max(due - self._clock.monotonic(), 0.0))
            elif number % _TURN == 0:
                await self._sleep(0.0)
            yield bar
