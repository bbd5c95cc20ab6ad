"""Who may touch the files that auth lives on: its user alone. Nothing here reads a content."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from services.kit.errors import StartError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class StorePermissionsError(StartError):
    """Auth does not start on files that others may touch. The message names each path and what to do."""

    code = "store_permissions"
    title = "Auth's files are open to others"


def store_paths(database: Path, *more: Path) -> list[Path]:
    """A SQLite database with its companions and its directory, and other private files."""
    companions = [database.with_name(database.name + suffix) for suffix in ("-wal", "-shm", "-journal")]
    return [database.parent, database, *companions, *more]


def problems(paths: Sequence[Path]) -> list[str]:
    """One line for each path that is open to others, belongs to another user, or is a symbolic link or no plain file.

    A path that does not exist is no problem.
    """
    found = (_problem(path) for path in paths)
    return [problem for problem in found if problem]


def require_private(paths: Sequence[Path]) -> None:
    """Refuse to go on with files that others may touch.

    Raises:
        StorePermissionsError: Any of `problems`.
    """
    found = problems(paths)
    if found:
        raise StorePermissionsError(" ".join([*found, "Or run `sightline auth fix-permissions`."]))


def fix(paths: Sequence[Path]) -> list[str]:
    """Close what is open to others; returns what a person must look at: foreign owners and symbolic links."""
    for path in paths:
        status = _status(path)
        if status is None or stat.S_ISLNK(status.st_mode) or status.st_uid != os.geteuid():
            continue
        path.chmod(_wanted(status))
    return problems(paths)


def _problem(path: Path) -> str:
    status = _status(path)
    if status is None:
        return ""
    if stat.S_ISLNK(status.st_mode):
        return f"{path} is a symbolic link; put the file itself there."
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return f"{path} is neither a file nor a directory; move it away."
    if status.st_uid != os.geteuid():
        return f"{path} belongs to user {status.st_uid}; run `chown {os.geteuid()} {path}` if you trust what it holds."
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        return f"{path} is open to others (mode {mode:o}); run `chmod {_wanted(status):o} {path}`."
    return ""


def _wanted(status: os.stat_result) -> int:
    return 0o700 if stat.S_ISDIR(status.st_mode) else 0o600


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
