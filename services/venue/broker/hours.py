"""When the venue's market is open, and what time it is there."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, Protocol

from services.contracts.market import Bar, Symbol
from services.kit.clock import Clock
from services.kit.market_calendar import MarketCalendar, OutsideCalendarError
from services.venue.broker.prices import end_of

FIRST_DAY: Final = date(1990, 1, 2)
_KNOWN_AHEAD: Final = timedelta(days=300)  # a calendar reaches at least so far
_UNKNOWN: Final = timedelta(days=1)


class TimeSource(StrEnum):
    """Whose time a venue goes by."""

    MACHINE = "machine"
    REPLAY = "replay"  # the end of the newest bar
    PRESENT = "present"  # the machine's, while recorded bars keep their own


@dataclass(frozen=True, slots=True)
class TradingDay:
    """One session; `opens` and `closes` are aware UTC datetimes."""

    day: date
    opens: datetime
    closes: datetime


class Hours(Protocol):
    """When the market is open."""

    def is_open(self, at: datetime) -> bool: ...

    def next_open(self, at: datetime) -> datetime:
        """The first opening after a moment."""

    def next_close(self, at: datetime) -> datetime | None:
        """The first closing after a moment; None when it never closes."""

    def days(self, first: date, last: date) -> list[TradingDay]:
        """The sessions from one day to another, both included."""


class AlwaysOpen:
    """A market that never closes; day orders never expire there."""

    def is_open(self, at: datetime) -> bool:  # noqa: ARG002 -- whenever that is
        return True

    def next_open(self, at: datetime) -> datetime:
        return datetime.combine(at.astimezone(UTC).date() + timedelta(days=1), time(), UTC)

    def next_close(self, at: datetime) -> datetime | None:  # noqa: ARG002 -- never
        return None

    def days(self, first: date, last: date) -> list[TradingDay]:
        count = (last - first).days + 1
        starts = (datetime.combine(first + timedelta(days=each), time(), UTC) for each in range(max(count, 0)))
        return [TradingDay(start.date(), start, start + timedelta(hours=23, minutes=59)) for start in starts]


class RegularHours:
    """The regular sessions of an exchange, half days included; closed where its calendar does not reach."""

    def __init__(self, calendar: MarketCalendar, clock: Clock) -> None:
        self._calendar = calendar
        self._clock = clock

    def is_open(self, at: datetime) -> bool:
        try:
            return self._calendar.is_open(at)
        except OutsideCalendarError:
            return False

    def next_open(self, at: datetime) -> datetime:
        try:
            return self._calendar.next_open(at)
        except OutsideCalendarError:
            return at + _UNKNOWN

    def next_close(self, at: datetime) -> datetime | None:
        try:
            return self._calendar.next_close(at)
        except OutsideCalendarError:
            return None

    def days(self, first: date, last: date) -> list[TradingDay]:
        start = max(first, FIRST_DAY)
        end = min(last, self._clock.now().date() + _KNOWN_AHEAD)
        if start > end:
            return []
        calendar = self._calendar
        return [TradingDay(day, calendar.open_at(day), calendar.close_at(day)) for day in calendar.sessions(start, end)]


def trades_in(hours: Hours, bar: Bar) -> bool:
    """Whether the market is open at any moment of a bar."""
    return hours.is_open(bar.start) or hours.next_open(bar.start) < end_of(bar)


class VenueTime:
    """The venue's time.

    Args:
        source: The machine's clock, or the bars that are replayed; until the first bar it is the machine's. In
            `PRESENT` orders trade in the bars that come after them, and all that is told of them is of now.
        clock: The machine's.
    """

    def __init__(self, source: TimeSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._replayed: datetime | None = None
        self._traded: dict[Symbol, datetime] = {}
        self.offset = timedelta()

    def now(self) -> datetime:
        """What is told of orders and fills, and what the day's clock shows."""
        return self.market() if self._source is TimeSource.REPLAY else self._clock.now()

    def market(self) -> datetime:
        """What orders trade by, and sessions go by."""
        if self._source is not TimeSource.MACHINE and self._replayed is not None:
            return self._replayed
        return self._clock.now()

    def stamp(self, at: datetime) -> datetime:
        """What is told of a moment of the market."""
        return self._clock.now() if self._source is TimeSource.PRESENT else at

    def told(self) -> datetime:
        """What `/v2/clock` says: the same, unless its offset was set."""
        return self.now() + self.offset

    def traded(self, bar: Bar) -> None:
        """A bar has come and is over."""
        self.replayed(end_of(bar))
        self._traded[bar.symbol] = self.stamp(end_of(bar))

    def traded_at(self, symbol: Symbol) -> datetime:
        """When the last price of a symbol that has one was made."""
        return self._traded[symbol]

    def replayed(self, moment: datetime) -> None:
        """A bar ended then; time never goes back."""
        if self._replayed is None or moment > self._replayed:
            self._replayed = moment
