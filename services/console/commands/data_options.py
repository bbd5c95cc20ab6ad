"""Which bars a command of `sightline data` is about, as its options say it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Length and adjustment in words, and days without a time: from `since` on, and before `until`."""

    timeframe: str
    adjustment: str
    since: datetime | None = None
    until: datetime | None = None
