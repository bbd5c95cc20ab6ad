"""Codes of an authenticator (RFC 6238), computed apart from auth so that one checks the other."""

import base64
import hashlib
import hmac
import struct
from datetime import datetime

PERIOD_SECONDS = 30
_DIGITS = 6


def totp_code(seed: str, at: datetime) -> str:
    """The six digits of a base32 seed at a moment."""
    key = base64.b32decode(seed + "=" * (-len(seed) % 8))
    counter = struct.pack(">Q", int(at.timestamp()) // PERIOD_SECONDS)
    digest = hmac.new(key, counter, hashlib.sha1).digest()
    offset = digest[-1] & 0xF
    number: int = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}d}"
