"""New identifiers. Randomness is handed in, so that a test can foretell it."""

import secrets
from typing import Protocol
from uuid import UUID

from services.contracts.ids import EventId
from services.kit.clock import Clock

_RANDOM_BITS = 62
_SUB_MILLISECOND_STEPS = 4096


class Randomness(Protocol):
    """Where randomness comes from."""

    def bits(self, count: int) -> int:
        """A number of `count` random bits."""

    def fraction(self) -> float:
        """A number in [0, 1)."""

    def token(self) -> str:
        """128 random bits as URL-safe text."""


class SystemRandomness:
    """Randomness of the operating system, good enough for keys."""

    def bits(self, count: int) -> int:
        return secrets.randbits(count)

    def fraction(self) -> float:
        return secrets.randbits(53) / (1 << 53)

    def token(self) -> str:
        return secrets.token_urlsafe(16)


class Ids(Protocol):
    """Makes the identifiers that a service gives out."""

    def event_id(self) -> EventId:
        """A new id for an event, unique and later than those made before it."""


class SystemIds:
    """Ids from the given clock and randomness."""

    def __init__(self, clock: Clock, randomness: Randomness | None = None) -> None:
        self._clock = clock
        self._randomness = randomness or SystemRandomness()

    def event_id(self) -> EventId:
        return new_event_id(self._clock, self._randomness)


def new_event_id(clock: Clock, randomness: Randomness | None = None) -> EventId:
    """Make a UUIDv7 (RFC 9562, section 5.7).

    The 12 bits after the version hold the fraction of the millisecond (section 6.2, method 3), so that ids made
    within one millisecond still sort by time, to the microsecond that the clock resolves.
    """
    source = randomness or SystemRandomness()
    microseconds = _unix_microseconds(clock)
    milliseconds, remainder = divmod(microseconds, 1000)
    fraction = remainder * _SUB_MILLISECOND_STEPS // 1000
    value = (milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << _RANDOM_BITS) | source.bits(_RANDOM_BITS)
    return EventId(str(UUID(int=value)))


def _unix_microseconds(clock: Clock) -> int:
    now = clock.now()
    return int(now.timestamp()) * 1_000_000 + now.microsecond
