"""What the logging handler talks to, as tests see it: a sink under orders and a counting observer."""

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence

from telemetry.records import LogEntry, Outcome


class ScriptedSink:
    """Answers with `script`, one outcome per batch, then with `outcome`; remembers what it was given.

    `gate` closed makes it block; `poison` makes it raise on a line that holds the text.
    """

    name = "scripted"

    def __init__(self, outcome: Outcome = Outcome.DELIVERED) -> None:
        self.outcome = outcome
        self.script: deque[Outcome | Exception] = deque()
        self.poison = ""
        self.gate = threading.Event()
        self.gate.set()
        self.blocked = threading.Event()
        self.batches: list[tuple[LogEntry, ...]] = []
        self.delivered: list[LogEntry] = []
        self.closed = False
        self._changed = threading.Condition()

    @property
    def texts(self) -> list[str]:
        return [entry.line for entry in self.delivered]

    def send(self, entries: Sequence[LogEntry]) -> Outcome:
        if not self.gate.is_set():
            self.blocked.set()
            self.gate.wait()
        if self.poison and any(self.poison in entry.line for entry in entries):
            raise ValueError("cannot write this")
        with self._changed:
            outcome = self.script.popleft() if self.script else self.outcome
            if isinstance(outcome, Exception):
                raise outcome
            self.batches.append(tuple(entries))
            if outcome is Outcome.DELIVERED:
                self.delivered += entries
            self._changed.notify_all()
            return outcome

    def close(self) -> None:
        self.closed = True

    def wait_until(self, condition: Callable[["ScriptedSink"], bool], timeout_seconds: float = 20.0) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: condition(self), timeout_seconds)


class CountingObserver:
    """Adds up what it is told."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._changed = threading.Condition()

    def accepted(self, count: int) -> None:
        self._add("accepted", count)

    def delivered(self, sink_name: str, count: int) -> None:
        self._add(f"delivered:{sink_name}", count)

    def dropped(self, reason: str, count: int) -> None:
        self._add(f"dropped:{reason}", count)

    def spooled(self, count: int) -> None:
        self._add("spooled", count)

    def replayed(self, count: int) -> None:
        self._add("replayed", count)

    def wait_for(self, name: str, count: int, timeout_seconds: float = 20.0) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.counts[name] >= count, timeout_seconds)

    def _add(self, name: str, count: int) -> None:
        with self._changed:
            self.counts[name] += count
            self._changed.notify_all()
