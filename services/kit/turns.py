"""Turns at something that one thread at a time may use, in the order in which they were asked for."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class TurnTimeoutError(Exception):
    """The turn did not come in time."""


class Turns:
    """A lock that is handed to whoever has waited longest.

    An ordinary lock is free for a moment when it is released, and a thread that asks again at once takes it before the
    one that was woken: under load some threads then wait for ever.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Event] = deque()

    @contextmanager
    def turn(self, *, timeout_seconds: float) -> Iterator[None]:
        """Wait for a turn and hold it as long as the block runs. Raises `TurnTimeoutError`."""
        self._take(timeout_seconds)
        try:
            yield
        finally:
            self._hand_on()

    def _take(self, timeout_seconds: float) -> None:
        with self._mutex:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(timeout_seconds):
            return
        with self._mutex:
            if mine in self._waiting:
                self._waiting.remove(mine)
                raise TurnTimeoutError
        # It was handed over in the last moment.

    def _hand_on(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False
