"""One flush to disk for all who wait for one at the same time: a disk takes as long for many commits as for one."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# What the size of a file needs is written as well; times are not, and nothing here reads them.
_SYNC: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)


@dataclass(slots=True, eq=False)
class _Round:
    done: bool = False
    error: Exception | None = None


class SharedSync:
    """Lets the first of those who wait flush for all of them.

    Args:
        flush: Makes everything that was written before it was called survive a power cut.
    """

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._changed = threading.Condition()
        self._next = _Round()
        self._flushing = False

    def wait(self) -> None:
        """Return once a flush has ended that began after this call.

        Raises what the flush raised, to each who waited for it: after a failure the system may believe that what was
        lost is written, and flushing again would tell nothing.
        """
        with self._changed:
            mine = self._next
            while self._flushing and not mine.done:
                self._changed.wait()
            leads = not mine.done
            if leads:
                self._flushing, self._next = True, _Round()
        if leads:
            self._lead(mine)
        if mine.error is not None:
            raise mine.error

    def _lead(self, mine: _Round) -> None:
        try:
            self._flush()
        except Exception as error:  # noqa: BLE001 -- it is raised in every thread that waits
            mine.error = error
        finally:
            with self._changed:
                mine.done, self._flushing = True, False
                self._changed.notify_all()


def sync_file(path: Path) -> None:
    """Have the system write a file to disk; nothing happens when it is not there. Raises `OSError`."""
    try:
        number = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        _SYNC(number)
    finally:
        os.close(number)
