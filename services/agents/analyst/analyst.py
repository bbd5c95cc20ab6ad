"""Looks for an incident's cause: collects evidence, weighs it, and answers with at most three causes, or none."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final, Protocol

from services.agents import store
from services.agents.analyst.causes import CauseTable
from services.agents.analyst.changed_signals import changed_signals
from services.agents.analyst.clues import Clue, Window, numbered
from services.agents.analyst.mechanisms import of_clues, of_lines, of_signals, starts
from services.agents.analyst.told_lines import is_echo, told_facts, told_phrases, told_templates
from services.agents.analyst.told_spans import failed_spans, slow_calls
from services.agents.analyst.weighing import Weighed, weigh
from services.agents.signals.reading import OUTSIDE, SignalReader
from services.contracts.anomalies import (
    AnomalyView,
    Diagnosis,
    DiagnosisMade,
    DiagnosisRequest,
    Evidence,
    EvidenceId,
    EvidenceKind,
    Hypothesis,
    Prose,
)
from services.contracts.knowledge import MatchAnswer, MatchQuery
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.errors import SightlineError
from services.kit.facts import Facts
from telemetry.query.errors import QueryError
from telemetry.query.open import Readers
from telemetry.query.ports import LogLine, LogQuery

BEFORE: Final = timedelta(minutes=30)
_MOST_LINES: Final = 50_000
_OTHERS_STRENGTH: Final = 0.6  # of evidence about another venue, account, strategy or symbol than the incident's
_MOST_QUESTIONS: Final = 6
_FACT: Final = "event_type"
_ALERT: Final = "alerting.alert_fired"


class Knowledge(Protocol):
    """Answers what is known of an error; `services.clients.content.ContentClient` is the one."""

    async def match(self, query: MatchQuery) -> MatchAnswer:
        """Entries that answer. Raises `SightlineError`."""


class Writer(Protocol):
    """Puts a diagnosis into sentences."""

    async def write(self, diagnosis: Diagnosis) -> tuple[str | None, Prose]:
        """The sentences, and what became of the wish. Never raises."""


@dataclass(frozen=True, slots=True)
class AnalystParts:
    """What an analyst stands on."""

    readers: Readers
    facts: Facts
    database: Database
    clock: Clock
    table: CauseTable
    knowledge: Knowledge | None
    writer: Writer | None


@dataclass(slots=True)
class _Collected:
    window: Window
    clues: list[Clue] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    alerts: set[str] = field(default_factory=set)

    def take(self, source: str, collect: Callable[[], Iterable[Clue]]) -> None:
        try:
            self.clues.extend(collect())
        except QueryError as error:
            self.missing.append(f"{source}: {error}")


class Analyst:
    """Diagnoses incidents. Nothing that it does changes anything but its own record of having been asked."""

    def __init__(self, parts: AnalystParts) -> None:
        self._parts = parts
        self._signals = SignalReader(parts.readers)

    async def diagnose(self, request: DiagnosisRequest) -> Diagnosis:
        """The probable causes. Raises `DatabaseError`; sources of telemetry that are away are named in the answer."""
        began = self._parts.clock.monotonic()
        collected = await asyncio.to_thread(self._collect, request)
        pairs = numbered(_about(clue, request.target) for clue in collected.clues)
        evidence = tuple(each for _, each in pairs)
        weighed = weigh(self._parts.table, evidence, request.alert_name)
        known, ids = await self._ask(request, pairs, collected.missing, len(evidence))
        hypotheses = tuple(self._hypothesis(each, ids) for each in weighed)
        best = weighed[0].speaking_for if weighed else ()
        diagnosis = Diagnosis(
            incident_id=request.incident_id,
            window_start=collected.window.start,
            window_end=collected.window.end,
            onset=min((each.at for each in best), default=None),
            hypotheses=hypotheses,
            evidence=(*evidence, *known),
            missing=tuple(sorted(collected.missing)),
        )
        prose = Prose.OFF
        if self._parts.writer is not None and hypotheses:
            text, prose = await self._parts.writer.write(diagnosis)
            diagnosis = diagnosis.model_copy(update={"prose": text})
        await asyncio.to_thread(self._tell, diagnosis, prose, self._parts.clock.monotonic() - began)
        return diagnosis

    def _collect(self, request: DiagnosisRequest) -> _Collected:
        end = max(request.until or self._parts.clock.now(), request.started_at + timedelta(seconds=1))
        start = request.started_at - timedelta(seconds=request.window_seconds)
        window = Window(before=start - BEFORE, start=start, seen=request.started_at, end=end)
        collected, readers, table = _Collected(window), self._parts.readers, self._parts.table
        facts = self._lines(collected, LogQuery(start=window.before, end=end, has_field=_FACT, limit=_MOST_LINES))
        warned = self._lines(collected, LogQuery(start=window.before, end=end, min_level="warning", limit=_MOST_LINES))
        lines = [line for line in warned if not is_echo(line)]
        begun = self._lines(
            collected, LogQuery(start=start, end=end, logger="services.chassis", text="started", limit=1_000)
        )
        collected.take("logs", lambda: told_facts(facts, table.facts, window))
        collected.take("logs", lambda: told_phrases(lines, table.phrases, window))
        collected.take("logs", lambda: told_templates(lines, window))
        collected.take("logs", lambda: of_lines(lines, facts, window))
        collected.take("logs", lambda: starts(begun))
        collected.take("logs", lambda: _alerts(facts, window))
        collected.take("metrics", lambda: changed_signals(self._signals, window))
        collected.take("metrics", lambda: of_signals(self._signals, window))
        collected.take("traces", lambda: slow_calls(readers, window))
        collected.take("traces", lambda: failed_spans(readers, window))
        with self._parts.database.reading() as connection:
            anomalies = store.anomalies(connection, since=window.start)
        collected.take("anomalies", lambda: _anomalies(anomalies, window))
        collected.take("clues", lambda: [*of_clues(collected.clues)])
        return collected

    def _lines(self, collected: _Collected, query: LogQuery) -> Sequence[LogLine]:
        try:
            found = self._parts.readers.logs.search(query)
        except QueryError as error:
            collected.missing.append(f"logs: {error}")
            return ()
        if found.truncated:
            collected.missing.append(f"logs: more than {query.limit} lines, the earliest are left out")
        return [line for line in found if line.service_name not in OUTSIDE]

    async def _ask(
        self,
        request: DiagnosisRequest,
        pairs: Sequence[tuple[Clue, Evidence]],
        missing: list[str],
        count: int,
    ) -> tuple[list[Evidence], dict[EvidenceId, list[str]]]:
        """What the knowledge base says of the alert and of the texts that were found, by the evidence asked about."""
        if self._parts.knowledge is None:
            return [], {}
        asked = [(clue, each) for clue, each in pairs if clue.words][:_MOST_QUESTIONS]
        questions = [(each.id, _question(clue)) for clue, each in asked]
        if request.alert_name:
            about = MatchQuery(alert_name=request.alert_name, service_name=request.service_name, source="diagnosis")
            questions.insert(0, (EvidenceId(""), about))
        known: list[Evidence] = []
        ids: dict[EvidenceId, list[str]] = {}
        for of, question in questions:
            try:
                answer = await self._parts.knowledge.match(question)
            except SightlineError as error:
                missing.append(f"knowledge: {error.detail}")
                break
            for match in answer.matches[:1]:
                ids.setdefault(of, []).append(match.entry.id)
                number = EvidenceId(f"E{count + len(known) + 1}")
                known.append(_knowledge(number, match.entry.id, match.entry.title, match.confidence, request))
        return known, ids

    def _hypothesis(self, weighed: Weighed, known: dict[EvidenceId, list[str]]) -> Hypothesis:
        row = self._parts.table.causes[weighed.cause]
        about = [*known.get(EvidenceId(""), ())]
        about += [entry for each in weighed.speaking_for for entry in known.get(each.id, ())]
        return Hypothesis(
            cause=weighed.cause,
            confidence=weighed.confidence,
            summary=row.summary,
            evidence_ids=tuple(each.id for each in weighed.speaking_for),
            against_ids=tuple(each.id for each in weighed.against),
            knowledge_ids=tuple(dict.fromkeys(about)),
            allowed_actions=row.actions,
        )

    def _tell(self, diagnosis: Diagnosis, prose: Prose, seconds: float) -> None:
        causes = tuple(each.cause.value for each in diagnosis.hypotheses)
        with self._parts.facts.transaction() as tx:
            tx.record(
                DiagnosisMade(
                    subject=diagnosis.incident_id,
                    causes=causes,
                    leading=causes[0] if causes else "no_finding",
                    confidence=diagnosis.hypotheses[0].confidence if causes else 0.0,
                    evidence=len(diagnosis.evidence),
                    missing=diagnosis.missing,
                    prose=prose,
                    duration_seconds=seconds,
                )
            )


def _about(clue: Clue, target: str) -> Clue:
    if not target or not clue.target or clue.target == target:
        return clue
    return replace(clue, strength=clue.strength * _OTHERS_STRENGTH)


def _alerts(facts: Sequence[LogLine], window: Window) -> Iterator[Clue]:
    first: dict[str, LogLine] = {}
    for line in sorted(facts):
        inside = line.time_ns >= window.start.timestamp() * 1e9
        if inside and line.field(_FACT) == _ALERT and line.field("alert_name"):
            first.setdefault(line.field("alert_name"), line)
    for name, line in sorted(first.items()):
        yield Clue(
            kind=EvidenceKind.ALERT,
            signal=name,
            service_name=line.field("service_name") or line.service_name,
            at=window.start + timedelta(seconds=line.time_ns / 1e9 - window.start.timestamp()),
            detail=line.line[:300],
            query=f'ALERTS{{alertname="{name}"}}',
        )


def _anomalies(views: Iterable[AnomalyView], window: Window) -> Iterator[Clue]:
    for view in views:
        if view.found_at <= window.end and view.since >= window.start:
            yield Clue(
                kind=EvidenceKind.ANOMALY,
                signal=view.signal,
                service_name=view.service_name,
                at=view.since,
                detail=view.detail,
                query=f"sightline anomalies --signal {view.signal}",
                target=view.target,
            )


def _question(clue: Clue) -> MatchQuery:
    return MatchQuery(text=clue.words, service_name=clue.service_name, source=f"diagnosis:{clue.signal}"[:200])


def _knowledge(number: EvidenceId, entry: str, title: str, confidence: float, request: DiagnosisRequest) -> Evidence:
    return Evidence(
        id=number,
        kind=EvidenceKind.KNOWLEDGE,
        signal=entry,
        service_name=request.service_name,
        at=request.started_at,
        detail=title,
        query=f"sightline kb show {entry}",
        strength=confidence,
    )
