"""What may be asked: the bounds that hold for every backend alike, checked before anything is sent."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from telemetry.query.errors import InvalidQueryError

LEVELS = ("debug", "info", "warning", "error", "critical")
STATUSES = ("unset", "ok", "error")
MAX_LINES = 50_000
MAX_TRACES = 1_000
MAX_POINTS = 11_000  # Prometheus refuses more points in one series; the embedded reader keeps to the same bound

_TRACE_ID = re.compile(r"[0-9a-f]{32}\Z")
METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*\Z")
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*\Z")
# Nanoseconds in 64 bits, which every backend counts in, end a few months later.
_LAST = datetime(2262, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nanoseconds(moment: datetime) -> int:
    """Nanoseconds since the Unix epoch, exact to the microsecond a datetime holds."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def check_trace_id(trace_id: str) -> str:
    """The id in lower case; raises InvalidQueryError unless it is 32 hexadecimal digits."""
    lowered = trace_id.lower()
    if not _TRACE_ID.match(lowered):
        raise InvalidQueryError(f"a trace id is 32 hexadecimal digits, not {trace_id[:80]!r}")
    return lowered


def check_window(start: datetime, end: datetime) -> None:
    """Raises InvalidQueryError unless both are aware, in order, and times that every backend can count."""
    if start.tzinfo is None or end.tzinfo is None:
        raise InvalidQueryError("start and end need a time zone; use aware datetimes")
    if start >= end:
        raise InvalidQueryError(f"start ({start.isoformat()}) must be before end ({end.isoformat()})")
    if start < _EPOCH:
        raise InvalidQueryError(f"start ({start.isoformat()}) is before 1970; give a later one")
    if end > _LAST:
        raise InvalidQueryError(f"end ({end.isoformat()}) is after 2261; give an earlier one")


def check_limit(limit: int, most: int) -> None:
    """Raises InvalidQueryError unless the limit is between 1 and `most`."""
    if not 1 <= limit <= most:
        raise InvalidQueryError(f"limit must be between 1 and {most}, not {limit}")


def check_name(name: str, pattern: re.Pattern[str], what: str) -> None:
    """Raises InvalidQueryError unless the name matches."""
    if not pattern.match(name):
        raise InvalidQueryError(f"{name[:80]!r} is not a {what} name; it must match {pattern.pattern[:-2]}")


def check_one_of(values: Iterable[str], known: Sequence[str], what: str) -> None:
    """Raises InvalidQueryError unless every value is known."""
    for value in values:
        if value not in known:
            raise InvalidQueryError(f"{value[:80]!r} is not a {what}; use one of {', '.join(known)}")


def check_exemplar_question(metric: str, labels: Iterable[str], start: datetime, end: datetime) -> None:
    """Raises InvalidQueryError unless names and window are in order."""
    check_name(metric, METRIC_NAME, "metric")
    for name in labels:
        check_name(name, LABEL_NAME, "label")
    check_window(start, end)
