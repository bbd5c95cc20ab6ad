"""A write-ahead file of the audit trail: what a killed process had logged is delivered by the next one."""

import fcntl
import json
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from telemetry.emit.buffer import is_audit
from telemetry.records import LogEntry

MAX_BYTES = 16 * 1024 * 1024

# `json.dumps` with separators would make an encoder for every line, on the caller's time.
_encode = json.JSONEncoder(separators=(",", ":")).encode


class AuditJournal:
    """Writes `audit.*` lines to a 0600 file on the caller's thread, before they are queued.

    The kernel holds a line once it is written, so SIGKILL loses none; it is not flushed to the disk, so a power cut
    may. The file is emptied whenever everything in it has been delivered or spooled.

    Args:
        path: The file; a process that finds it in use by another one adds its own id to the name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # A signal handler may log while this thread is writing.
        self._lock = threading.RLock()
        self._descriptor: int | None = None
        self._pending = 0
        self._size_bytes = 0

    def open(self) -> list[LogEntry]:
        """Open the file and return the lines that dead processes left in it and its siblings, oldest first.

        Call `forget_recovered` once they are safe elsewhere.

        Raises:
            OSError: The file cannot be made or read.
        """
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        recovered: list[LogEntry] = []
        for path in sorted(self._path.parent.glob(f"{self._path.name}.*")):
            recovered += _recover_sibling(path)
        with self._lock:
            self._descriptor = self._claim()
            recovered += _read(self._descriptor)
        return sorted(recovered)

    def forget_recovered(self) -> None:
        """Empty the file; what dead processes left has been put somewhere safe."""
        with self._lock:
            if self._descriptor is not None and self._pending == 0:
                os.ftruncate(self._descriptor, 0)
                self._size_bytes = 0
        for path in sorted(self._path.parent.glob(f"{self._path.name}.*")):
            _remove_if_orphan(path)

    def append(self, entry: LogEntry) -> None:
        """Write a line if it belongs to the audit trail. Beyond `MAX_BYTES` lines are queued without it.

        Raises:
            OSError: The file did not take it.
        """
        if not is_audit(entry.logger):
            return
        line = _encode(entry).encode() + b"\n"
        with self._lock:
            if self._descriptor is None or self._size_bytes + len(line) > MAX_BYTES:
                return
            os.write(self._descriptor, line)
            self._size_bytes += len(line)
            self._pending += 1

    def settle(self, entries: Iterable[LogEntry]) -> None:
        """Note that entries are delivered or spooled; the last one outstanding empties the file."""
        count = sum(1 for entry in entries if is_audit(entry.logger))
        if not count:
            return
        with self._lock:
            self._pending = max(0, self._pending - count)
            if self._pending == 0 and self._descriptor is not None:
                os.ftruncate(self._descriptor, 0)
                self._size_bytes = 0

    def forked(self) -> None:
        """Go on with an own file in a child process; the parent's lines stay the parent's."""
        self._lock = threading.RLock()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = self._claim()
        self._pending = 0
        self._size_bytes = 0

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None

    def _claim(self) -> int:
        for path in (self._path, self._path.with_name(f"{self._path.name}.{os.getpid()}")):
            descriptor = _open_locked(path)
            if descriptor is not None:
                return descriptor
        raise OSError(f"the audit file {self._path} is locked by another process; give each service its own path")


def _open_locked(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.fchmod(descriptor, 0o600)
    return descriptor


def _recover_sibling(path: Path) -> list[LogEntry]:
    descriptor = _open_locked(path)
    if descriptor is None:
        return []
    try:
        return _read(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_orphan(path: Path) -> None:
    descriptor = _open_locked(path)
    if descriptor is not None:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _read(descriptor: int) -> list[LogEntry]:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        lines = file.read().splitlines()
    entries = []
    for line in lines:
        with suppress(ValueError, TypeError):  # the last line of a killed process may be half of one
            time_ns, level, logger, text, trace_id, span_id, fields = json.loads(line)
            pairs = tuple((name, value) for name, value in fields)
            entries.append(LogEntry(time_ns, level, logger, text, trace_id, span_id, pairs))
    return entries
