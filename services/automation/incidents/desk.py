"""Takes incidents from their beginning to their end; every change is a fact. Its methods block."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from services.automation.incidents import store
from services.automation.incidents.trouble import Opened, Trouble, id_of
from services.contracts.events import Event
from services.contracts.incidents import (
    IncidentActed,
    IncidentDiagnosed,
    IncidentEscalated,
    IncidentJoined,
    IncidentList,
    IncidentOpened,
    IncidentResolved,
    IncidentStatus,
    IncidentView,
)
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.kit.facts import Facts, Transaction
from services.kit.moments import microseconds

TOGETHER: Final = timedelta(minutes=5)
"""What is told of one target within this time is one incident."""


class UnknownIncidentError(SightlineError):
    """No incident has this id."""

    status_code = HTTPStatus.NOT_FOUND
    code = "unknown_incident"
    title = "There is no such incident"


class IncidentDesk:
    """Incidents and their history."""

    def __init__(self, facts: Facts, clock: Clock) -> None:
        self._facts, self._clock = facts, clock

    def open(self, trouble: Trouble, run_id: str) -> Opened:
        """Open an incident, or join the one about the same target; told again it is the same answer."""
        now = self._clock.now()
        with self._facts.transaction(durable=True) as tx:
            store.one_at_a_time(tx.connection)
            known = store.by_cause(tx.connection, trouble.cause_id)
            if known is not None:
                return Opened(known, joined=_view(tx, known).cause_id != trouble.cause_id)
            near = store.under_way(tx.connection, trouble.target, now, TOGETHER) if trouble.target else None
            if near is not None:
                return self._join(tx, near, trouble, run_id, now)
            return self._open(tx, trouble, run_id, now)

    def diagnosed(
        self, incident_id: str, causes: Sequence[str], confidence: float, knowledge_ids: Sequence[str]
    ) -> None:
        """Note the probable causes, the best first; noted again it changes nothing."""
        with self._facts.transaction() as tx:
            view = _view(tx, incident_id)
        if view.status is IncidentStatus.DIAGNOSING and (view.causes, view.knowledge_ids) == (
            tuple(causes),
            tuple(knowledge_ids),
        ):
            return
        found = f"probably {causes[0]} ({confidence:.0%})" if causes else "no finding"
        self._change(
            incident_id,
            IncidentStatus.DIAGNOSING,
            found,
            IncidentDiagnosed,
            {"causes": tuple(causes), "confidence": confidence, "knowledge_ids": tuple(knowledge_ids)},
            causes=json.dumps(list(causes)),
            confidence=confidence,
            knowledge_ids=json.dumps(list(knowledge_ids)),
        )

    def acted(self, incident_id: str, action: str, outcome: str, detail: str) -> None:
        """Note what was done about it, or was not; noted again it changes nothing."""
        now, note = self._clock.now(), f"{action}: {outcome}"
        with self._facts.transaction() as tx:
            actions = list(_view(tx, incident_id).actions)
        if note in actions:
            return
        actions.append(note)
        self._change(
            incident_id,
            IncidentStatus.ACTING,
            f"{action}: {outcome}. {detail}".strip(),
            IncidentActed,
            {"action": action, "outcome": outcome, "detail": detail},
            actions=json.dumps(actions),
            **({"mitigated_at_us": microseconds(now)} if outcome == "done" else {}),
        )

    def verifying(self, incident_id: str, what: str) -> None:
        """Note that a check of the state is waited for."""
        with self._facts.transaction() as tx:
            if not _view(tx, incident_id).status.over:
                store.change(tx.connection, incident_id, IncidentStatus.VERIFYING, what, self._clock.now())

    def resolve(self, incident_id: str, detail: str) -> None:
        """It is over, as a check of the state says."""
        now = self._clock.now()
        with self._facts.transaction(durable=True) as tx:
            view = _view(tx, incident_id)
            if view.status.over:
                return
            store.change(
                tx.connection, incident_id, IncidentStatus.RESOLVED, detail, now, ended_at_us=microseconds(now)
            )
            mitigated = view.mitigated_at
            tx.record(
                IncidentResolved(
                    **_same(view),
                    severity=view.severity,
                    started_at=view.started_at,
                    detected_at=view.detected_at,
                    mitigated_at=mitigated,
                    resolved_at=now,
                    seconds_to_detect=_seconds(view.started_at, view.detected_at),
                    seconds_to_mitigate=None if mitigated is None else _seconds(view.started_at, mitigated),
                    seconds_to_resolve=_seconds(view.started_at, now),
                    actions=view.actions,
                    causes=view.causes,
                    knowledge_ids=view.knowledge_ids,
                )
            )

    def escalate(self, incident_id: str, reason: str) -> None:
        """A person has to look."""
        now = self._clock.now()
        with self._facts.transaction(durable=True) as tx:
            view = _view(tx, incident_id)
            if view.status.over:
                return
            store.change(
                tx.connection, incident_id, IncidentStatus.ESCALATED, reason, now, ended_at_us=microseconds(now)
            )
            tx.record(
                IncidentEscalated(
                    **_same(view),
                    severity=view.severity,
                    reason=reason,
                    started_at=view.started_at,
                    detected_at=view.detected_at,
                    actions=view.actions,
                    causes=view.causes,
                    knowledge_ids=view.knowledge_ids,
                )
            )

    def written_up(self, incident_id: str, document_id: str) -> None:
        """Note its postmortem, once it is over; noted again it changes nothing. Raises `UnknownIncidentError`."""
        with self._facts.transaction() as tx:
            self.note_written_up(tx, incident_id, document_id)

    def note_written_up(self, tx: Transaction, incident_id: str, document_id: str) -> None:
        """The same within a transaction that is open already."""
        view = _view(tx, incident_id)
        if view.status.over and view.document_id != document_id:
            detail, now = f"postmortem {document_id}", self._clock.now()
            store.change(tx.connection, incident_id, IncidentStatus.WRITTEN_UP, detail, now, document_id=document_id)

    def one(self, incident_id: str) -> IncidentView:
        """An incident with its history. Raises `UnknownIncidentError`."""
        with self._facts.transaction() as tx:
            return _view(tx, incident_id, history=True)

    def listing(self, *, open_only: bool, limit: int) -> IncidentList:
        """Incidents, the newest first."""
        with self._facts.transaction() as tx:
            return IncidentList(incidents=tuple(store.listing(tx.connection, open_only=open_only, limit=limit)))

    def standing(self) -> tuple[dict[str, int], float]:
        """How many incidents stand how, and the age in seconds of the oldest that is not over."""
        with self._facts.transaction() as tx:
            oldest = store.oldest_open(tx.connection)
            return store.by_status(tx.connection), 0.0 if oldest is None else _seconds(oldest, self._clock.now())

    def _open(self, tx: Transaction, trouble: Trouble, run_id: str, now: datetime) -> Opened:
        incident_id = id_of(trouble)
        started_at = min(trouble.started_at, now)
        store.add(
            tx.connection,
            {
                "incident_id": incident_id,
                "title": trouble.title,
                "severity": trouble.severity.value,
                "status": IncidentStatus.OPENED.value,
                "cause_kind": trouble.cause_kind,
                "cause_id": trouble.cause_id,
                "alert_name": trouble.alert_name,
                "target": trouble.target,
                "service_name": trouble.service_name,
                "trace_id": trouble.trace_id,
                "started_at_us": microseconds(started_at),
                "detected_at_us": microseconds(now),
                "causes": "[]",
                "confidence": 0.0,
                "knowledge_ids": "[]",
                "actions": "[]",
            },
        )
        store.take_in(tx.connection, incident_id, trouble.cause_id, run_id)
        store.add_line(tx.connection, incident_id, IncidentStatus.OPENED, trouble.cause_name, now)
        tx.record(
            IncidentOpened(
                subject=incident_id,
                incident_id=incident_id,
                title=trouble.title,
                target=trouble.target,
                severity=trouble.severity,
                cause_kind=trouble.cause_kind,
                cause_id=trouble.cause_id,
                service_name=trouble.service_name,
                started_at=started_at,
                alert_name=trouble.alert_name,
            )
        )
        return Opened(incident_id, joined=False)

    def _join(self, tx: Transaction, incident_id: str, trouble: Trouble, run_id: str, now: datetime) -> Opened:
        view = _view(tx, incident_id)
        store.take_in(tx.connection, incident_id, trouble.cause_id, run_id)
        store.add_line(tx.connection, incident_id, view.status, f"also {trouble.cause_name}", now)
        tx.record(IncidentJoined(**_same(view), cause_id=trouble.cause_id, cause_name=trouble.cause_name))
        return Opened(incident_id, joined=True)

    def _change(
        self,
        incident_id: str,
        status: IncidentStatus,
        detail: str,
        event: type[Event],
        fields: dict[str, Any],
        **columns: Any,  # noqa: ANN401 -- a row's values
    ) -> None:
        with self._facts.transaction() as tx:
            view = _view(tx, incident_id)
            if view.status.over:
                return
            store.change(tx.connection, incident_id, status, detail, self._clock.now(), **columns)
            tx.record(event(**_same(view), **fields))


def _view(tx: Transaction, incident_id: str, *, history: bool = False) -> IncidentView:
    view = store.one(tx.connection, incident_id, history=history)
    if view is None:
        raise UnknownIncidentError(f"There is no incident {incident_id}; `sightline incidents` lists them.")
    return view


def _same(view: IncidentView) -> dict[str, Any]:
    return {
        "subject": view.incident_id,
        "incident_id": view.incident_id,
        "title": view.title,
        "target": view.target,
    }


def _seconds(start: datetime, end: datetime) -> float:
    return max(0.0, (end - start).total_seconds())
