"""As much of the protobuf wire format as an authenticator's export needs.

https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from typing import Final

from services.auth.errors import EnrolmentError, EnrolmentFault

_VARINT: Final = 0
_FIXED_64: Final = 1
_BYTES: Final = 2
_FIXED_32: Final = 5
_LONGEST_VARINT: Final = 10
_FIXED_SIZES: Final = {_FIXED_64: 8, _FIXED_32: 4}


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field's number and value: an unsigned integer, or the bytes of a text, a message or a fixed number.

    Raises:
        EnrolmentError: The message ends too early, or uses a wire type that is none.
    """
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise EnrolmentError(EnrolmentFault.BAD_PAYLOAD)
        if wire_type == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        size = _FIXED_SIZES.get(wire_type)
        if wire_type == _BYTES:
            size, position = _varint(message, position)
        if size is None or position + size > len(message):
            raise EnrolmentError(EnrolmentFault.BAD_PAYLOAD)
        yield number, message[position : position + size]
        position += size


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = 0
    for offset, byte in enumerate(message[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * offset)
        if byte < 0x80:  # noqa: PLR2004 -- the top bit says that more follow
            return value, position + offset + 1
    raise EnrolmentError(EnrolmentFault.BAD_PAYLOAD)
