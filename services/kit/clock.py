"""Time, as everything else in the services gets it handed in."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a service may ask about time."""

    def now(self) -> datetime:
        """The present moment as an aware datetime in UTC."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, never going back: for durations and deadlines within one process."""


class SystemClock:
    """The clock of the machine. The one place on the services' side that reads it."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 -- this class is the clock that the ban points to

    def monotonic(self) -> float:
        return time.monotonic()
