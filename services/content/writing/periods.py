"""Reads the sections of a text about a period from the facts in the log."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from services.content.writing.inputs import Line, Section
from services.content.writing.parts import PARTS, Part
from services.contracts.documents import DocumentKind, SourcedNumber
from services.kit.moments import moment
from telemetry.query.errors import QueryError
from telemetry.query.ports import LogLine, LogQuery, LogReader
from telemetry.query.timeline import FACT_FIELD

MOST_LINES: Final = 200  # that a section lists
PAGE: Final = 20_000  # facts a question
MOST_PAGES: Final = 50
_MOST_KINDS: Final = 30  # that one fact is told apart by


@dataclass(slots=True)
class _Counted:
    """What was read of one service."""

    types: Counter[str] = field(default_factory=Counter)
    values: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # type, field, value
    lines: dict[str, list[LogLine]] = field(default_factory=dict)
    truncated: bool = False
    missing: bool = False

    def add(self, line: LogLine, parts: tuple[Part, ...]) -> None:
        event_type = line.field(FACT_FIELD)
        self.types[event_type] += 1
        for name in {part.by[event_type] for part in parts if event_type in part.by}:
            self.values[event_type, name, line.field(name) or "none"] += 1
        if any(event_type in part.listed for part in parts):
            listed = self.lines.setdefault(event_type, [])
            if len(listed) <= MOST_LINES:
                listed.append(line)


class PeriodReader:
    """Counts and lists facts of a period. Its methods block.

    Args:
        logs: Where facts are read.
        clean: Takes secrets out of a text and cuts it.
    """

    def __init__(self, logs: LogReader, clean: Callable[[str], str]) -> None:
        self._logs, self._clean = logs, clean

    def sections(self, kind: DocumentKind, start: datetime, end: datetime, missing: list[str]) -> tuple[Section, ...]:
        """The sections of a text; a service whose facts cannot be read is named in `missing`."""
        parts = PARTS[kind]
        counted = {service: self._count(service, parts, start, end, missing) for service in _services(parts)}
        window = f"[{start.isoformat()}, {end.isoformat()})"
        return tuple(self._section(part, counted[part.service], window) for part in parts)

    def _count(
        self, service: str, parts: tuple[Part, ...], start: datetime, end: datetime, missing: list[str]
    ) -> _Counted:
        counted = _Counted()
        own = tuple(part for part in parts if part.service == service)
        try:
            for line in self._facts(service, start, end, counted):
                counted.add(line, own)
        except QueryError as error:
            missing.append(f"facts of {service}, logs: {error}")
            counted.missing = True
        return counted

    def _facts(self, service: str, start: datetime, end: datetime, counted: _Counted) -> Iterator[LogLine]:
        """Every fact once, oldest first, a page at a time; the last moment of a page is asked for again."""
        seen: set[str] = set()
        for _ in range(MOST_PAGES):
            found = self._logs.search(
                LogQuery(
                    start=start, end=end, services=(service,), has_field=FACT_FIELD, limit=PAGE, newest_first=False
                )
            )
            for line in found:
                key = line.field("event_id") or f"{line.time_ns} {line.line}"
                if key not in seen:
                    seen.add(key)
                    yield line
            if not found.truncated:
                return
            after = moment(found[-1].time_ns // 1_000)
            if after <= start:
                break  # more facts in one microsecond than a page holds
            start = after
        counted.truncated = True

    def _section(self, part: Part, counted: _Counted, window: str) -> Section:
        lines = sorted(
            (line for event_type in part.listed for line in counted.lines.get(event_type, [])),
            key=lambda line: line.time_ns,
        )
        return Section(
            title=part.title,
            numbers=tuple(self._numbers(part, counted, window)),
            lines=tuple(map(self._line, lines[:MOST_LINES])),
            cut=len(lines) > MOST_LINES,
        )

    def _numbers(self, part: Part, counted: _Counted, window: str) -> Iterator[SourcedNumber]:
        for event_type, name in part.counted.items():
            query = f'{{service_name="{part.service}"}} | {FACT_FIELD}="{event_type}"'
            total = None if counted.missing else float(counted.types[event_type])
            yield SourcedNumber(name=name, value=total, unit="", at_least=counted.truncated, query=f"{query} {window}")
            told_by = part.by.get(event_type)
            if told_by is None or counted.missing:
                continue
            kinds = [
                (value, count) for (of, by, value), count in counted.values.items() if (of, by) == (event_type, told_by)
            ]
            for value, count in sorted(kinds, key=lambda kind: (-kind[1], kind[0]))[:_MOST_KINDS]:
                told = self._clean(value)
                yield SourcedNumber(
                    name=f"{name}: {told}",
                    value=float(count),
                    unit="",
                    at_least=counted.truncated,
                    query=f'{query} | {told_by}="{told}" {window}',
                )

    def _line(self, line: LogLine) -> Line:
        return Line(
            at=moment(line.time_ns // 1_000),
            source="fact",
            service_name=line.service_name,
            level=line.level,
            text=self._clean(line.line),
            reference=f"event:{self._clean(line.field('event_id'))}",
            trace_id=line.trace_id,
        )


def _services(parts: tuple[Part, ...]) -> list[str]:
    return list(dict.fromkeys(part.service for part in parts))
