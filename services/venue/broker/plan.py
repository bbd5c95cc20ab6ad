"""Which faults are due: counted per fault, in the order in which they were planned, and the same for the same seed."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from services.kit.clock import Clock
from services.venue.broker.faults import OF_FRAMES, OF_VENUE, Fault, FaultKind, Kind
from services.venue.broker.frames import News

_BITS: Final = 53


@dataclass(slots=True)
class Planned:
    """A fault and how often it could have happened and did. `due_at` is monotonic, in seconds."""

    number: int
    fault: Fault
    due_at: float
    seen: int = 0
    used: int = 0

    @property
    def spent(self) -> bool:
        """Whether it will not happen any more."""
        return self.fault.count is not None and self.used >= self.fault.count


class FaultPlan:
    """The faults of one venue. Used from one thread.

    Args:
        clock: For faults that wait.
        seed: For faults that happen with some probability.
        happened: Hears of each fault that is due.
    """

    def __init__(self, clock: Clock, *, seed: int = 0, happened: Callable[[FaultKind], None] = lambda _: None) -> None:
        self._clock = clock
        self._happened = happened
        self._seed = seed
        self._draws = 0
        self._numbers = 0
        self._planned: list[Planned] = []

    def add(self, *faults: Fault) -> list[Planned]:
        """Plan faults, behind those that are planned already."""
        now = self._clock.monotonic()
        added = []
        for fault in faults:
            self._numbers += 1
            added.append(Planned(self._numbers, fault, now + fault.after_seconds))
        self._planned += added
        return added

    def clear(self, number: int | None = None) -> int:
        """Take a fault back, or all of them; says how many."""
        before = len(self._planned)
        self._planned = [each for each in self._planned if number is not None and each.number != number]
        return before - len(self._planned)

    @property
    def planned(self) -> list[Planned]:
        """What may still happen."""
        return list(self._planned)

    def at_request(self, kind: Kind) -> list[Fault]:
        """What happens at this request, other than to its frames."""
        if not self._planned:
            return []
        return self._due(lambda fault: _at_request(fault, kind))

    def at_news(self, news: News) -> list[Fault]:
        """What happens to this frame."""
        if not self._planned:
            return []
        return self._due(lambda fault: fault.fault in OF_FRAMES and (not fault.news or news in fault.news))

    def by_time(self) -> list[Fault]:
        """What happens to the venue now because its time has come."""
        if not self._planned:
            return []
        return self._due(lambda fault: fault.fault in OF_VENUE and not fault.on)

    def latency(self, fault: Fault) -> float:
        """Seconds that a latency takes now."""
        start = fault.seconds or 0.0
        if fault.to_seconds is None:
            return start
        since = max((self._clock.monotonic() - each.due_at for each in self._planned if each.fault is fault), default=0)
        share = 1.0 if since >= fault.ramp_seconds else since / fault.ramp_seconds
        return start + (fault.to_seconds - start) * share

    def _due(self, concerns: Callable[[Fault], bool]) -> list[Fault]:
        now = self._clock.monotonic()
        due = []
        for each in self._planned:
            if now < each.due_at or not concerns(each.fault):
                continue
            each.seen += 1
            if each.seen <= each.fault.skip or not self._happens(each.fault):
                continue
            each.used += 1
            due.append(each.fault)
            self._happened(each.fault.fault)
        if due:
            self._planned = [each for each in self._planned if not each.spent]
        return due

    def _happens(self, fault: Fault) -> bool:
        if fault.probability >= 1:
            return True
        self._draws += 1
        drawn = hashlib.sha256(f"{self._seed}:{self._draws}".encode()).digest()
        return int.from_bytes(drawn[:8]) >> (64 - _BITS) < fault.probability * (1 << _BITS)


def one_of(faults: Collection[Fault], *kinds: FaultKind) -> Fault | None:
    """The first of these kinds."""
    return next((fault for fault in faults if fault.fault in kinds), None)


def _at_request(fault: Fault, kind: Kind) -> bool:
    if fault.fault in OF_FRAMES:
        return False
    if fault.fault in OF_VENUE and not fault.on:
        return False
    return fault.concerns(kind)
