"""Who owns which spool directory: one per process, held by a file lock, taken over when its owner is dead.

A lock and not the process id decides, because ids are used again (in a container, every process may be number 1).
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

_LOCK = "lock"
_MAX_INSTANCES = 100


class OwnedDirectory:
    """A directory whose lock this process holds."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    def release(self, *, remove: bool) -> None:
        """Unlock; with `remove`, delete the directory as well if it is empty."""
        if remove:
            with suppress(OSError):  # somebody put a file there: the next process takes it over
                (self.path / _LOCK).unlink(missing_ok=True)
                self.path.rmdir()
        os.close(self._lock)

    def abandon(self) -> None:
        """Close the descriptor that a child process inherited; the parent's lock stays."""
        os.close(self._lock)


def claim_directory(root: Path) -> OwnedDirectory:
    """Make or reuse `<root>/<pid>[.<n>]` (mode 0700) and lock it.

    Raises:
        OSError: It cannot be made, or the file system has no locks.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    root.chmod(0o700)
    for instance in range(_MAX_INSTANCES):
        name = str(os.getpid()) if instance == 0 else f"{os.getpid()}.{instance}"
        owned = _try_claim(root / name)
        if owned is not None:
            return owned
    raise OSError(f"no free spool directory in {root}: {_MAX_INSTANCES} are in use by this process")


def claim_orphans(root: Path, owned: OwnedDirectory, suffix: str) -> None:
    """Move every batch of a dead process into `owned`; names sort by time, so the order is kept."""
    for directory in sorted(root.iterdir()):
        if directory == owned.path or not directory.is_dir() or not directory.name.replace(".", "").isdigit():
            continue
        orphan = _try_claim(directory)
        if orphan is None:
            continue
        for path in sorted(directory.glob(f"*{suffix}")):
            path.rename(owned.path / _free_name(owned.path, path))
        for unfinished in directory.glob("*.tmp"):
            unfinished.unlink(missing_ok=True)
        orphan.release(remove=True)


def _free_name(directory: Path, path: Path) -> str:
    # Two processes may have written in the same nanosecond; a letter before the count keeps both and their order.
    name = path.name
    while (directory / name).exists():
        stem, _, count = name.rpartition("-")
        name = f"{stem}a-{count}"
    return name


def _try_claim(path: Path) -> OwnedDirectory | None:
    path.mkdir(mode=0o700, exist_ok=True)
    try:
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:  # another process has just removed the directory of a dead one
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if (path / _LOCK).stat().st_ino == os.fstat(lock).st_ino:
            return OwnedDirectory(path, lock)
    except (BlockingIOError, FileNotFoundError):
        pass  # held by a live process, or removed between the two calls
    os.close(lock)
    return None
