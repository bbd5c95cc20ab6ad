"""What was sent lately: when, for the limit on the order rate, and what it may cost, until the venue has counted it."""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import takewhile

from services.contracts.orders import VenueName


@dataclass(frozen=True, slots=True)
class _Sent:
    at: datetime
    cost: Decimal


class SentLog:
    """Orders that were sent. Safe to use from any thread.

    Args:
        window: How far back the moments are wanted.
    """

    def __init__(self, window: timedelta) -> None:
        self._window = window
        self._lock = threading.Lock()
        self._moments: deque[datetime] = deque()
        self._by_venue: dict[VenueName, deque[_Sent]] = {}
        self._totals: dict[VenueName, Decimal] = {}

    def seed(self, moments: list[datetime]) -> None:
        """Take over when orders were sent before this process began, in any order."""
        with self._lock:
            self._moments = deque(sorted({*moments, *self._moments}))

    def add(self, at: datetime, venue: VenueName, cost: Decimal) -> None:
        """An order is being sent; it may cost so many dollars."""
        with self._lock:
            self._moments.append(at)
            self._by_venue.setdefault(venue, deque()).append(_Sent(at, cost))
            self._totals[venue] = self._totals.get(venue, Decimal(0)) + cost

    def moments(self, at: datetime) -> tuple[datetime, ...]:
        """When orders were sent within the window before `at`, oldest first."""
        with self._lock:
            for _ in list(takewhile(lambda moment: at - moment > self._window, self._moments)):
                self._moments.popleft()
            return tuple(self._moments)

    def committed(self, venue: VenueName, told_at: datetime) -> Decimal:
        """Dollars that orders sent after the venue told of its account may cost."""
        with self._lock:
            sent = self._by_venue.get(venue)
            if sent is None:
                return Decimal(0)
            for each in list(takewhile(lambda each: each.at <= told_at, sent)):
                sent.popleft()
                self._totals[venue] -= each.cost
            return self._totals[venue]
