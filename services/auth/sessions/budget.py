"""How often a login may be sent to a broker. Pure.

Brokers lock accounts that fail too often, and none says how often is too often; so the count is of submissions, not of
failures, and it is kept on disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` submissions in any span of `window`."""

    count: int
    window: timedelta


LIMITS: Final = (Limit(3, timedelta(minutes=30)), Limit(6, timedelta(days=1)))


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left.

    Attributes:
        remaining: Submissions that may be sent now.
        allowed_at: When the next one may be sent; now or in the past if one may be sent now.
    """

    remaining: int
    allowed_at: datetime


def budget(submissions: Sequence[datetime], now: datetime, limits: Sequence[Limit] = LIMITS) -> Budget:
    """Work out what is left after `submissions`.

    A submission in the future, left by a clock that was ahead, counts as one of this moment: setting the clock back
    does not give attempts back.
    """
    made = sorted(min(submission, now) for submission in submissions)
    remaining, allowed_at = max(limit.count for limit in limits), now
    for limit in limits:
        within = [submission for submission in made if now - submission < limit.window]
        remaining = min(remaining, max(0, limit.count - len(within)))
        if len(within) >= limit.count:
            allowed_at = max(allowed_at, within[-limit.count] + limit.window)
    return Budget(remaining, allowed_at)
