"""The bars of one length as they come: each once and in order, gaps filled from the past, silence told.

What a stream brings twice or late is passed over. What is missing between two bars is read from the past before the
newer one is given on. A market that is closed owes no bars.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, Protocol

from services.contracts.bars import bars_of, in_order, moment_of, within
from services.contracts.columns import Columns
from services.contracts.events import Event
from services.contracts.market import Bar, Symbol
from services.contracts.strategies import BarGapFilled, BarGapFound, MarketDataFresh, MarketDataStale
from services.kit.bar_times import EARLIEST
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.trading.engine.market_time import BarCalendar, MarketTime
from services.trading.marketdata.port import Adjustment, BarRequest, BarSource, Timeframe
from services.trading.orders.transactions import Transactions

_TICK: Final = timedelta(microseconds=1)
_QUIET_BARS: Final = 5  # a market without trades for fewer bars than this is no gap
_POLL_SECONDS: Final = 60.0
_REPLAY_POLL_SECONDS: Final = 5.0
_DAY_STALE_SECONDS: Final = 3600.0  # sources give a day's bar only some time after its close

_log = logging.getLogger("services.trading.engine")


class BarCounts(Protocol):
    """Counts bars; `strategy_gauges.BarMeter` is one."""

    def streamed(self, symbol: Symbol) -> None: ...

    def read(self, symbol: Symbol, bars: int) -> None: ...


@dataclass(frozen=True, slots=True)
class FeedRules:
    """How long things may take, in seconds.

    Attributes:
        stale_after: A bar that is so much overdue is told.
        grace: A bar that is so much overdue is looked for in the past.
    """

    stale_after: float
    grace: float


@dataclass(slots=True)
class _Line:
    """What is known of a symbol."""

    newest: datetime | None = None
    heard_at: float | None = None
    polled_at: float = 0.0
    stale_since: float | None = None


@dataclass(frozen=True, slots=True)
class FeedLook:
    """How a symbol's bars stand: what `strategy_gauges.FeedSight` asks for."""

    symbol: Symbol
    newest_bar_end: datetime | None
    stale: bool


class Feed:
    """The bars of some symbols. One thread's, but for `looks`.

    Args:
        history: Bars of the past.
        give: Takes each bar on.
        counts: Counts them.
        played: For bars of the past that a venue replays: those that it has played since one began. Nobody knows when
            the next one comes, so silence counts from the last.
    """

    def __init__(  # noqa: PLR0913 -- each is a collaborator of its own
        self,
        symbols: Sequence[Symbol],
        calendar: BarCalendar,
        history: BarSource,
        give: Callable[[Bar], object],
        *,
        time: MarketTime,
        clock: Clock,
        facts: Transactions,
        counts: BarCounts,
        rules: FeedRules,
        played: Callable[[Symbol, datetime], Columns] | None = None,
    ) -> None:
        self.symbols = tuple(symbols)
        self._calendar = calendar
        self._timeframe = calendar.timeframe
        self._history = history
        self._give = give
        self._time = time
        self._clock = clock
        self._facts = facts
        self._counts = counts
        self._rules = rules
        self._played = played
        self._lines = {symbol: _Line() for symbol in symbols}

    @property
    def _replayed(self) -> bool:
        return self._played is not None

    # --- the past

    def begin(self, bars: Mapping[Symbol, int], since: Mapping[Symbol, datetime]) -> Mapping[Symbol, Columns]:
        """Read the past of every symbol; what comes from now on is given on.

        Args:
            bars: How many are wanted of each symbol before `since`, or before now.
            since: From where on every bar is wanted, where a symbol has been decided at before.

        Raises:
            MarketDataError, BarsUnavailableError: They cannot be read.
        """
        if self._played is not None:
            for symbol in self.symbols:
                self._hear_played(symbol, EARLIEST)
        now = self._time.now()
        found = {}
        for symbol in self.symbols:
            found[symbol] = self._read(symbol, min(now, since.get(symbol, now)), bars[symbol])
        for symbol, columns in found.items():
            self._lines[symbol] = _Line(newest=_last(columns), heard_at=self._clock.monotonic())
            self._counts.read(symbol, len(columns))
        return found

    def past(self, symbols: Sequence[Symbol], bars: int) -> Mapping[Symbol, Columns]:
        """The newest bars of those that were given on, so many or more. Raises as `begin` does."""
        found = {}
        for symbol in symbols:
            newest = self._lines[symbol].newest
            columns = self._read(symbol, self._time.now(), bars)
            found[symbol] = columns if newest is None else within(columns, EARLIEST, newest + _TICK)
        return found

    def _read(self, symbol: Symbol, from_then: datetime, bars: int) -> Columns:
        span = self._calendar.span(bars)
        start = max(from_then, EARLIEST + span) - span
        return self._complete(symbol, start, max(self._time.now(), EARLIEST) + _TICK)

    def _complete(self, symbol: Symbol, start: datetime, end: datetime) -> Columns:
        """Bars of a symbol that have ended by now, from the past."""
        columns = self._history.bars(
            BarRequest(symbol=symbol, start=start, end=end, timeframe=self._timeframe, adjustment=Adjustment.SPLIT)
        )
        now = self._time.now()
        whole = len(columns)
        while whole and self._calendar.ended(moment_of(int(columns.time_ns[whole - 1]))) > now:
            whole -= 1
        return columns.until(whole)

    # --- as they come

    def take(self, bar: Bar) -> None:
        """The stream brought a bar."""
        line = self._lines.get(bar.symbol)
        if line is None or (line.newest is not None and bar.start <= line.newest):
            return
        self._time.heard(self._calendar.ended(bar.start))
        if line.newest is not None:
            owed = self._calendar.owed(line.newest, bar.start)
            if owed:
                self._fill(bar.symbol, line, bar.start, owed)
        self._pass_on(bar, line)
        self._counts.streamed(bar.symbol)

    def tick(self) -> None:
        """Look for bars that are overdue, and tell which symbols are silent."""
        for symbol, line in self._lines.items():
            self._poll(symbol, line)
            silent = self._silent_seconds(line)
            if silent is not None and line.stale_since is None and silent > self._stale_after:
                line.stale_since = self._clock.monotonic() - silent
                self._state(MarketDataStale(subject=symbol, age_seconds=silent))

    def looks(self) -> list[FeedLook]:
        """How the symbols' bars stand; from any thread."""
        now = self._time.now()
        closed = not self._replayed and not self._calendar.open_at(now)
        # Whoever looks counts ages by the clock, whatever time the bars are of.
        behind = self._clock.now() - now
        return [
            FeedLook(
                symbol,
                None if line.newest is None or closed else self._calendar.ended(line.newest) + behind,
                line.stale_since is not None,
            )
            for symbol, line in self._lines.items()
        ]

    @property
    def _stale_after(self) -> float:
        if self._timeframe is Timeframe.DAY and not self._replayed:
            return max(self._rules.stale_after, _DAY_STALE_SECONDS)
        return self._rules.stale_after

    def _pass_on(self, bar: Bar, line: _Line) -> None:
        if line.stale_since is not None:
            stale_seconds = max(self._clock.monotonic() - line.stale_since, 0.0)
            line.stale_since = None
            self._state(MarketDataFresh(subject=bar.symbol, stale_seconds=stale_seconds))
        line.newest, line.heard_at = bar.start, self._clock.monotonic()
        self._give(bar)

    def _fill(self, symbol: Symbol, line: _Line, until: datetime, owed: int) -> None:
        """Give on what is missing before a moment."""
        start = line.newest + _TICK if line.newest is not None else until
        try:
            columns = self._complete(symbol, start, until)
        except SightlineError as error:
            _log.warning("%d bars of %s are missing, and cannot be read: %s", owed, symbol, error.detail)
            columns = None
        found = 0 if columns is None else len(columns)
        if not found and columns is not None and owed < _QUIET_BARS and self._timeframe is not Timeframe.DAY:
            return  # nothing was traded
        self._state(BarGapFound(subject=symbol, start=start - _TICK + self._timeframe.length, end=until, bars=owed))
        if columns is None:
            return
        for bar in bars_of(symbol, columns, self._timeframe.seconds):
            self._pass_on(bar, line)
        self._counts.read(symbol, found)
        self._state(BarGapFilled(subject=symbol, start=start - _TICK + self._timeframe.length, end=until, bars=found))

    def _poll(self, symbol: Symbol, line: _Line) -> None:
        """Where no stream brings bars, or it is broken, the past has them soon after they have ended."""
        at = self._clock.monotonic()
        if line.newest is None or not self._overdue(line, at):
            return
        line.polled_at = at
        try:
            self._hear_played(symbol, line.newest)
            columns = self._complete(symbol, line.newest + _TICK, self._time.now() + _TICK)
        except SightlineError as error:
            _log.warning("overdue bars of %s cannot be read: %s", symbol, error.detail)
            return
        for bar in bars_of(symbol, columns, self._timeframe.seconds):
            self._pass_on(bar, line)
        self._counts.read(symbol, len(columns))

    def _overdue(self, line: _Line, at: float) -> bool:
        """Whether a bar should have come, and it was not looked for lately."""
        if line.newest is None:
            return False
        if self._replayed:
            return at - max(line.polled_at, line.heard_at or at) >= max(self._rules.grace, _REPLAY_POLL_SECONDS)
        due = self._time.now() - timedelta(seconds=self._rules.grace)
        return at - line.polled_at >= _POLL_SECONDS and self._calendar.owed(line.newest, due) > 0

    def _hear_played(self, symbol: Symbol, since: datetime) -> None:
        newest = None if self._played is None else _last(self._played(symbol, since))
        if newest is not None:
            self._time.heard(self._calendar.ended(newest))

    def _silent_seconds(self, line: _Line) -> float | None:
        """For how long bars have been missing; None while none is."""
        if self._replayed:
            return None if line.heard_at is None else self._clock.monotonic() - line.heard_at
        now = self._time.now()
        if line.newest is None or (not self._calendar.open_at(now) and self._timeframe is not Timeframe.DAY):
            return None
        due = now - timedelta(seconds=self._stale_after)
        if not self._calendar.owed(line.newest, due):
            return None
        return (now - self._calendar.ended(line.newest)).total_seconds()

    def _state(self, fact: Event) -> None:
        with self._facts.transaction() as tx:
            tx.record(fact)


def moments_of(
    past: Mapping[Symbol, Columns], symbols: Sequence[Symbol], timeframe: Timeframe
) -> Iterator[tuple[datetime, Mapping[Symbol, Bar]]]:
    """Bars of the past, gathered by their moments, oldest first."""
    chosen = {symbol: past[symbol] for symbol in symbols}
    for start, bars in groupby(in_order(chosen, timeframe.seconds), key=lambda bar: bar.start):
        yield start, {bar.symbol: bar for bar in bars}


def _last(columns: Columns) -> datetime | None:
    return moment_of(int(columns.time_ns[-1])) if len(columns) else None
