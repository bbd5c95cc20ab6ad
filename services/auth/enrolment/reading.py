"""From what an operator hands in, a file or standard input, to the seeds in it."""

import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

from services.auth.enrolment import migration, otpauth
from services.auth.enrolment.offers import SeedOffer
from services.auth.errors import EnrolmentError, EnrolmentFault

LARGEST_INPUT_BYTES: Final = 64 * 1024


def read_file(path: Path) -> list[SeedOffer]:
    """Read the seeds in a file. Raises `EnrolmentError`, also when there is no such file."""
    try:
        # O_NONBLOCK: a named pipe must not keep the operator waiting for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise EnrolmentError(EnrolmentFault.UNREADABLE)
            return read_stream(file)
    except (OSError, ValueError):  # ValueError: a path with a zero byte
        raise EnrolmentError(EnrolmentFault.UNREADABLE) from None


def read_stream(stream: BinaryIO) -> list[SeedOffer]:
    """Read the seeds in what a stream holds, such as standard input. Raises `EnrolmentError`."""
    return read_bytes(stream.read(LARGEST_INPUT_BYTES + 1))


def read_bytes(data: bytes) -> list[SeedOffer]:
    """Read the seeds in addresses that stand one on each line; empty lines do no harm.

    Raises:
        EnrolmentError: Any line is no address with a usable seed. Then none is taken.
    """
    if len(data) > LARGEST_INPUT_BYTES:
        raise EnrolmentError(EnrolmentFault.TOO_LARGE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise EnrolmentError(EnrolmentFault.UNREADABLE) from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise EnrolmentError(EnrolmentFault.NO_SEED)
    return [offer for line in lines for offer in _read_line(line)]


def _read_line(line: str) -> list[SeedOffer]:
    if line[: len(migration.SCHEME)].lower() == migration.SCHEME:
        return migration.parse(line)
    return [otpauth.parse(line)]
