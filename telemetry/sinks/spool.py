"""Batches of log lines kept on disk while their sink is away.

One directory per process below the service's own, held by a lock that the kernel releases however the process ends.
A batch is one file: written, flushed to the disk, then renamed into place, so that a reader never meets half of it.
"""

import gzip
import json
import os
import zlib
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from telemetry.records import LogEntry
from telemetry.sinks.clock import Clock
from telemetry.sinks.spool_directory import OwnedDirectory, claim_directory, claim_orphans

MAX_BYTES = 64 * 1024 * 1024
MAX_REJECTED_FILES = 8

_SUFFIX = ".batch"
# What a small file really occupies; without it, an outage of a quiet service would fill the disk with tiny files.
_BLOCK_BYTES = 4_096
_UNREADABLE = (OSError, EOFError, ValueError, TypeError, zlib.error)


class SpooledBatch(NamedTuple):
    """One batch on disk. Its name sorts by the time of its writing."""

    name: str
    entries: tuple[LogEntry, ...]


class _File(NamedTuple):
    name: str
    size_bytes: int
    lines: int


class Spool:
    """A queue of batches on disk, oldest first, that never exceeds `max_bytes`. Used by one thread at a time.

    Args:
        directory: The service's spool; each process makes its own directory (mode 0700) in it.
        max_bytes: Room for this process, in bytes; the oldest batches make way for new ones.
        clock: Tells the age of a batch.
    """

    def __init__(self, directory: Path, *, max_bytes: int = MAX_BYTES, clock: Clock) -> None:
        self._root = directory
        self._max_bytes = max_bytes
        self._clock = clock
        self._owned: OwnedDirectory | None = None
        self._files: deque[_File] = deque()
        self._size_bytes = 0
        self._sequence = 0

    def open(self) -> int:
        """Claim a directory and take over what dead processes left. Returns the number of lines lost for room.

        Raises:
            OSError: The directory cannot be made or written to.
        """
        if self._owned is None:
            self._owned = claim_directory(self._root)
            claim_orphans(self._root, self._owned, _SUFFIX)
            self._files = deque(sorted(_scan(self._owned.path)))
            self._size_bytes = sum(file.size_bytes for file in self._files)
        return self._make_room(0)

    def append(self, entries: Sequence[LogEntry]) -> int:
        """Write a batch so that it survives a power cut. Returns the number of older lines lost for room.

        Raises:
            OSError: The disk did not take it.
        """
        owned = self._directory()
        content = gzip.compress(json.dumps(entries, separators=(",", ":")).encode(), 1)
        lost = self._make_room(_on_disk(len(content)))
        self._sequence += 1
        name = f"{self._clock.time_ns():020d}-{self._sequence:06d}-{len(entries)}{_SUFFIX}"
        _write_durably(owned.path, name, content)
        self._files.append(_File(name, _on_disk(len(content)), len(entries)))
        self._size_bytes += _on_disk(len(content))
        return lost

    def oldest(self) -> SpooledBatch | None:
        """Return the batch that has waited longest, None when nothing waits.

        A file that cannot be read is moved to the rejected ones and passed over.
        """
        while self._files:
            file = self._files[0]
            path = self._directory().path / file.name
            try:
                return SpooledBatch(file.name, _read(path))
            except _UNREADABLE:
                self._forget_oldest()
                self._keep_rejected_file(path)
        return None

    def holds(self, entries: Iterable[LogEntry]) -> set[LogEntry]:
        """Return those of `entries` that wait in a batch already. Reads the whole spool."""
        wanted = set(entries)
        found: set[LogEntry] = set()
        for file in self._files:
            with suppress(*_UNREADABLE):  # `oldest` deals with a damaged file when its turn comes
                found |= wanted.intersection(_read(self._directory().path / file.name))
        return found

    def remove(self, batch: SpooledBatch) -> None:
        """Delete a batch that its sink has taken; nothing happens when it is gone already."""
        if self._files and self._files[0].name == batch.name:
            self._forget_oldest()
        (self._directory().path / batch.name).unlink(missing_ok=True)

    def keep_rejected(self, entries: Sequence[LogEntry]) -> None:
        """Keep a copy of what the sink refused, the latest `MAX_REJECTED_FILES` batches, to be looked at by hand.

        Raises:
            OSError: The disk did not take it.
        """
        self._sequence += 1
        name = f"{self._clock.time_ns():020d}-{self._sequence:06d}-{len(entries)}.rejected"
        content = gzip.compress(json.dumps(entries, separators=(",", ":")).encode(), 1)
        _write_durably(self._rejected_directory(), name, content)
        self._trim_rejected()

    def rejected_files(self) -> list[Path]:
        """Return the kept copies of refused batches, oldest first; gzip-compressed JSON."""
        return sorted((self._root / "rejected").glob("*.rejected"))

    def __len__(self) -> int:
        return len(self._files)

    @property
    def pending_entries(self) -> int:
        """Lines that wait."""
        return sum(file.lines for file in self._files)

    @property
    def size_bytes(self) -> int:
        """Bytes that the waiting batches occupy on disk."""
        return self._size_bytes

    def oldest_age_seconds(self) -> float:
        """Seconds since the oldest batch was written; 0 when nothing waits."""
        try:
            written_ns = int(self._files[0].name.split("-", 1)[0])
        except IndexError:
            return 0.0
        return max(0.0, (self._clock.time_ns() - written_ns) / 1e9)

    def forked(self) -> None:
        """Forget, in a child process, the parent's directory: the parent still delivers from it."""
        if self._owned is not None:
            self._owned.abandon()
        self._owned = None
        self._files = deque()
        self._size_bytes = 0

    def close(self) -> None:
        """Let go of the directory; what waits in it is taken over by the next process of the service."""
        if self._owned is not None:
            self._owned.release(remove=not self._files)
        self._owned = None

    def _directory(self) -> OwnedDirectory:
        if self._owned is None:
            self._owned = claim_directory(self._root)
        return self._owned

    def _make_room(self, wanted_bytes: int) -> int:
        lost = 0
        while self._files and self._size_bytes + wanted_bytes > self._max_bytes:
            file = self._files[0]
            self._forget_oldest()
            (self._directory().path / file.name).unlink(missing_ok=True)
            lost += file.lines
        return lost

    def _forget_oldest(self) -> None:
        self._size_bytes -= self._files.popleft().size_bytes

    def _rejected_directory(self) -> Path:
        directory = self._root / "rejected"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory

    def _keep_rejected_file(self, path: Path) -> None:
        if path.exists():
            path.rename(self._rejected_directory() / f"{path.stem}.rejected")
            self._trim_rejected()

    def _trim_rejected(self) -> None:
        for path in self.rejected_files()[:-MAX_REJECTED_FILES]:
            path.unlink(missing_ok=True)


def _scan(directory: Path) -> list[_File]:
    files = []
    for path in directory.glob(f"*{_SUFFIX}"):
        count = path.stem.rsplit("-", 1)[-1]
        files.append(_File(path.name, _on_disk(path.stat().st_size), int(count) if count.isdigit() else 0))
    return files


def _on_disk(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES


def _read(path: Path) -> tuple[LogEntry, ...]:
    return tuple(_entry(row) for row in json.loads(gzip.decompress(path.read_bytes())))


def _entry(row: list[object]) -> LogEntry:
    time_ns, level, logger, line, trace_id, span_id, fields = row
    if not isinstance(time_ns, int) or not isinstance(fields, list):
        raise TypeError("not a log entry")
    pairs = tuple((str(name), str(value)) for name, value in fields)
    return LogEntry(time_ns, str(level), str(logger), str(line), str(trace_id), str(span_id), pairs)


def _write_durably(directory: Path, name: str, content: bytes) -> None:
    temporary = directory / f"{name}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(directory / name)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
