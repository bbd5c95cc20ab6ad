"""What time it is for strategies: the machine's, or that of the bars that a venue replays."""

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from services.contracts.bars import moment_of, nanoseconds_of
from services.kit.bar_times import daily_start, session_day
from services.kit.clock import Clock
from services.kit.market_calendar import MarketCalendar, NoSessionError, OutsideCalendarError
from services.trading.marketdata.checks import missed
from services.trading.marketdata.port import Timeframe

_DAY: Final = timedelta(days=1)
_BARS_A_HALF_DAY: Final = 210  # minutes of the shortest session


class MarketTime(Protocol):
    """Time as the bars have it. Safe to use from several threads."""

    def now(self) -> datetime:
        """The present moment, UTC."""

    def heard(self, ended: datetime) -> None:
        """A bar has come that ended at a moment."""


class MachineTime:
    """Bars are of the present."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()

    def heard(self, ended: datetime) -> None:
        """Nothing: the clock goes on by itself."""


class ReplayTime:
    """Bars are of the past: it is the end of the newest one, and what has passed since that came."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._newest: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """Before the first bar there is none."""
        if self._newest is None:
            return datetime.min.replace(tzinfo=UTC)
        newest, came_at = self._newest
        return newest + timedelta(seconds=max(self._clock.monotonic() - came_at, 0.0))

    def heard(self, ended: datetime) -> None:
        if self._newest is None or ended > self._newest[0]:
            self._newest = (ended, self._clock.monotonic())


class BarCalendar:
    """When bars end, and which are owed.

    Args:
        timeframe: Their length.
        calendar: The exchange's; None for a market that never closes.
    """

    def __init__(self, timeframe: Timeframe, calendar: MarketCalendar | None) -> None:
        self.timeframe = timeframe
        self._calendar = calendar

    def ended(self, start: datetime) -> datetime:
        """When a bar is complete: a daily one with its session."""
        if self.timeframe is Timeframe.DAY and self._calendar is not None:
            try:
                return self._calendar.close_at(session_day(start))
            except (NoSessionError, OutsideCalendarError):
                return start + self.timeframe.length
        return start + self.timeframe.length

    def entry_ends(self, start: datetime) -> datetime:
        """When an entry with a price ends that was decided at the bar of this start: with the session that follows."""
        ended = self.ended(start)
        if self._calendar is not None:
            try:
                return self._calendar.next_close(ended)
            except OutsideCalendarError:
                return _midnight_after(ended)
        return _midnight_after(ended)

    def open_at(self, moment: datetime) -> bool:
        """Whether bars are being made at a moment."""
        if self._calendar is None:
            return True
        try:
            return self._calendar.is_open(moment)
        except OutsideCalendarError:
            return False

    def session_left(self, moment: datetime) -> tuple[timedelta, timedelta] | None:
        """How much of the session that a moment belongs to is over and left; None outside. A close belongs to it."""
        if self._calendar is None:
            return None
        try:
            day = self._calendar.session_of(moment - timedelta(microseconds=1))
            if day is None:
                return None
            return moment - self._calendar.open_at(day), self._calendar.close_at(day) - moment
        except OutsideCalendarError:
            return None

    def span(self, bars: int) -> timedelta:
        """A time that holds so many bars, with weekends and holidays to spare."""
        if self._calendar is None:
            return self.timeframe.length * (bars + 1)  # one may be running
        sessions = bars if self.timeframe is Timeframe.DAY else bars // _BARS_A_HALF_DAY + 1
        return timedelta(days=sessions * 1.5 + 7)

    def owed(self, after: datetime, until: datetime) -> int:
        """How many bars begin after the one that began at `after` and are complete at `until`."""
        if self._calendar is None:
            length = nanoseconds_of(moment_of(0) + self.timeframe.length)
            return max((nanoseconds_of(until) - nanoseconds_of(after)) // length - 1, 0)
        try:
            return missed(after, until, self.timeframe, self._calendar)
        except OutsideCalendarError:
            return 0


def _midnight_after(moment: datetime) -> datetime:
    """The first midnight in New York after a moment."""
    day = session_day(moment)
    return daily_start(day + _DAY)
