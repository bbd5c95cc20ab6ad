"""The one thing that sinks ask of a clock."""

from typing import Protocol


class Clock(Protocol):
    """Wall-clock time, injected so that tests decide what time it is."""

    def time_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
