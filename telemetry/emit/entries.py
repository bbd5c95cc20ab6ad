"""Turns a logging record into a redacted `LogEntry`, once per record however many handlers ask."""

import logging
import traceback
from collections.abc import Callable, Mapping

from telemetry.emit.redaction import Redactor
from telemetry.records import LogEntry

LEVELS = ("debug", "info", "warning", "error", "critical")

# Where the finished entry waits for the next handler of the same record.
_ENTRY = "sightline_entry"
_FIELDS = "fields"
_STANDARD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", _ENTRY}
_STANDARD_COUNT = len(vars(logging.makeLogRecord({})))
_LEVEL_NAMES = {10 * (rank + 1): name for rank, name in enumerate(LEVELS)}


class EntryMaker:
    """Makes entries; whatever leaves it holds no secret that the redactor knows.

    Args:
        redactor: Applied to the message, the extra fields, the exception's text and the stack.
        current_span: Returns (trace id, span id) of the span around the caller.
    """

    def __init__(self, redactor: Redactor, current_span: Callable[[], tuple[str, str]]) -> None:
        self._redactor = redactor
        self._current_span = current_span

    def make(self, record: logging.LogRecord) -> LogEntry:
        """Return the entry of `record`, the one made earlier if there is one."""
        attributes = record.__dict__
        known = attributes.get(_ENTRY)
        # Another telemetry of this process has another redactor: it makes, and counts, its own.
        if type(known) is tuple and known[0] is self._redactor:
            made: LogEntry = known[1]
            return made
        line = _message(record)
        if record.exc_info or record.stack_info or record.exc_text:
            line = f"{line}\n{_details(record)}"
        trace_id, span_id = self._current_span()
        entry = LogEntry(
            int(record.created * 1e9),
            _LEVEL_NAMES.get(record.levelno) or _nearest_level(record.levelno),
            record.name,
            self._redactor.text(line),
            trace_id,
            span_id,
            self._fields(attributes) if len(attributes) > _STANDARD_COUNT else (),
        )
        attributes[_ENTRY] = (self._redactor, entry)
        return entry

    def _fields(self, attributes: dict[str, object]) -> tuple[tuple[str, str], ...]:
        extra = _extra(attributes)
        if not extra:
            return ()
        try:
            return self._redactor.fields(extra)
        except Exception as error:  # noqa: BLE001 -- a value's own __str__ may raise anything; the line must live
            return (("fields_error", type(error).__name__),)


def _extra(attributes: dict[str, object]) -> Mapping[str, object]:
    # `extra={"fields": {...}}` is how a caller passes names that logging itself would refuse, such as "name".
    given = attributes.get(_FIELDS)
    if isinstance(given, Mapping) and len(attributes) == _STANDARD_COUNT + 1:
        return given  # nothing else was passed, as with every fact
    extra = {name: value for name, value in attributes.items() if name not in _STANDARD_ATTRIBUTES}
    if isinstance(given, Mapping):
        del extra[_FIELDS]
        extra.update(given)
    return extra


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 -- an argument's own __str__ may raise anything; the line must live
        template = record.msg if isinstance(record.msg, str) else f"<{type(record.msg).__name__}>"
        return f"{template} (the arguments could not be formatted: {type(error).__name__})"


def _details(record: logging.LogRecord) -> str:
    parts: list[str] = []
    if record.exc_info and record.exc_info[0] is not None:
        try:
            parts.append("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
        except Exception as error:  # noqa: BLE001 -- an exception's own __str__ may raise anything
            parts.append(f"{record.exc_info[0].__name__} (could not be formatted: {type(error).__name__})")
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def _nearest_level(levelno: int) -> str:
    return LEVELS[min(max(levelno // 10 - 1, 0), len(LEVELS) - 1)]
