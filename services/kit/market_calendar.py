"""When a market is open: sessions, half days and daylight saving time, from the exchange's calendar.

The calendar knows what was planned: no halts, no unplanned closings. A venue's own clock has the last word.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from threading import Lock
from typing import Final

from exchange_calendars import get_calendar  # type: ignore[import-untyped]  # the package ships no types

from services.kit.clock import Clock
from services.kit.errors import SightlineError

# Holidays are announced about a year ahead; what lies further is a guess.
_AHEAD: Final = timedelta(days=365)
_LEAST_AHEAD: Final = timedelta(days=300)
_CHECK_EVERY: Final = timedelta(days=1)
_FIRST: Final = date(2000, 1, 1)
_NANOSECONDS: Final = 1_000_000_000


class OutsideCalendarError(SightlineError):
    """The calendar has no sessions there."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "outside_calendar"
    title = "The market's calendar does not reach there"


class NoSessionError(SightlineError):
    """The market does not open on this day."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "no_session"
    title = "The market is closed on this day"


@dataclass(frozen=True, slots=True)
class _Sessions:
    days: list[date]
    opens: list[datetime]
    closes: list[datetime]
    half: frozenset[date]


class MarketCalendar:
    """The sessions of one market. All times are UTC. Safe to use from several threads.

    It reaches from `first` to about a year ahead. A look once a day, by whichever call comes then, builds it anew when
    fewer than 300 days are left; that one call takes about 0.2 s, others go on with what there is.
    """

    def __init__(self, clock: Clock, name: str = "XNYS", *, first: date = _FIRST) -> None:
        """Build the calendar of an exchange by its ISO 10383 code.

        Raises:
            ValueError: The exchange is unknown, or closes for a break in the middle of its sessions.
        """
        self._clock = clock
        self._name = name
        self._first = first
        self._building = Lock()
        self._check_at = clock.now() + _CHECK_EVERY
        self._sessions = _build(name, first, clock.now().date() + _AHEAD)

    def is_open(self, at: datetime) -> bool:
        """Whether a session runs: from its open on, and no more at its close. Takes about a microsecond."""
        return self.session_of(at) is not None

    def session_of(self, at: datetime) -> date | None:
        """The day of the session that runs at this moment, None when the market is closed."""
        sessions = self._reaching(at)
        index = bisect_right(sessions.opens, at) - 1
        return sessions.days[index] if at < sessions.closes[index] else None

    def open_at(self, session: date) -> datetime:
        """When the session of this day opens. Raises `NoSessionError`, `OutsideCalendarError`."""
        sessions = self._fresh()
        return sessions.opens[_index(sessions, session)]

    def close_at(self, session: date) -> datetime:
        """When the session of this day closes. Raises `NoSessionError`, `OutsideCalendarError`."""
        sessions = self._fresh()
        return sessions.closes[_index(sessions, session)]

    def is_half_day(self, session: date) -> bool:
        """Whether the session of this day closes early. Raises `NoSessionError`, `OutsideCalendarError`."""
        sessions = self._fresh()
        return sessions.days[_index(sessions, session)] in sessions.half

    def next_open(self, at: datetime) -> datetime:
        """The first opening after this moment."""
        sessions = self._reaching(at)
        return _after(sessions.opens, at)

    def next_close(self, at: datetime) -> datetime:
        """The first close after this moment: while the market is open, that of the running session."""
        sessions = self._reaching(at)
        return _after(sessions.closes, at)

    def sessions(self, start: date, end: date) -> list[date]:
        """The days from `start` to `end`, both included, on which the market opens. Raises `OutsideCalendarError`."""
        sessions = self._fresh()
        _check_day(sessions, start)
        _check_day(sessions, end)
        return sessions.days[bisect_left(sessions.days, start) : bisect_right(sessions.days, end)]

    def _reaching(self, at: datetime) -> _Sessions:
        sessions = self._fresh()
        if not sessions.opens[0] <= at < sessions.closes[-1]:
            raise _outside(sessions)
        return sessions

    def _fresh(self) -> _Sessions:
        now = self._clock.now()
        if now >= self._check_at and self._building.acquire(blocking=False):
            try:
                self._check_at = now + _CHECK_EVERY
                if self._sessions.closes[-1] - now < _LEAST_AHEAD:
                    self._sessions = _build(self._name, self._first, now.date() + _AHEAD)
            finally:
                self._building.release()
        return self._sessions


def _build(name: str, first: date, last: date) -> _Sessions:
    calendar = get_calendar(name, start=first.isoformat(), end=last.isoformat())
    if calendar.break_starts.notna().any():
        raise ValueError(f"{name} closes for a break within its sessions: take a calendar without breaks")
    return _Sessions(
        days=list(calendar.sessions.date),
        opens=[datetime.fromtimestamp(each // _NANOSECONDS, UTC) for each in calendar.opens_nanos.tolist()],
        closes=[datetime.fromtimestamp(each // _NANOSECONDS, UTC) for each in calendar.closes_nanos.tolist()],
        half=frozenset(calendar.early_closes.date),
    )


def _after(moments: list[datetime], at: datetime) -> datetime:
    index = bisect_right(moments, at)
    if index == len(moments):
        raise OutsideCalendarError(f"The last session that is known opens at {moments[-1].isoformat()}.")
    return moments[index]


def _index(sessions: _Sessions, day: date) -> int:
    _check_day(sessions, day)
    index = bisect_left(sessions.days, day)
    if index == len(sessions.days) or sessions.days[index] != day:
        raise NoSessionError(f"The market does not open on {day}: choose another day.")
    return index


def _check_day(sessions: _Sessions, day: date) -> None:
    if not sessions.days[0] <= day <= sessions.days[-1]:
        raise _outside(sessions)


def _outside(sessions: _Sessions) -> OutsideCalendarError:
    return OutsideCalendarError(f"Sessions are known from {sessions.days[0]} to {sessions.days[-1]}: ask within these.")
