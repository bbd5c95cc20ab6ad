"""When people are asked to log in, and when they are told that they will be. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

ZONE: Final = "America/New_York"  # the brokers' own: their weeks and maintenance follow it
FIRST_HOUR: Final = 8
LAST_HOUR: Final = 21
ASK_AGAIN_AFTER: Final = timedelta(hours=1)
NOTICES: Final = (
    timedelta(hours=24),
    timedelta(hours=6),
    timedelta(hours=2),
    timedelta(minutes=15),
    timedelta(0),
)


def may_ask(now: datetime) -> bool:
    """Whether a person may be asked now, without having asked for it: from 8 to 21 h in New York."""
    return FIRST_HOUR <= now.astimezone(ZoneInfo(ZONE)).hour < LAST_HOUR


def notice_due(ends_at: datetime, now: datetime, notices: Sequence[timedelta] = NOTICES) -> timedelta | None:
    """The shortest notice that is due; None while the end is far away."""
    return min((notice for notice in notices if ends_at - now <= notice), default=None)
