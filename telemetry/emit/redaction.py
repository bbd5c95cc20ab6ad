"""Blanks out secrets before anything is queued, written or printed.

Two lines of defence. Fields are taken by allow-list: a value of a plain type is rendered, mappings and sequences are
walked, and of any other object only the name of its class is kept. Text is searched for the patterns of
`telemetry.emit.patterns`.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from pathlib import PurePath
from uuid import UUID

from telemetry.emit.patterns import CODE_NAME, CODE_VALUE, REDACTED, REPLACEMENTS, SECRET_NAME, may_hold_secret

MAX_TEXT_CHARS = 16_384
MAX_FIELDS = 32
MAX_FIELD_CHARS = 1_024
_MAX_NAME_CHARS = 64
_MAX_DEPTH = 4
_MOST_NAMES = 1_024  # that are remembered

# What is searched is cut four times further out than what is kept, so a secret that the first cut halves is gone with
# the second.
_SEARCHED_HEAD, _SEARCHED_TAIL = 3 * MAX_TEXT_CHARS, MAX_TEXT_CHARS
_KEPT_HEAD, _KEPT_TAIL = 3 * MAX_TEXT_CHARS // 4, MAX_TEXT_CHARS // 4

_PLAIN_TYPES = (str, int, float, bool, type(None), Decimal, UUID, date, time, timedelta, PurePath, Enum)


class Redactor:
    """Replaces secrets with "[redacted]". Safe to call from any thread.

    Args:
        on_redaction: Called once per replaced secret with the pattern's name, a value of the label `pattern` of
            `sightline_telemetry_redactions_total`.
    """

    def __init__(self, on_redaction: Callable[[str], None] | None = None) -> None:
        self._on_redaction = on_redaction
        self._names: dict[str, tuple[str, bool, bool]] = {}

    def text(self, value: str) -> str:
        """Return `value` without its secrets, cut to `MAX_TEXT_CHARS` characters (its head and its tail)."""
        if len(value) > MAX_TEXT_CHARS:
            return _cut(self._scrub(_cut(value, _SEARCHED_HEAD, _SEARCHED_TAIL)), _KEPT_HEAD, _KEPT_TAIL)
        if may_hold_secret(value):
            return self._scrub(value)
        return value if value.isascii() else _encodable(value)

    def fields(self, mapping: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
        """Return the fields as pairs of strings: nested ones by dotted name, at most `MAX_FIELDS` of them."""
        found = list(islice(_flatten(mapping, "", 0), MAX_FIELDS))
        texts = [_render(value) for _, value in found]
        whole = "\n".join(texts)
        # What a part may hold, the whole may hold as well: one look at it is enough for nearly every line.
        clean = len(whole) <= MAX_FIELD_CHARS and whole.isascii() and not may_hold_secret(whole)
        return tuple(
            self._field(name, value, text, clean=clean) for (name, value), text in zip(found, texts, strict=True)
        )

    def _field(self, name: str, value: object, text: str, *, clean: bool) -> tuple[str, str]:
        clean_name, is_secret, is_code = self._names.get(name) or self._described(name)
        if is_secret and value is not None and value != "":
            self._count("field", 1)
            return clean_name, REDACTED
        if is_code and CODE_VALUE.fullmatch(text):
            self._count("code", 1)
            return clean_name, REDACTED
        if clean:
            return clean_name, text
        searched = self.text(text)
        return clean_name, searched if len(searched) <= MAX_FIELD_CHARS else _cut(searched, MAX_FIELD_CHARS, 0)

    def _described(self, name: str) -> tuple[str, bool, bool]:
        if len(name) > _MAX_NAME_CHARS or may_hold_secret(name):
            # Such a name is data, not a word of ours; it is not remembered either.
            return _describe_name(self._scrub(name)[:_MAX_NAME_CHARS])
        described = _describe_name(name)
        if len(self._names) < _MOST_NAMES:
            self._names[name] = described
        return described

    def _scrub(self, value: str) -> str:
        for pattern, expression, replacement in REPLACEMENTS:
            value, count = expression.subn(replacement, value)
            if count:
                self._count(pattern, count)
        return _encodable(value)

    def _count(self, pattern: str, count: int) -> None:
        if self._on_redaction is not None:
            for _ in range(count):
                self._on_redaction(pattern)


def _describe_name(name: str) -> tuple[str, bool, bool]:
    # Loki takes letters, digits and underscores in the name of structured metadata.
    clean = "".join(char if char.isascii() and (char.isalnum() or char == "_") else "_" for char in name)
    return clean or "_", SECRET_NAME.search(name) is not None, CODE_NAME.search(name) is not None


def _flatten(mapping: Mapping[str, object], prefix: str, depth: int) -> Iterator[tuple[str, object]]:
    for key, value in mapping.items():
        name = f"{prefix}{key}"
        if type(value) is str:  # as most are; to ask a class of `abc` takes longer
            yield name, value
        elif isinstance(value, Mapping) and value and depth < _MAX_DEPTH and not SECRET_NAME.search(name):
            yield from _flatten(value, f"{name}.", depth + 1)
        else:
            yield name, value


def _render(value: object) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, _PLAIN_TYPES):
        return str(value.value if isinstance(value, Enum) else value)
    if isinstance(value, list | tuple | set | frozenset):
        # One object inside is enough to keep none: its text is not ours to judge.
        return ", ".join(_render_item(item) for item in list(value)[:MAX_FIELDS])
    return f"<{type(value).__name__}>"


def _render_item(item: object) -> str:
    return str(item) if isinstance(item, _PLAIN_TYPES) else f"<{type(item).__name__}>"


def _cut(value: str, head: int, tail: int) -> str:
    if len(value) <= head + tail:
        return value
    note = f"... {len(value) - head - tail} characters cut ..."
    return f"{value[:head]}{note}{value[len(value) - tail :]}"


def _encodable(value: str) -> str:
    # Half a surrogate pair cannot be written as UTF-8, neither to a socket nor to a file.
    return value.encode("utf-8", "replace").decode("utf-8")
