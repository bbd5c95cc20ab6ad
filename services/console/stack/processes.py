"""What /proc tells about processes: memory, who holds a port, who was started by which supervisor."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"
_POLL_SECONDS = 0.05


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and only waits to be collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return not _PROC.is_dir()
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def memory_bytes(pid: int) -> int:
    """Memory of a process in bytes, shared pages divided among their users; 0 when it cannot be known."""
    for name, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            lines = (_PROC / str(pid) / name).read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    return 0


def describe(pid: int) -> str:
    """A process in words: its command line cut short, and its id."""
    try:
        command = (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        command = ""
    return f"{command[:80] or 'a process'} (pid {pid})"


def command_holds(pid: int, argument: str) -> bool:
    """Whether a process was started with exactly this argument."""
    try:
        command = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False
    return os.fsencode(argument) in command.split(b"\0")


def holder_of_port(port: int) -> int | None:
    """The id of the process that listens on a TCP port; None when nobody does or when it may not be known."""
    inodes = set(_listening_inodes(port))
    if not inodes:
        return None
    targets = {f"socket:[{inode}]" for inode in inodes}
    return next((pid for pid in _pids() if targets & set(_open_files(pid))), None)


def with_environment(entry: str) -> list[int]:
    """Ids of the processes, ours among those we may look into, whose environment holds `entry` ("NAME=value")."""
    wanted = os.fsencode(entry)
    return [pid for pid in _pids() if pid != os.getpid() and wanted in _environment(pid)]


def end(pids: Sequence[int], *, grace_seconds: float) -> list[int]:
    """Ask processes to end, then kill those that did not. Returns the ids that still run afterwards."""
    for signal_number, patience in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
        for pid in filter(is_alive, pids):
            _send(pid, signal_number)
        if wait_until(lambda: not any(map(is_alive, pids)), timeout_seconds=patience):
            return []
    return [pid for pid in pids if is_alive(pid)]


def wait_until(condition: Callable[[], bool], *, timeout_seconds: float) -> bool:
    """Ask a foreign process's state again and again until `condition` holds. False when time ran out first."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _send(pid: int, signal_number: signal.Signals) -> None:
    try:
        os.kill(pid, signal_number)
    except (ProcessLookupError, PermissionError):
        return  # ended meanwhile, or not ours: the caller sees which by looking again


def _pids() -> Iterator[int]:
    if _PROC.is_dir():  # elsewhere than on Linux nothing can be told
        yield from (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())


def _environment(pid: int) -> Iterable[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return ()


def _open_files(pid: int) -> Iterator[str]:
    try:
        descriptors = list((_PROC / str(pid) / "fd").iterdir())
    except OSError:
        return  # ended meanwhile, or another user's
    for descriptor in descriptors:
        try:
            yield str(descriptor.readlink())
        except OSError:
            continue


def _listening_inodes(port: int) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]
