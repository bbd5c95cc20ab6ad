"""Asks telemetry what happened in a window. A source that is away is named, and nothing is made up for it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from services.content.writing.inputs import Gathered, Line
from services.contracts.documents import SourcedNumber
from services.kit.moments import moment
from telemetry.emit.redaction import Redactor
from telemetry.query.errors import QueryError
from telemetry.query.open import Readers
from telemetry.query.ports import LogLine, LogQuery
from telemetry.query.timeline import FACT_FIELD, Moment, timeline

MOST_LINES: Final = 200
MOST_FACTS: Final = 20_000
_LONGEST_TEXT: Final = 500
_BEFORE: Final = timedelta(minutes=2)  # what led to it was seen before it was told
_LONGEST_WINDOW: Final = timedelta(hours=6)

# Facts that say how an order stands, in the order of its life.
_ORDERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "trading.order_denied": "orders denied by our own rules",
        "trading.order_submitting": "orders submitted",
        "trading.order_not_sent": "orders that never left",
        "trading.order_accepted": "orders accepted by a venue",
        "trading.order_rejected": "orders rejected by a venue",
        "trading.order_unknown": "orders unknown",
        "trading.order_resolved": "unknown orders resolved",
        "trading.order_filled": "orders filled",
        "trading.order_ended": "orders ended otherwise",
        "trading.fill_booked": "fills",
    }
)


class Gatherer:
    """Reads telemetry back for documents. Its methods block."""

    def __init__(self, readers: Readers, redactor: Redactor) -> None:
        self._readers, self._redactor = readers, redactor

    def incident(self, started_at: datetime, ended_at: datetime) -> Gathered:
        """Numbers and timeline of an incident: from two minutes before its beginning, six hours at most."""
        end = ended_at + timedelta(seconds=1)
        start = started_at - _BEFORE
        missing = [] if end - start <= _LONGEST_WINDOW else [f"all before {end - _LONGEST_WINDOW:%Y-%m-%d %H:%M} UTC"]
        start = max(start, end - _LONGEST_WINDOW)
        numbers = self._numbers(start, end, missing)
        found = timeline(self._readers, start, end, limit=MOST_LINES)
        missing += [f"timeline, {each}" for each in found.missing]
        return Gathered(
            start=start,
            end=end,
            numbers=numbers,
            lines=tuple(map(self._line, found)),
            cut=found.truncated,
            missing=self._cleaned(missing),
        )

    def period(self, start: datetime, end: datetime) -> Gathered:
        """Numbers of a period."""
        missing: list[str] = []
        numbers = self._numbers(start, end, missing)
        return Gathered(start=start, end=end, numbers=numbers, missing=self._cleaned(missing))

    def clean(self, text: str) -> str:
        """A text without secrets, cut to what a line of a document holds."""
        cleaned = self._redactor.text(text)
        return cleaned if len(cleaned) <= _LONGEST_TEXT else f"{cleaned[: _LONGEST_TEXT - 1]}…"

    def _numbers(self, start: datetime, end: datetime, missing: list[str]) -> tuple[SourcedNumber, ...]:
        counts: Counter[str] | None
        try:
            found = self._readers.logs.search(
                LogQuery(start=start, end=end, services=("trading",), has_field=FACT_FIELD, limit=MOST_FACTS)
            )
        except QueryError as error:
            missing.append(f"counts of orders, logs: {error}")
            counts, truncated = None, False
        else:
            counts, truncated = _counted(found), found.truncated
        return tuple(
            SourcedNumber(
                name=name,
                value=None if counts is None else float(counts[event_type]),
                unit="",
                at_least=truncated,
                query=_query(event_type, start, end),
            )
            for event_type, name in _ORDERS.items()
        )

    def _line(self, seen: Moment) -> Line:
        return Line(
            at=moment(seen.time_ns // 1_000),
            source=seen.source,
            service_name=seen.service_name,
            level=seen.level,
            text=self.clean(seen.text),
            reference=self.clean(seen.reference),
            trace_id=seen.trace_id,
        )

    def _cleaned(self, texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(map(self.clean, texts))


def _counted(lines: Sequence[LogLine]) -> Counter[str]:
    # A fact that reached the log twice is one fact.
    facts = {line.field("event_id") or str(index): line.field(FACT_FIELD) for index, line in enumerate(lines)}
    return Counter(facts.values())


def _query(event_type: str, start: datetime, end: datetime) -> str:
    return f'{{service_name="trading"}} | {FACT_FIELD}="{event_type}" [{start.isoformat()}, {end.isoformat()})'
