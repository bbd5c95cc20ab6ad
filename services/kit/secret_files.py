"""Secrets live in files that only their owner can read. Nothing here ever puts a content into a message."""

import os
import stat
from pathlib import Path

from services.kit.errors import StartError

_MAX_SECRET_BYTES = 64 * 1024
_OTHERS_MAY_TOUCH = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class SecretFileError(StartError):
    """A secret or trusted file cannot be used as it lies there; the message names the path and what to run."""

    code = "unusable_secret_file"
    title = "A secret's file cannot be used"


class SecretFileMissingError(SecretFileError):
    """There is no file at the path."""

    code = "missing_secret_file"


def read_secret(path: Path) -> str:
    """Read a secret: a regular file, owned by us or root, closed to group and others (mode 0600 or less).

    One trailing line end is removed. Raises `SecretFileError`.
    """
    content = _read_trusted(path, forbidden_mode=_OTHERS_MAY_TOUCH, wanted_mode="600")
    secret = content.removesuffix("\n").removesuffix("\r")
    if not secret:
        raise SecretFileError(f"{path} is empty; write the secret into it.")
    return secret


def read_trusted(path: Path) -> str:
    """Read a file that others may read but not write: a regular file, owned by us or root (mode 0644 or less).

    Raises `SecretFileError`.
    """
    return _read_trusted(path, forbidden_mode=_OTHERS_MAY_WRITE, wanted_mode="644")


def write_new_secret(path: Path, content: str) -> None:
    """Write a secret that did not exist, mode 0600, its directory 0700. Raises FileExistsError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read_trusted(path: Path, *, forbidden_mode: int, wanted_mode: str) -> str:
    descriptor = _open(path)
    try:
        # Of the open file, so that it cannot be exchanged between the check and the reading.
        _check(path, os.fstat(descriptor), forbidden_mode=forbidden_mode, wanted_mode=wanted_mode)
        content = os.read(descriptor, _MAX_SECRET_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > _MAX_SECRET_BYTES:
        raise SecretFileError(f"{path} holds more than {_MAX_SECRET_BYTES} bytes; that is not what belongs there.")
    try:
        return content.decode()
    except UnicodeDecodeError:
        # Without its cause: a decoding error carries the content.
        raise SecretFileError(f"{path} is not UTF-8 text; write it anew.") from None


def _open(path: Path) -> int:
    try:
        # O_NONBLOCK: a named pipe put there must not hold the start up for ever.
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise SecretFileMissingError(f"{path} does not exist; `sightline up` makes it.") from None
    except OSError as error:
        if path.is_symlink():
            raise SecretFileError(f"{path} is a symbolic link; put the file itself there.") from None
        raise SecretFileError(f"{path} cannot be read: {error.strerror}.") from None


def _check(path: Path, status: os.stat_result, *, forbidden_mode: int, wanted_mode: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SecretFileError(f"{path} is not a regular file; put a file there.")
    if status.st_uid not in {os.geteuid(), 0}:
        raise SecretFileError(
            f"{path} belongs to user {status.st_uid}; run `chown {os.geteuid()} {path}` if you trust what it holds."
        )
    if status.st_mode & forbidden_mode:
        mode = stat.S_IMODE(status.st_mode)
        raise SecretFileError(f"{path} is open to others (mode {mode:o}); run `chmod {wanted_mode} {path}`.")
