"""Alpaca's limit: so many requests of an account in each minute, told with every answer."""

from dataclasses import dataclass
from typing import Final

from services.kit.clock import Clock

WINDOW_SECONDS: Final = 60.0


@dataclass(slots=True)
class _Window:
    ends: float
    left: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of an account's requests. `reset` is in Unix seconds."""

    limit: int
    left: int
    reset: int
    allowed: bool

    def headers(self) -> dict[str, str]:
        """As Alpaca tells it."""
        return {
            "X-Ratelimit-Limit": str(self.limit),
            "X-Ratelimit-Remaining": str(self.left),
            "X-Ratelimit-Reset": str(self.reset),
        }


class RateLimit:
    """Counts requests per account in windows of a minute that begin with the first request.

    Args:
        clock: Time.
        limit: Requests per window.
    """

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self.limit = limit
        self._windows: dict[str, _Window] = {}

    def take(self, account_id: str) -> Allowance:
        """Count a request."""
        now = self._clock.monotonic()
        window = self._windows.get(account_id)
        if window is None or now >= window.ends:
            window = self._windows[account_id] = _Window(now + WINDOW_SECONDS, self.limit)
        allowed = window.left > 0
        window.left -= allowed
        reset = int(self._clock.now().timestamp() + window.ends - now) + 1
        return Allowance(self.limit, window.left, reset, allowed)
