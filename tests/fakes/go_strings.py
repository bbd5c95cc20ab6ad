"""Reads Go's double-quoted string literals the way LogQL, TraceQL and PromQL do."""

_SHORT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_DIGITS = {"x": 2, "u": 4, "U": 8}


class NotALiteralError(ValueError):
    """The text at this place is not a string literal."""


def read_literal(text: str, at: int) -> tuple[str, int]:
    """The value of the literal that begins at `at`, and the place behind it."""
    if text[at : at + 1] != '"':
        raise NotALiteralError(f"string expected at {at}")
    value = bytearray()
    at += 1
    while True:
        letter = text[at : at + 1]
        if letter in ("", "\n", "\0"):
            raise NotALiteralError("literal not terminated")
        if letter == '"':
            return value.decode("utf-8"), at + 1
        if letter == "\\":
            part, at = _escape(text, at + 1)
            value += part
        else:
            value += letter.encode()
            at += 1


def _escape(text: str, at: int) -> tuple[bytes, int]:
    letter = text[at : at + 1]
    if letter in _SHORT:
        return _SHORT[letter].encode(), at + 1
    if letter in _DIGITS:
        digits = text[at + 1 : at + 1 + _DIGITS[letter]]
        code = int(digits, 16)
        end = at + 1 + _DIGITS[letter]
        return (bytes([code]) if letter == "x" else chr(code).encode()), end
    if letter.isdigit():
        return bytes([int(text[at : at + 3], 8)]), at + 3
    raise NotALiteralError(f"invalid escape at {at}")
