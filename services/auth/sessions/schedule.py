"""When to renew a session and when to try again. Pure; chance is handed in as a fraction in [0, 1)."""

from datetime import datetime, timedelta
from typing import Final

REFRESH_AT: Final = 2 / 3
REFRESH_JITTER: Final = 0.05
FIRST_BACK_OFF: Final = timedelta(seconds=5)
LONGEST_BACK_OFF: Final = timedelta(minutes=15)
_MOST_DOUBLINGS: Final = 12  # 5 s doubled so often is beyond the longest wait


def refresh_at(started_at: datetime, expires_at: datetime, fraction: float) -> datetime:
    """When to renew: at two thirds of the session's life, up to 5 % of it earlier.

    The chance keeps accounts from all coming at once. A third of the life is left to try again in.
    """
    life = max(timedelta(0), expires_at - started_at)
    return started_at + life * (REFRESH_AT - REFRESH_JITTER * fraction)


def back_off(failures: int, fraction: float) -> timedelta:
    """How long to wait after so many failures in a row: doubling from 5 s to 15 min, half of it left to chance."""
    doublings = min(max(failures - 1, 0), _MOST_DOUBLINGS)
    full = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * (1 << doublings))
    return full / 2 + full / 2 * fraction
