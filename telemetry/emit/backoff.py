"""When to try a sink again."""

from collections.abc import Callable
from dataclasses import dataclass, field

_SHORTEST_SECONDS = 0.01


@dataclass(slots=True)
class Backoff:
    """Exponential back-off with full jitter, so that services do not return to a recovering sink in step.

    Attributes:
        ratio: Returns a number in [0, 1).
        first_seconds: Ceiling of the first wait.
        longest_seconds: Ceiling of every later wait.
    """

    ratio: Callable[[], float]
    first_seconds: float = 0.25
    longest_seconds: float = 5.0
    _failures: int = field(default=0, init=False)

    def next_delay_seconds(self) -> float:
        """Count a failure and return how long to wait after it."""
        ceiling = min(self.longest_seconds, self.first_seconds * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return max(_SHORTEST_SECONDS, ceiling * self.ratio())

    def reset(self) -> None:
        """Start over after a success."""
        self._failures = 0
