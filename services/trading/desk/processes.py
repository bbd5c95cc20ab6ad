"""Names the process that trades, so that its successor on the same machine can tell whether it is gone."""

import os
from pathlib import Path
from typing import Final

from services.kit.ids import Randomness

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE: Final = Path("/proc/self/ns/pid")
_UUID_CHARACTERS: Final = 8


def this_process(randomness: Randomness) -> str:
    """A name of 64 characters at most: where process numbers are counted, the number, and something of our own."""
    return f"{_place()}/{os.getpid()}/{randomness.token()}"[:64]


def surely_gone(name: str, own: str) -> bool:
    """Whether the process of that name has ended. False when that cannot be told from here."""
    place, number, _ = _parts(name)
    own_place, own_number, _ = _parts(own)
    if not place or place != own_place or not number.isdecimal():
        return False
    if number == own_number:
        return name != own  # a number is given to one process at a time, and now it is ours
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _place() -> str:
    """Where process numbers mean the same: one boot of one machine, one namespace. "" where that is not told."""
    try:
        boot, namespace = _BOOT_ID.read_text(encoding="ascii"), str(_PID_NAMESPACE.readlink())
    except OSError:
        return ""
    return f"{boot[:_UUID_CHARACTERS]}-{namespace.strip('pid:[]')}"


def _parts(name: str) -> tuple[str, str, str]:
    place, _, rest = name.partition("/")
    number, _, token = rest.partition("/")
    return place, number, token
