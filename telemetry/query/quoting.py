"""Puts foreign text into LogQL, TraceQL and PromQL so that it stays text: all three read Go's string literals."""

_SHORT = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_FIRST_PRINTABLE = 0x20
_DELETE = 0x7F
_REGEX_SPECIAL = frozenset(r"\.+*?()|[]{}^$")


def quoted(text: str) -> str:
    """A double-quoted Go string literal; the text must be encodable as UTF-8."""
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def any_of(values: tuple[str, ...]) -> str:
    """A quoted regular expression (RE2) that matches exactly one of the values."""
    return quoted("|".join(_literal(value) for value in values))


def _escaped(letter: str) -> str:
    code = ord(letter)
    if code < _FIRST_PRINTABLE or code == _DELETE:
        return _SHORT.get(letter, f"\\x{code:02x}")
    return _SHORT.get(letter, letter)


def _literal(value: str) -> str:
    return "".join("\\" + letter if letter in _REGEX_SPECIAL else letter for letter in value)
