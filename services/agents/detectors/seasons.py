"""Which part of the market's day a moment belongs to: what is usual in a session is not at night.

The parts are those of the New York exchanges' regular day. Holidays count as working days: their hours are quiet, and
a quiet day in a busy part is below, not above, what is usual.
"""

from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

_NEW_YORK: Final = ZoneInfo("America/New_York")
_SATURDAY: Final = 5
# Each part begins where the one before ends. The first and the last half hour of a session are busier than the rest.
_PARTS: Final = (
    (time(4), "night"),
    (time(9, 30), "before"),
    (time(10), "opening"),
    (time(15, 30), "session"),
    (time(16), "closing"),
    (time(20), "after"),
)
SEASONS: Final = ("night", "before", "opening", "session", "closing", "after", "weekend")


def season_of(moment: datetime) -> str:
    """One of `SEASONS`."""
    local = moment.astimezone(_NEW_YORK)
    if local.weekday() >= _SATURDAY:
        return "weekend"
    return next((name for end, name in _PARTS if local.time() < end), "night")
