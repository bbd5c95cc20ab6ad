"""How far the machine's clock is off, from the Date headers of HTTPS answers.

A server that wrote `Date: D` had its clock in [D, D+1) at some moment between our sending and our receiving. So each
answer gives an interval that holds the offset; the offset that most servers agree on lies where most intervals overlap
(Marzullo, "Maintaining the Time in a Distributed System", 1984).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.auth.errors import ClockUnfitError

WARN_ABOVE_SECONDS: Final = 2.0
FAIL_ABOVE_SECONDS: Final = 15.0
LONGEST_ROUND_TRIP_SECONDS: Final = 5.0
_DATE_RESOLUTION_SECONDS: Final = 1.0
_LARGEST_STEP_SECONDS: Final = 0.5


class ClockStatus(StrEnum):
    """What the offset means for one-time codes."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DateSample:
    """One answer.

    Attributes:
        server_date: The Date header, whole Unix seconds.
        sent_at: Our clock just before sending, Unix seconds.
        received_at: Our clock just after receiving.
        elapsed_seconds: The same span by the monotonic clock.
    """

    server_date: int
    sent_at: float
    received_at: float
    elapsed_seconds: float

    @property
    def usable(self) -> bool:
        """Whether the answer was quick, and our clock was not set meanwhile."""
        span = self.received_at - self.sent_at
        steady = abs(span - self.elapsed_seconds) <= _LARGEST_STEP_SECONDS
        return steady and 0 <= self.elapsed_seconds <= LONGEST_ROUND_TRIP_SECONDS

    @property
    def interval(self) -> tuple[float, float]:
        """Least and greatest offset (server minus us, seconds) that explain the answer."""
        earliest = self.server_date - max(self.received_at, self.sent_at)
        latest = self.server_date + _DATE_RESOLUTION_SECONDS - self.sent_at
        return min(earliest, latest), latest


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """What a majority of servers agrees on.

    Attributes:
        low: Least offset, seconds; add it to our clock to get theirs.
        high: Greatest offset, seconds.
        agreeing: How many answers the interval explains.
        answers: How many there were.
    """

    low: float
    high: float
    agreeing: int
    answers: int

    @property
    def seconds(self) -> float:
        """The best estimate; off by at most half the interval."""
        return (self.low + self.high) / 2

    @property
    def status(self) -> ClockStatus:
        """Up to 2 s off: ok. Up to 15 s: corrected, with a warning. More, fail. Unknown without a majority."""
        if self.agreeing * 2 <= self.answers:
            return ClockStatus.UNKNOWN
        if abs(self.seconds) > FAIL_ABOVE_SECONDS:
            return ClockStatus.FAIL
        return ClockStatus.WARN if abs(self.seconds) > WARN_ABOVE_SECONDS else ClockStatus.OK


UNKNOWN: Final = ClockOffset(0.0, 0.0, 0, 0)


def estimate(samples: Sequence[DateSample]) -> ClockOffset:
    """The offset that most of the usable samples agree on; `UNKNOWN` without any."""
    return intersect([sample.interval for sample in samples if sample.usable])


def intersect(intervals: Sequence[tuple[float, float]]) -> ClockOffset:
    """Marzullo's algorithm: the narrowest interval that the greatest number of intervals shares."""
    # At one place, intervals begin (-1) before others end (+1): touching ones overlap.
    edges = sorted([(low, -1) for low, _ in intervals] + [(high, 1) for _, high in intervals])
    best, depth, low, high = 0, 0, 0.0, 0.0
    for position, (place, kind) in enumerate(edges):
        depth -= kind
        if depth > best:
            best, low, high = depth, place, edges[position + 1][0]
    return ClockOffset(low, high, best, len(intervals))


class ClockWatch:
    """Holds the last estimate for those who need right time."""

    def __init__(self) -> None:
        self._offset = UNKNOWN

    @property
    def offset(self) -> ClockOffset:
        """The last estimate."""
        return self._offset

    def note(self, offset: ClockOffset) -> None:
        """Take over a new estimate. One without a majority does not replace a known one."""
        if offset.status is not ClockStatus.UNKNOWN or self._offset.status is ClockStatus.UNKNOWN:
            self._offset = offset

    def correction_seconds(self) -> float:
        """Seconds to add to the machine's clock: 0 while it is right or unknown, the offset while it is a little off.

        Raises:
            ClockUnfitError: It is more than 15 s off.
        """
        match self._offset.status:
            case ClockStatus.OK | ClockStatus.UNKNOWN:
                return 0.0
            case ClockStatus.WARN:
                return self._offset.seconds
            case ClockStatus.FAIL:
                raise ClockUnfitError(
                    f"The clock is {abs(self._offset.seconds):.0f} s off; codes would be refused. Set it, or let a time"
                    " service (chrony, systemd-timesyncd) keep it."
                )
