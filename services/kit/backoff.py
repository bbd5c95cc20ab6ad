"""How long to wait before trying again."""

from services.kit.ids import Randomness

_MOST_DOUBLINGS = 32


def delay_seconds(failures: int, randomness: Randomness, *, first_seconds: float, most_seconds: float) -> float:
    """Seconds to wait after the given number of failures in a row, from 1.

    Doubles from `first_seconds` up to `most_seconds`; a random half of it is taken off, so that many who failed
    together do not return together.
    """
    doublings = min(max(failures, 1) - 1, _MOST_DOUBLINGS)
    full = min(first_seconds * 2.0**doublings, most_seconds)
    return full * (0.5 + randomness.fraction() / 2)
