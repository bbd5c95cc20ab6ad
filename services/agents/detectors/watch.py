"""Looks at every signal again and again, and states what is out of the ordinary and when it is as usual again."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Final

from pydantic import ValidationError

from services.agents import store
from services.agents.detectors.anomalies import Finding, OpenAnomalies
from services.agents.detectors.log_watch import LogFinding, LogWatch
from services.agents.detectors.onset import onset
from services.agents.detectors.series import DetectorBank, Watched
from services.agents.errors import TelemetryAwayError
from services.agents.signals.reading import SignalReader
from services.agents.signals.sources import Sample, Signal, Told, Track
from services.agents.signals.table import TEMPLATES
from services.contracts.alerting import Severity
from services.contracts.anomalies import AnomalyList, Detector, DetectorList, DetectorState, Stage
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.ids import Ids
from telemetry.catalogue import (
    ANOMALIES,
    ANOMALIES_OPEN,
    ANOMALY_SCORE,
    DETECTION_ROUND,
    DETECTOR_BLIND,
    DETECTOR_OBSERVATIONS,
    DETECTORS,
    DETECTORS_BEHIND,
    LOG_TEMPLATES,
)
from telemetry.emit.metrics import Metrics
from telemetry.query.errors import QueryError
from telemetry.query.open import Readers
from telemetry.query.ports import LogQuery

# A scrape comes every 15 s and a batch of log lines within a second or two: what is younger may not be there yet.
SETTLING_SECONDS: Final = 3.0
LOOK_BACK: Final = timedelta(hours=1)
_KEPT_EVERY: Final = timedelta(minutes=5)
_MOST_LINES: Final = 20_000
# Services that start with the platform fail calls to each other, and are not ready; what lasts is found afterwards.
GRACE: Final = timedelta(minutes=2)
_CURSOR: Final = "signals"
_LOG_STATE: Final = "log_templates|templates|all"

Teller = Callable[[datetime, datetime, float], list[Track]]
_log = logging.getLogger("services.agents.watch")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a watch stands on."""

    facts: Facts
    database: Database
    readers: Readers
    metrics: Metrics
    clock: Clock
    ids: Ids


@dataclass(slots=True)
class _Round:
    start: datetime
    end: datetime
    findings: list[Finding] = field(default_factory=list)
    scores: dict[str, float] = field(default_factory=dict)


class Watch:
    """Watches signals. `look` blocks and is called by one thread at a time; the views are for any thread.

    Args:
        parts: What it stands on.
        signals: What is watched.
        tellers: Who tells the values of signals that are not read off telemetry, by the signal's name.
        step_seconds: How long an observation takes.
    """

    def __init__(
        self, parts: Parts, signals: Iterable[Signal], *, tellers: Mapping[str, Teller], step_seconds: float
    ) -> None:
        self._parts = parts
        self._signals = tuple(signal for signal in signals if signal.detectors)
        self._tellers = tellers
        self._step_seconds = step_seconds
        self._reader = SignalReader(parts.readers)
        self._bank = DetectorBank()
        self._logs = LogWatch()
        self._anomalies = OpenAnomalies(parts.facts, parts.ids)
        self._blind: dict[str, str] = {}
        self._until: datetime | None = None
        self._kept_at: datetime | None = None
        self._opened_at = parts.clock.now()
        self._shown = DetectorList(detectors=())
        self._showing = Lock()
        names = [signal.name for signal in (*self._signals, TEMPLATES)]
        for metric in (ANOMALIES, ANOMALY_SCORE, DETECTOR_BLIND, DETECTOR_OBSERVATIONS):
            parts.metrics.declare(metric, "signal", names)

    def open(self) -> None:
        """Go on where the last run stopped."""
        self._opened_at = self._parts.clock.now()
        with self._parts.database.reading() as connection:
            learnt = store.learnt(connection)
            self._until = store.cursor(connection, _CURSOR)
            self._anomalies.restore(store.anomalies(connection, open_only=True))
        try:
            self._logs = LogWatch(learnt.pop(_LOG_STATE, ""))
        except ValidationError:
            _log.warning("kinds of log lines are learnt anew: what was kept is of another release")
        self._bank.restored = learnt
        self._show()

    def look(self) -> None:
        """One round: read what is new, judge it, state what changed. Raises `TelemetryAwayError`, `DatabaseError`."""
        clock = self._parts.clock
        began = clock.monotonic()
        now = clock.now()
        end = self._aligned(now - timedelta(seconds=SETTLING_SECONDS))
        start = max(self._until or end - LOOK_BACK, end - LOOK_BACK)
        if end <= start:
            return
        current = _Round(start, end)
        for signal in self._signals:
            self._look_at(signal, current)
        self._look_at_logs(current)
        if len(self._blind) > sum(not isinstance(signal.source, Told) for signal in self._signals):
            self._show()
            raise TelemetryAwayError(f"No signal can be read: {next(iter(self._blind.values()))}")
        self._until = end
        if now - self._opened_at >= GRACE:
            readable = {signal.name for signal in (*self._signals, TEMPLATES)} - set(self._blind)
            self._anomalies.settle(current.findings, readable=readable, now=now)
        if self._kept_at is None or now - self._kept_at >= _KEPT_EVERY:
            self.keep()
        self._parts.metrics.histogram(DETECTION_ROUND).observe(clock.monotonic() - began)
        self._show(current.scores)

    def keep(self) -> None:
        """Store what was learnt. What comes after it is read again at the next start."""
        if self._until is None:
            return
        self._kept_at = self._parts.clock.now()
        gone = self._bank.forget(self._until.timestamp())
        states = {**self._bank.dumps(), _LOG_STATE: (self._until, self._logs.dump())}
        with self._parts.facts.transaction() as tx:
            store.keep_learnt(tx.connection, states)
            store.forget_learnt(tx.connection, gone)
            store.set_cursor(tx.connection, _CURSOR, self._until)
            store.forget_old(tx.connection)

    def anomalies(self, *, open_only: bool, limit: int) -> AnomalyList:
        """Anomalies, the newest first."""
        with self._parts.database.reading() as connection:
            return AnomalyList(anomalies=tuple(store.anomalies(connection, open_only=open_only, limit=limit)))

    def detectors(self) -> DetectorList:
        """Every detector, by stage and signal, as the last round left it."""
        with self._showing:
            return self._shown

    def measure(self) -> None:
        """Bring the gauges that move by themselves up to now; called when metrics are collected."""
        until = self._until or self._parts.clock.now()
        self._parts.metrics.gauge(DETECTORS_BEHIND).set((self._parts.clock.now() - until).total_seconds())

    def _look_at(self, signal: Signal, current: _Round) -> None:
        try:
            tracks = self._tracks(signal, current.start, current.end)
        except QueryError as error:
            self._blind[signal.name] = str(error)
            return
        self._blind.pop(signal.name, None)
        seen = self._parts.metrics.counter(DETECTOR_OBSERVATIONS, signal=signal.name)
        for track in tracks:
            fed = self._bank.feed(signal, track)
            seen.inc(len(track.samples))
            judged = [each for each in fed if each.judgement is not None]
            highest = max((each.judgement.score for each in judged if each.judgement), default=0.0)
            current.scores[signal.name] = max(current.scores.get(signal.name, 0.0), highest)
            worst = max(
                (each for each in judged if each.found),
                key=lambda each: each.judgement.score if each.judgement else 0.0,
                default=None,
            )
            if worst is not None and worst.sample is not None and self._is_recent(worst.sample, current.end):
                current.findings.append(self._finding(worst, current.end))

    def _tracks(self, signal: Signal, start: datetime, end: datetime) -> list[Track]:
        if isinstance(signal.source, Told):
            teller = self._tellers.get(signal.name)
            return teller(start, end, self._step_seconds) if teller else []
        return self._reader.read(signal, start, end, self._step_seconds)

    def _is_recent(self, sample: Sample, end: datetime) -> bool:
        """A signal that is worth something now and then is judged by its last value for a while, not for ever."""
        return end.timestamp() - sample.seconds <= 4 * self._step_seconds

    def _finding(self, each: Watched, end: datetime) -> Finding:
        signal, sample, judgement = each.signal, each.sample, each.judgement
        if sample is None or judgement is None:
            raise ValueError("only what was judged is found")
        usual = f"{sample.value:.4g} {signal.unit}, usual is {judgement.expected:.4g}"
        known = self._anomalies.is_open(signal.name, each.track.text)
        since = sample.seconds if known else self._since(each, end)
        return Finding(
            signal=signal.name,
            stage=signal.stage,
            service_name=each.track.service_name,
            series=each.track.text,
            target=each.track.label(signal.target),
            detector=each.kind,
            severity=signal.severity,
            score=judgement.score,
            value=sample.value,
            expected=judgement.expected,
            since=datetime.fromtimestamp(since, UTC),
            detail=f"{signal.title}: {judgement.detail or usual}",
        )

    def _since(self, each: Watched, end: datetime) -> float:
        """When it probably began: the series' change point, or else what the detector says."""
        told = each.judgement.since if each.judgement else None
        latest = each.sample.seconds if each.sample else end.timestamp()
        if each.kind is Detector.BURN_RATE and told is not None:
            return told
        ended = self._anomalies.ended_at(each.signal.name, each.track.text)
        start = max(end - LOOK_BACK, ended or end - LOOK_BACK)
        for track in self._tracks(each.signal, start, end):
            if track.labels == each.track.labels:
                changed = onset(track.samples)
                if changed is not None:
                    return min(changed, told or latest)
        return told or latest

    def _look_at_logs(self, current: _Round) -> None:
        query = LogQuery(
            start=current.start, end=current.end, min_level="warning", limit=_MOST_LINES, newest_first=False
        )
        try:
            lines = self._parts.readers.logs.search(query)
        except QueryError as error:
            self._blind[TEMPLATES.name] = str(error)
            return
        self._blind.pop(TEMPLATES.name, None)
        now = current.end.timestamp()
        self._logs.take(lines, now)
        self._parts.metrics.counter(DETECTOR_OBSERVATIONS, signal=TEMPLATES.name).inc(len(lines))
        found = self._logs.findings(now)
        current.findings.extend(_of_log(finding) for finding in found)
        current.scores[TEMPLATES.name] = max((finding.score for finding in found), default=0.0)

    def _aligned(self, moment: datetime) -> datetime:
        seconds = math.floor(moment.timestamp() / self._step_seconds) * self._step_seconds
        return datetime.fromtimestamp(seconds, UTC)

    def _show(self, scores: Mapping[str, float] | None = None) -> None:
        metrics = self._parts.metrics
        views = [each.view(self._blind.get(each.signal.name, "")) for each in self._bank.watched.values()]
        views.sort(key=lambda view: (view.stage, view.signal, view.series, view.detector))
        with self._showing:
            self._shown = DetectorList(detectors=tuple(views))
        for state in DetectorState:
            metrics.gauge(DETECTORS, state=state.value).set(sum(view.state is state for view in views))
        for signal in (*self._signals, TEMPLATES):
            metrics.gauge(DETECTOR_BLIND, signal=signal.name).set(1.0 if signal.name in self._blind else 0.0)
            metrics.gauge(ANOMALY_SCORE, signal=signal.name).set((scores or {}).get(signal.name, 0.0))
        metrics.gauge(LOG_TEMPLATES).set(self._logs.templates)
        counted = self._anomalies.counted()
        for stage in Stage:
            for severity in (Severity.CRITICAL, Severity.WARNING, Severity.INFO):
                open_now = counted.get((stage, severity), 0)
                metrics.gauge(ANOMALIES_OPEN, stage=stage.value, severity=severity.value).set(open_now)


def _of_log(finding: LogFinding) -> Finding:
    what = "new" if finding.new else f"{finding.count} in five minutes, usual are {finding.expected:.3g}"
    return Finding(
        signal=TEMPLATES.name,
        stage=TEMPLATES.stage,
        service_name=finding.service_name,
        series=f"{finding.service_name or 'none'}/{finding.number}",
        target="",
        detector=Detector.TEMPLATES,
        severity=Severity.CRITICAL if finding.level == "critical" else Severity.WARNING,
        score=finding.score,
        value=float(finding.count),
        expected=finding.expected,
        since=datetime.fromtimestamp(finding.since, UTC),
        detail=f"lines of {finding.service_name} like {finding.template[:200]!r}: {what}",
    )
