"""Which anomalies are not over: one at most for each series of a signal, found once and ended once."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.agents import store
from services.contracts.alerting import Severity
from services.contracts.anomalies import AnomalyEnded, AnomalyFound, AnomalyId, AnomalyView, Detector, Stage
from services.kit.facts import Facts, Transaction
from services.kit.ids import Ids

_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_.:/@-]")  # to a subject
CALM_ROUNDS: Final = 8  # two minutes at 15 s: what comes and goes is one anomaly


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a round found out of the ordinary; fields as those of `AnomalyView`."""

    signal: str
    stage: Stage
    service_name: str
    series: str
    target: str
    detector: Detector
    severity: Severity
    score: float
    value: float
    expected: float
    since: datetime
    detail: str


@dataclass(slots=True)
class _Open:
    view: AnomalyView
    calm: int = 0


class OpenAnomalies:
    """Keeps them in the database, with the facts about them in the same transaction."""

    def __init__(self, facts: Facts, ids: Ids) -> None:
        self._facts = facts
        self._ids = ids
        self._open: dict[tuple[str, str], _Open] = {}
        self._ended: dict[tuple[str, str], datetime] = {}

    def restore(self, views: Iterable[AnomalyView]) -> None:
        """Those that were not over when the last run ended."""
        self._open = {(view.signal, view.series): _Open(view) for view in views}

    def is_open(self, signal: str, series: str) -> bool:
        """Whether an anomaly of that series is not over."""
        return (signal, series) in self._open

    def ended_at(self, signal: str, series: str) -> datetime | None:
        """When the series' last anomaly ended in this run; what begins anew began after it."""
        return self._ended.get((signal, series))

    def counted(self) -> Counter[tuple[Stage, Severity]]:
        """How many are open, by stage and severity."""
        return Counter((each.view.stage, each.view.severity) for each in self._open.values())

    def settle(self, findings: Collection[Finding], *, readable: Collection[str], now: datetime) -> None:
        """Take in what a round found. Signals that could not be read stay as they are. Raises `DatabaseError`."""
        found = {(each.signal, each.series): each for each in findings}
        if not found and not self._open:
            return
        changed: list[_Open] = []
        with self._facts.transaction() as tx:
            for key, finding in found.items():
                each = self._open.get(key)
                if each is None:
                    changed.append(_Open(self._add(tx, finding, now)))
                elif finding.score > each.view.peak_score:
                    view = each.view.model_copy(update={"peak_score": finding.score, "value": finding.value})
                    store.change(tx.connection, view)
                    changed.append(_Open(view))
                else:
                    changed.append(_Open(each.view))
            for key, each in self._open.items():
                if key not in found and each.view.signal in readable:
                    changed.append(self._calmer(tx, each, now))
        for each in changed:
            self._take_over(each)

    def _take_over(self, each: _Open) -> None:
        key = (each.view.signal, each.view.series)
        if each.view.ended_at is None:
            self._open[key] = each
        else:
            del self._open[key]
            self._ended[key] = each.view.ended_at

    def _add(self, tx: Transaction, finding: Finding, now: datetime) -> AnomalyView:
        view = AnomalyView(
            anomaly_id=AnomalyId(str(self._ids.event_id())),
            signal=finding.signal,
            stage=finding.stage,
            service_name=finding.service_name,
            series=finding.series,
            target=finding.target,
            detector=finding.detector,
            severity=finding.severity,
            score=finding.score,
            peak_score=finding.score,
            value=finding.value,
            expected=finding.expected,
            detail=finding.detail,
            since=min(finding.since, now),
            found_at=now,
            ended_at=None,
        )
        store.add(tx.connection, view)
        fields = view.model_dump(exclude={"series", "peak_score", "found_at", "ended_at"})
        tx.record(AnomalyFound(subject=_subject(view), **fields))
        return view

    def _calmer(self, tx: Transaction, each: _Open, now: datetime) -> _Open:
        if each.calm + 1 < CALM_ROUNDS:
            return _Open(each.view, each.calm + 1)
        view = each.view.model_copy(update={"ended_at": now})
        store.change(tx.connection, view)
        tx.record(
            AnomalyEnded(
                subject=_subject(view),
                anomaly_id=view.anomaly_id,
                signal=view.signal,
                stage=view.stage,
                service_name=view.service_name,
                detector=view.detector,
                since=view.since,
                duration_seconds=(now - view.since).total_seconds(),
                peak_score=view.peak_score,
            )
        )
        return _Open(view)


def _subject(view: AnomalyView) -> str:
    return _FOREIGN.sub("_", f"{view.signal}/{view.series}")[:200]
