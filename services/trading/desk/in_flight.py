"""Counts the calls that may bring a new order to a venue, so that the kill switch knows when none is under way."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.contracts.orders import VenueName


class InFlight:
    """Lets calls through while they are allowed, and tells when those that were let through have come back.

    Args:
        allowed: Looked at under the lock, so that after the moment from which it is False no call begins.
    """

    def __init__(self, allowed: Callable[[], bool]) -> None:
        self._allowed = allowed
        self._counts: Counter[VenueName] = Counter()
        self._changed = threading.Condition()

    @contextmanager
    def call(self, venue: VenueName) -> Iterator[bool]:
        """A call to a venue; yields False when it must not be made."""
        with self._changed:
            allowed = self._allowed()
            self._counts[venue] += allowed
        try:
            yield allowed
        finally:
            if allowed:
                with self._changed:
                    self._counts[venue] -= 1
                    self._changed.notify_all()

    def none_at(self, venue: VenueName) -> bool:
        """Whether no call to the venue is under way."""
        with self._changed:
            return self._counts[venue] == 0
