"""When a bar begins. A daily one begins at midnight in New York, as the venues write it, whenever its session opens."""

from datetime import UTC, date, datetime, time
from typing import Final
from zoneinfo import ZoneInfo

MARKET_ZONE: Final = ZoneInfo("America/New_York")
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Before and after every bar."""


def daily_start(day: date) -> datetime:
    """The start of the bar of a session, UTC."""
    return datetime.combine(day, time(), MARKET_ZONE).astimezone(UTC)


def session_day(start: datetime) -> date:
    """The day in New York at a moment."""
    return start.astimezone(MARKET_ZONE).date()


def start_of(text: str) -> datetime:
    """A bar's start as it is written in a file: a date for a daily bar, else a moment with its offset from UTC.

    Raises:
        ValueError: It is neither; the message says what to write.
    """
    try:
        # Of the forms of ISO 8601 a date has at most ten characters: 2024-01-02.
        if len(text) <= 10:  # noqa: PLR2004 -- the line above says why
            return daily_start(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is no time: write 2024-01-02 or 2024-01-02T14:30:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("does not say its offset from UTC: write 2024-01-02T14:30:00Z or 2024-01-02T09:30:00-05:00")
    return moment.astimezone(UTC)
