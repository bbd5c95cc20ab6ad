"""What the log tells of an incident: facts, texts, and kinds of lines that are new or suddenly frequent."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from services.agents.analyst.causes import FactPattern, Phrase
from services.agents.analyst.clues import Clue, Window
from services.agents.detectors.log_watch import ECHOES
from services.agents.detectors.templates import TemplateMiner
from services.contracts.anomalies import EvidenceKind
from telemetry.query.ports import LogLine

_PREFLIGHT: Final = "auth.preflight_failed"
_TIMES_AS_FREQUENT: Final = 3.0
_LEAST_NEW: Final = 2
_LEAST_SURGE: Final = 10
_TIMES_SURGE: Final = 5.0
_SHOWN: Final = 200
_MOST_TEMPLATES: Final = 6
_NS: Final = 1_000_000_000
# What a fact is about stands in the first of these fields that it has.
_TARGETS: Final = ("target", "venue", "strategy", "account", "symbol", "subject")


def is_echo(line: LogLine) -> bool:
    """Whether the line tells of what the platform makes of something else, which is no sign of anything new."""
    return line.field("event_type").startswith(ECHOES)


def told_facts(lines: Sequence[LogLine], patterns: Mapping[str, FactPattern], window: Window) -> Iterator[Clue]:
    """A clue for each pattern that holds for more facts in the window than before it."""
    by_type: dict[str, list[LogLine]] = defaultdict(list)
    for line in lines:
        by_type[line.field("event_type")].append(line)
    for name, pattern in patterns.items():
        event = re.compile(pattern.event)
        where = {field: re.compile(text) for field, text in pattern.where.items()}
        told = [line for kind, same in by_type.items() if event.fullmatch(kind) for line in same]
        found = [line for line in told if all(rule.search(_field(line, field)) for field, rule in where.items())]
        kind = EvidenceKind.PREFLIGHT if pattern.event == _PREFLIGHT else EvidenceKind.FACT
        yield from _more(name, kind, found, pattern.least, window)


def told_phrases(lines: Sequence[LogLine], phrases: Mapping[str, Phrase], window: Window) -> Iterator[Clue]:
    """A clue for each phrase that stands in more warnings and errors in the window than before it."""
    for name, phrase in phrases.items():
        rule = re.compile(phrase.text, re.IGNORECASE)
        found = [line for line in lines if rule.search(line.line)]
        yield from _more(name, EvidenceKind.LOG_TEMPLATE, found, phrase.least, window)


def told_templates(lines: Iterable[LogLine], window: Window) -> Iterator[Clue]:
    """A clue for each kind of line that was never seen before the window, or is much more frequent in it."""
    miner = TemplateMiner()
    before: Counter[int] = Counter()
    during: dict[int, list[LogLine]] = defaultdict(list)
    texts: dict[int, str] = {}
    start_ns = round(window.start.timestamp() * _NS)
    for line in sorted(lines):
        template, _ = miner.add(line.line)
        texts[template.number] = template.text
        if line.time_ns < start_ns:
            before[template.number] += 1
        else:
            during[template.number].append(line)
    found: list[tuple[int, Clue]] = []
    for number, same in during.items():
        usual = before[number] / window.times_longer if window.times_longer else 0.0
        new = not before[number] and len(same) >= (1 if same[0].level in {"error", "critical"} else _LEAST_NEW)
        surging = before[number] > 0 and len(same) >= max(_LEAST_SURGE, _TIMES_SURGE * usual)
        if new or surging:
            what = "new" if new else f"{len(same)} times, {usual:.3g} usual"
            found.append((len(same), _template_clue(texts[number], same[0], what, new=new)))
    found.sort(key=lambda each: (-each[0], each[1].at, each[1].detail))
    yield from (clue for _, clue in found[:_MOST_TEMPLATES])


def _template_clue(template: str, first: LogLine, what: str, *, new: bool) -> Clue:
    return Clue(
        kind=EvidenceKind.LOG_TEMPLATE,
        signal="new_template" if new else "surging_template",
        service_name=first.service_name,
        at=_moment(first),
        detail=f"{what}: {template[:_SHOWN]}",
        query=_line_query(first),
        strength=0.5,
        words=first.line[:1_000],
    )


def _more(name: str, kind: EvidenceKind, found: Sequence[LogLine], least: int, window: Window) -> Iterator[Clue]:
    query = _line_query if kind is EvidenceKind.LOG_TEMPLATE else _fact_query
    start_ns = round(window.start.timestamp() * _NS)
    groups: dict[tuple[str, str], list[LogLine]] = defaultdict(list)
    before: Counter[tuple[str, str]] = Counter()
    for line in sorted(found):
        key = (line.service_name, _target(line))
        if line.time_ns < start_ns:
            before[key] += 1
        else:
            groups[key].append(line)
    for key, same in sorted(groups.items()):
        usual = before[key] / window.times_longer if window.times_longer else 0.0
        if len(same) < least or len(same) < _TIMES_AS_FREQUENT * usual:
            continue
        times = "once" if len(same) == 1 else f"{len(same)} times"
        yield Clue(
            kind=kind,
            signal=name,
            service_name=key[0],
            at=_moment(same[0]),
            detail=f"{times}: {same[0].line[:_SHOWN]}",
            query=query(same[0]),
            target=key[1],
            words=same[0].line[:1_000] if kind is EvidenceKind.LOG_TEMPLATE else "",
        )


def _field(line: LogLine, name: str) -> str:
    return line.line if name == "line" else line.field(name)


def _target(line: LogLine) -> str:
    fields = dict(line.fields)
    return next((fields[name] for name in _TARGETS if fields.get(name)), "")


def _moment(line: LogLine) -> datetime:
    return datetime.fromtimestamp(line.time_ns / _NS, UTC)


def _fact_query(line: LogLine) -> str:
    return f'{{service_name="{line.service_name}"}} | event_type="{line.field("event_type")}"'


def _line_query(line: LogLine) -> str:
    return f'{{service_name="{line.service_name}", logger="{line.logger}", level="{line.level}"}}'
