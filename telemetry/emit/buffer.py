"""The bounded buffer between the threads that log and the one that delivers."""

import threading
from collections import deque
from contextlib import suppress

from telemetry.emit.entries import LEVELS
from telemetry.records import LogEntry

AUDIT_LOGGER = "audit"
_AUDIT_PREFIX = f"{AUDIT_LOGGER}."
_RANKS = {level: rank for rank, level in enumerate(LEVELS)}
_AUDIT_RANK = len(LEVELS)


def is_audit(logger: str) -> bool:
    """Say whether a logger belongs to the audit trail."""
    return logger.startswith(_AUDIT_PREFIX) or logger == AUDIT_LOGGER


class LogBuffer:
    """Holds entries by level, so that the least important one is at hand when there is no room.

    `put` takes no lock: it relies on `deque.append` and `deque.popleft` being atomic. Threads that log at the very
    same moment may exceed `max_entries` by their number.
    """

    def __init__(self, max_entries: int, wake_at: int) -> None:
        self._max_entries = max_entries
        self._wake_at = wake_at
        self._queues = tuple(deque[LogEntry]() for _ in range(_AUDIT_RANK + 1))
        self._consumer_waits = False
        self._bell = threading.Lock()
        self._bell.acquire()

    def __len__(self) -> int:
        a, b, c, d, e, f = self._queues
        return len(a) + len(b) + len(c) + len(d) + len(e) + len(f)

    def put(self, entry: LogEntry) -> bool:
        """Add an entry. Returns False when one was lost for it: the oldest of a lower level, or the entry itself."""
        rank = _RANKS[entry[1]] if not is_audit(entry[2]) else _AUDIT_RANK
        a, b, c, d, e, f = self._queues
        length = len(a) + len(b) + len(c) + len(d) + len(e) + len(f)
        kept_all = length < self._max_entries or self._evict_below(rank)
        if kept_all is not None:
            self._queues[rank].append(entry)
        if self._consumer_waits and length + 1 >= self._wake_at:
            self.wake()
        return kept_all is True

    def _evict_below(self, rank: int) -> bool | None:
        for queue in self._queues[:rank]:
            with suppress(IndexError):  # empty, or emptied by the consumer a moment ago
                queue.popleft()
                return False
        return None

    def take(self, max_entries: int, max_chars: int) -> list[LogEntry]:
        """Remove and return a batch, in order of time; what matters most is taken first. One thread calls this."""
        batch: list[LogEntry] = []
        chars = 0
        for queue in reversed(self._queues):
            for _ in range(min(len(queue), max_entries - len(batch))):
                try:
                    entry = queue.popleft()
                except IndexError:  # a caller needed the room
                    break
                batch.append(entry)
                chars += len(entry[3])
                if chars >= max_chars:
                    break
            if chars >= max_chars or len(batch) == max_entries:
                break
        batch.sort(key=_time_ns)
        return batch

    def wait(self, timeout_seconds: float) -> None:
        """Block the consumer until a batch is there, `wake` is called or the time is up."""
        self._consumer_waits = True
        if len(self) < self._wake_at:
            self._bell.acquire(timeout=timeout_seconds)
        self._consumer_waits = False

    def wake(self) -> None:
        """End the consumer's wait. Safe in a signal handler: it never blocks."""
        with suppress(RuntimeError):  # it rings already
            self._bell.release()


def _time_ns(entry: LogEntry) -> int:
    return entry[0]
