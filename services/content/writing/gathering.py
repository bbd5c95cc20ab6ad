"""Asks telemetry what happened in a window. A source that is away is named, and nothing is made up for it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.content.writing.inputs import Curve, Gathered, Line, Section
from services.content.writing.parts import ORDERS
from services.content.writing.periods import PeriodReader
from services.contracts.documents import DocumentKind, SourcedNumber
from services.kit.moments import moment
from telemetry.emit.redaction import Redactor
from telemetry.query.errors import QueryError
from telemetry.query.open import Readers
from telemetry.query.ports import LogLine, LogQuery, Results, Series, SeriesQuery
from telemetry.query.timeline import FACT_FIELD, Moment, timeline

MOST_LINES: Final = 200
MOST_FACTS: Final = 20_000
_LONGEST_TEXT: Final = 500
_BEFORE: Final = timedelta(minutes=2)  # what led to it was seen before it was told
_LONGEST_WINDOW: Final = timedelta(hours=6)

AUDIT_BROKEN: Final = "sightline_auth_audit_chain_broken"
EQUITY: Final = "sightline_trading_equity_dollars"
_MOST_POINTS: Final = 500
_LEAST_STEP_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Period:
    """What a text about a period tells."""

    gathered: Gathered
    sections: tuple[Section, ...]
    equity: tuple[Curve, ...]


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

    def period(self, kind: DocumentKind, start: datetime, end: datetime) -> Period:
        """What a text of this kind tells of a period."""
        missing: list[str] = []
        sections = PeriodReader(self._readers.logs, self.clean).sections(kind, start, end, missing)
        equity: tuple[Curve, ...] = ()
        if kind is DocumentKind.AUDIT_REPORT:
            sections = (*sections, self._audit_trail(start, end, missing))
        if kind is DocumentKind.WEEKLY_REVIEW:
            equity = self._equity(start, end, missing)
            sections = (_worth(equity, start, end), *sections)
        return Period(
            Gathered(start=start, end=end, numbers=(), missing=self._cleaned(missing)), sections=sections, equity=equity
        )

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
            for event_type, name in ORDERS.counted.items()
        )

    def _audit_trail(self, start: datetime, end: datetime, missing: list[str]) -> Section:
        """How often the walk along the audit trail found it whole, and how often broken, by the metric about it."""
        values = [value for series in self._series(AUDIT_BROKEN, start, end, missing) for _, value in series.points]
        if not values:
            missing.append(f"audit trail, metrics: no sample of {AUDIT_BROKEN}")
        looks = {"looks that found the audit trail whole": 0.0, "looks that found it broken": 1.0}
        return Section(
            title="The audit trail of secrets",
            numbers=tuple(
                SourcedNumber(
                    name=name,
                    value=float(sum(value == wanted for value in values)) if values else None,
                    unit="",
                    query=f"{AUDIT_BROKEN} == {wanted:.0f} {_sampled(start, end)}",
                )
                for name, wanted in looks.items()
            ),
        )

    def _equity(self, start: datetime, end: datetime, missing: list[str]) -> tuple[Curve, ...]:
        found = self._series(EQUITY, start, end, missing)
        curves = [
            Curve(
                name=self.clean(dict(series.labels).get("venue", "")),
                points=tuple(point for point in series.points if point[1] > 0),  # 0 stands for not told yet
            )
            for series in found
        ]
        return tuple(curve for curve in curves if curve.points)

    def _series(self, metric: str, start: datetime, end: datetime, missing: list[str]) -> Results[Series]:
        try:
            return self._readers.metrics.series(
                SeriesQuery(metric=metric, start=start, end=end, step_seconds=_step_seconds(start, end))
            )
        except QueryError as error:
            missing.append(f"{metric}, metrics: {error}")
            return Results()

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


def _worth(equity: tuple[Curve, ...], start: datetime, end: datetime) -> Section:
    query = f"{EQUITY} {_sampled(start, end)}"
    numbers = [
        SourcedNumber(name=f"{curve.name}: {name}", value=value, unit="dollars", query=query)
        for curve in equity
        for name, value in (
            ("worth at the beginning", curve.points[0][1]),
            ("worth at the end", curve.points[-1][1]),
            ("result", curve.points[-1][1] - curve.points[0][1]),
        )
    ]
    return Section(title="What the accounts are worth", numbers=tuple(numbers))


def _step_seconds(start: datetime, end: datetime) -> float:
    return max(_LEAST_STEP_SECONDS, (end - start).total_seconds() / _MOST_POINTS)


def _sampled(start: datetime, end: datetime) -> str:
    return f"[{start.isoformat()}, {end.isoformat()}) every {_step_seconds(start, end):,.0f} s"
