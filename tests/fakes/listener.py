"""A listener that keeps what a venue's stream told, and fails where a test says so."""

import threading
import time
from collections.abc import Callable, Sequence

from services.trading.brokers.port import Told, Update


class RecordingListener:
    """Implements `UpdateListener`.

    Attributes:
        told: What was told, as words: "connected", "disconnected", "frame", "update", "unreadable".
        updates, frames, reasons, problems: The same with its content.
        threads: Names of the threads that called.
        fails: Raises on the calls of this name.
    """

    def __init__(self, *, fails: str = "") -> None:
        self.told: list[str] = []
        self.updates: list[Update] = []
        self.frames: list[str] = []
        self.reasons: list[str] = []
        self.problems: list[tuple[str, str]] = []
        self.threads: set[str] = set()
        self.fails = fails

    def connected(self) -> None:
        self._tell("connected")

    def disconnected(self, reason: str) -> None:
        self.reasons.append(reason)
        self._tell("disconnected")

    def updates(self, told: Sequence[Told]) -> None:
        if self.fails:
            raise RuntimeError("the listener takes frames one by one alone")
        for each in told:
            self.frame(each.raw)
            if each.update is not None:
                self.update(each.update, each.raw)

    def frame(self, raw: str) -> None:
        self.frames.append(raw)
        self._tell("frame")

    def update(self, update: Update, raw: str) -> None:  # noqa: ARG002 -- the port's
        self.updates.append(update)
        self._tell("update")

    def unreadable(self, raw: str, problem: str) -> None:
        self.problems.append((raw, problem))
        self._tell("unreadable")

    def wait_for(self, condition: Callable[["RecordingListener"], bool], *, seconds: float = 10.0) -> None:
        """Return once the condition holds. Blocks."""
        deadline = time.monotonic() + seconds
        while not condition(self):
            assert time.monotonic() < deadline, f"it never held; told so far: {self.told}"
            time.sleep(0.005)

    def _tell(self, word: str) -> None:
        self.threads.add(threading.current_thread().name)
        self.told.append(word)
        if word == self.fails:
            raise RuntimeError(f"the listener fails at {word}")
