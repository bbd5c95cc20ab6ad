"""The only place on the telemetry side that reads the wall clock or draws a random number."""

import random  # noqa: TID251 -- the one place
import time

from telemetry.sinks.clock import Clock

__all__ = ["Clock", "SystemClock", "random_ratio"]


class SystemClock:
    """The machine's clock."""

    def time_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return time.time_ns()  # noqa: TID251 -- the one place


def random_ratio() -> float:
    """A number in [0, 1) that spreads retries over time; nothing about it has to be unpredictable."""
    return random.random()  # noqa: S311 -- jitter, not a secret
