"""Makes a file that only its owner can read, for a library that would make it readable to all."""

import os
import tempfile
from pathlib import Path


def make_private_file(path: Path) -> None:
    """Make an empty file of mode 0600, its directory 0700, unless there is one already.

    An existing file is never opened here: closing any descriptor of a file drops every POSIX lock that the process
    holds on it, and SQLite, whose locks these are, would then delete a write-ahead log that is still in use
    (sqlite.org/howtocorrupt.html, section 2.2). For the same reason the new file is closed before it gets its name.
    Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        return
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(descriptor)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return  # another process was faster
    finally:
        Path(temporary).unlink()
