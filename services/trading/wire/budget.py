"""How many more calls a venue takes, by what it says in its answers; the last ones are kept for what matters most."""

import threading
from collections.abc import Mapping
from enum import Enum
from typing import Final

from services.kit.clock import Clock
from services.trading.wire.outcomes import BudgetUsedUpError

_LIMIT: Final = "X-Ratelimit-Limit"
LEFT_HEADER: Final = "X-Ratelimit-Remaining"
_RESET: Final = "X-Ratelimit-Reset"
# The limits are by the minute; a reset that is told to be later is the word of a clock that goes wrong.
_LONGEST_WINDOW_SECONDS: Final = 60.0


class Use(Enum):
    """What a call is for, with the share of the limit that it leaves to the uses after it."""

    ORDER = 0.2  # of Alpaca's 200 a minute 40 stay for questions and cancels: reconciling takes 6 to 12
    QUESTION = 0.05
    CANCEL = 0.0


class RateBudget:
    """Counts down between answers, so that calls under way are counted too. From any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._limit: int | None = None
        self._left: int | None = None
        self._window_ends = 0.0  # monotonic
        self._reset = 0.0  # as the venue told it

    @property
    def left(self) -> int | None:
        """Calls that the venue takes in the present window; None when it has not said."""
        with self._lock:
            return self._present()

    def take(self, use: Use) -> None:
        """Count one call. Raises `BudgetUsedUpError`; cancels always pass, the venue has the last word on them."""
        with self._lock:
            left = self._present()
            if left is None:
                return
            kept = int((self._limit or 0) * use.value)
            if left <= kept and use is not Use.CANCEL:
                seconds = max(self._window_ends - self._clock.monotonic(), 0.0)
                raise BudgetUsedUpError(
                    f"the venue takes {left} more calls in the next {seconds:.0f} s, and {kept} are kept for what "
                    f"matters more; try again then, or send fewer orders a minute",
                    retry_after_seconds=seconds,
                )
            self._left = max(left - 1, 0)

    def heard(self, headers: Mapping[str, str]) -> None:
        """Take in what an answer says."""
        limit, left, reset = (_number(headers.get(name)) for name in (_LIMIT, LEFT_HEADER, _RESET))
        if limit is None or left is None or reset is None:
            return
        with self._lock:
            present = self._present()
            # Answers overtake each other: within one window the lowest figure is the latest.
            if present is None or reset > self._reset:
                self._left = int(left)
            else:
                self._left = min(present, int(left))
            self._limit, self._reset = int(limit), reset
            ahead = min(max(reset - self._clock.now().timestamp(), 0.0), _LONGEST_WINDOW_SECONDS)
            self._window_ends = self._clock.monotonic() + ahead

    def turned_away(self, seconds: float) -> None:
        """The venue's limiter refused a call and wants to be left alone for that long."""
        with self._lock:
            self._left, self._limit = 0, self._limit or 0
            self._window_ends = self._clock.monotonic() + min(seconds, _LONGEST_WINDOW_SECONDS)

    def _present(self) -> int | None:
        now = self._clock.monotonic()
        if self._left is not None and now >= self._window_ends:
            # The next answer tells of the new window; until then the whole limit is counted down.
            self._left, self._window_ends = self._limit or None, now + _LONGEST_WINDOW_SECONDS
        return self._left


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
