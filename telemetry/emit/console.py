"""What a person reads on stderr: one redacted line per record, or JSON for a collector."""

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TextIO

from telemetry.emit.context import current_span_ids
from telemetry.emit.entries import EntryMaker
from telemetry.emit.redaction import Redactor
from telemetry.records import LogEntry

ConsoleKind = Literal["text", "json"]

_SHORT_TRACE_CHARS = 8
# A line that someone else's data could break in two, or colour, would be a forged one.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class ConsoleFormatter(logging.Formatter):
    """Renders records redacted, as text or as JSON; it ignores what other formatters left on the record.

    Args:
        kind: "text" for people, "json" for one object a line.
        redactor: Removes secrets.
        service_name: Stands on every line, since services share a terminal.
        current_span: Returns (trace id, span id) around the caller.
    """

    def __init__(
        self,
        kind: ConsoleKind,
        redactor: Redactor,
        service_name: str,
        current_span: Callable[[], tuple[str, str]] = current_span_ids,
    ) -> None:
        super().__init__()
        self._entries = EntryMaker(redactor, current_span)
        self._service_name = service_name
        self._render = self._text if kind == "text" else self._json

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as it is printed, without its newline."""
        return self._render(self._entries.make(record))

    def _text(self, entry: LogEntry) -> str:
        moment = datetime.fromtimestamp(entry.time_ns / 1e9, UTC)
        head, *rest = _CONTROL.sub(_escape, entry.line).split("\n")
        parts = [
            f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z",
            f"{entry.level.upper():<8}",
            self._service_name,
            f"{entry.logger}:",
            head,
            *(f"{name}={_quoted(value)}" for name, value in entry.fields),
        ]
        if entry.trace_id:
            parts.append(f"trace={entry.trace_id[:_SHORT_TRACE_CHARS]}")
        return "\n    ".join([" ".join(parts), *rest])

    def _json(self, entry: LogEntry) -> str:
        moment = datetime.fromtimestamp(entry.time_ns / 1e9, UTC)
        content = {
            "time": moment.isoformat(),
            "level": entry.level,
            "service_name": self._service_name,
            "logger": entry.logger,
            "message": entry.line,
        }
        if entry.trace_id:
            content |= {"trace_id": entry.trace_id, "span_id": entry.span_id}
        return json.dumps({**content, "fields": dict(entry.fields)} if entry.fields else content)


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """Prints records; one that cannot be printed is reported without its arguments, which may hold a secret."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 -- the base class names it
        """Say where the failing log call stands, and nothing of what it was given."""
        try:
            self.stream.write(f"a log call failed in {record.name} at {record.pathname}:{record.lineno}\n")
        except (OSError, ValueError):
            self.setLevel(logging.CRITICAL + 1)  # the stream is closed: there is nowhere left to print to


def console_handler(
    kind: ConsoleKind,
    redactor: Redactor,
    *,
    service_name: str,
    current_span: Callable[[], tuple[str, str]] = current_span_ids,
    stream: TextIO | None = None,
) -> logging.Handler:
    """Return a handler that prints redacted records to `stream` (stderr when None)."""
    handler = ConsoleHandler(stream)
    handler.setFormatter(ConsoleFormatter(kind, redactor, service_name, current_span))
    return handler


def _quoted(value: str) -> str:
    text = json.dumps(value, ensure_ascii=False) if not value or re.search(r'[\s"=]', value) else value
    return _CONTROL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")
