"""When a pipeline starts by itself: by the clock, or by the exchange's sessions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LOOK_BACK = timedelta(days=10)
_LOOK_AHEAD_DAYS = 15  # longer than any time without a session
_NEW_YORK = ZoneInfo("America/New_York")


class Calendar(Protocol):
    """The exchange's sessions; `services.kit.market_calendar.MarketCalendar` is one."""

    def sessions(self, start: date, end: date) -> list[date]:
        """The sessions from `start` to `end`, both included."""

    def open_at(self, session: date) -> datetime:
        """When it opens."""

    def close_at(self, session: date) -> datetime:
        """When it closes, half days early."""


class Schedule(Protocol):
    """Moments at which something is due."""

    @property
    def useful_seconds(self) -> float:
        """How long after its moment it is still worth doing, for what was missed while the platform was down."""

    def words(self) -> str:
        """For a person."""

    def moments(self, start: datetime, end: datetime, calendar: Calendar) -> Iterator[datetime]:
        """The moments in (start, end], in order, in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """Every so many seconds, counted from midnight UTC of 1970. A moment is made up for until the next one comes."""

    seconds: int

    def __post_init__(self) -> None:
        if self.seconds < 1:
            raise ValueError("an interval is at least one second")

    @property
    def useful_seconds(self) -> float:
        return float(self.seconds)

    def words(self) -> str:
        return f"every {self.seconds} s"

    def moments(self, start: datetime, end: datetime, calendar: Calendar) -> Iterator[datetime]:  # noqa: ARG002
        count = int(start.timestamp()) // self.seconds + 1
        while (moment := datetime.fromtimestamp(count * self.seconds, UTC)) <= end:
            yield moment
            count += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """At a time of day in New York, on some or all days of the week (0 is Monday)."""

    time: time
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    useful_seconds: float = 12 * 3600.0

    def words(self) -> str:
        days = "daily" if len(self.weekdays) == len(_DAYS) else ", ".join(_DAYS[day] for day in self.weekdays)
        return f"{days} at {self.time:%H:%M} New York time"

    def moments(self, start: datetime, end: datetime, calendar: Calendar) -> Iterator[datetime]:  # noqa: ARG002
        day = start.astimezone(_NEW_YORK).date()
        while day <= end.astimezone(_NEW_YORK).date():
            moment = datetime.combine(day, self.time, _NEW_YORK).astimezone(UTC)
            if day.weekday() in self.weekdays and start < moment <= end:
                yield moment
            day += timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BySession:
    """So many minutes before the open (negative) or after the close (positive) of each session.

    Attributes:
        minutes: From the open when `edge` is "open", from the close when it is "close".
    """

    edge: str
    minutes: int
    useful_seconds: float = 3600.0

    def __post_init__(self) -> None:
        if self.edge not in {"open", "close"}:
            raise ValueError("an edge of a session is its open or its close")

    def words(self) -> str:
        side = "before" if self.minutes < 0 else "after"
        return f"{abs(self.minutes)} min {side} the {self.edge} of each session"

    def moments(self, start: datetime, end: datetime, calendar: Calendar) -> Iterator[datetime]:
        around = timedelta(days=2)
        for session in calendar.sessions((start - around).date(), (end + around).date()):
            edge = calendar.open_at(session) if self.edge == "open" else calendar.close_at(session)
            moment = edge + timedelta(minutes=self.minutes)
            if start < moment <= end:
                yield moment


def latest_due(schedule: Schedule, now: datetime, calendar: Calendar) -> datetime | None:
    """The latest moment that has come and is still worth it, or None."""
    back = min(timedelta(seconds=schedule.useful_seconds), _LOOK_BACK)
    found = None
    for found in schedule.moments(now - back, now, calendar):  # noqa: B007 -- the last one counts
        pass
    return found


def next_due(schedule: Schedule, now: datetime, calendar: Calendar) -> datetime | None:
    """The next moment, or None when there is none within two weeks."""
    return next(schedule.moments(now, now + timedelta(days=_LOOK_AHEAD_DAYS), calendar), None)
