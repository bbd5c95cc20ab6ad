"""Makes one account of what was told of an incident."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.content.writing.inputs import Act, IncidentAccount, Line
from services.contracts.documents import SourcedNumber
from services.contracts.events import Envelope
from services.contracts.incidents import (
    IncidentActed,
    IncidentDiagnosed,
    IncidentEscalated,
    IncidentJoined,
    IncidentOpened,
    IncidentResolved,
)

ENDINGS: Final = (IncidentResolved.event_type, IncidentEscalated.event_type)
EVENT_TYPES: Final = (
    IncidentOpened.event_type,
    IncidentJoined.event_type,
    IncidentDiagnosed.event_type,
    IncidentActed.event_type,
    *ENDINGS,
)
_TRACE: Final = re.compile(r"^00-([0-9a-f]{32})-")


@dataclass(frozen=True, slots=True)
class Told:
    """One fact about an incident, as it is stored."""

    event_id: str
    event_type: str
    at: datetime
    trace_id: str
    payload: dict[str, Any]


def trace_id_of(envelope: Envelope) -> str:
    """The trace in which a fact was stated, "" outside one."""
    found = _TRACE.match(envelope.traceparent)
    return found.group(1) if found else ""


def account_of(told: Sequence[Told]) -> IncidentAccount | None:
    """The account of facts in their order; None while the incident is not over."""
    ends = [each for each in told if each.event_type in ENDINGS]
    if not ends:
        return None
    end = ends[0]  # an incident ends once
    opened = next((each.payload for each in told if each.event_type == IncidentOpened.event_type), {})
    diagnosed = [each.payload for each in told if each.event_type == IncidentDiagnosed.event_type]
    acts = tuple(_act(each) for each in told if each.event_type == IncidentActed.event_type)
    ending = end.payload
    resolved = end.event_type == IncidentResolved.event_type
    mitigated = _moment(ending["mitigated_at"]) if resolved else _last_done(acts)
    started, detected = (datetime.fromisoformat(ending[name]) for name in ("started_at", "detected_at"))
    ended = datetime.fromisoformat(ending["resolved_at"]) if resolved else end.at
    return IncidentAccount(
        **{name: str(ending[name]) for name in ("incident_id", "title", "target", "severity")},
        outcome="resolved" if resolved else "escalated",
        reason=str(ending.get("reason", "")),
        **{name: str(opened.get(name, "")) for name in ("cause_kind", "cause_id", "alert_name", "service_name")},
        started_at=started,
        detected_at=detected,
        mitigated_at=mitigated,
        ended_at=ended,
        causes=tuple(ending["causes"]),
        confidence=float(diagnosed[-1]["confidence"]) if diagnosed and ending["causes"] else None,
        knowledge_ids=tuple(ending["knowledge_ids"]),
        acts=acts,
        joined=tuple(str(each.payload["cause_name"]) for each in told if each.event_type == IncidentJoined.event_type),
        history=tuple(_line(each) for each in told),
        trace_ids=tuple(dict.fromkeys(each.trace_id for each in told if each.trace_id)),
        times=tuple(_times(end, started, detected, mitigated, ended if resolved else None)),
    )


def _times(
    end: Told, started: datetime, detected: datetime, mitigated: datetime | None, resolved: datetime | None
) -> Iterable[SourcedNumber]:
    query = f"event {end.event_id} ({end.event_type})"
    moments = {"time to detect": detected, "time to mitigate": mitigated, "time to resolve": resolved}
    for name, moment in moments.items():
        value = None if moment is None else max(0.0, (moment - started).total_seconds())
        yield SourcedNumber(name=name, value=value, unit="seconds", query=query)


def _act(told: Told) -> Act:
    payload = told.payload
    return Act(
        at=told.at, action=str(payload["action"]), outcome=str(payload["outcome"]), detail=str(payload["detail"])
    )


def _last_done(acts: Sequence[Act]) -> datetime | None:
    return next((act.at for act in reversed(acts) if act.outcome == "done"), None)


def _line(told: Told) -> Line:
    acted = told.event_type == IncidentActed.event_type
    return Line(
        at=told.at,
        source="action" if acted else "incident",
        service_name="automation",
        level="info",
        text=_words(told),
        reference=f"event:{told.event_id}",
        trace_id=told.trace_id,
    )


def _words(told: Told) -> str:
    payload = told.payload
    match told.event_type:
        case IncidentOpened.event_type:
            return f"the incident was opened: {payload['title']}"
        case IncidentJoined.event_type:
            return f"also told: {payload['cause_name']}"
        case IncidentDiagnosed.event_type:
            causes = ", ".join(payload["causes"])
            return f"probable causes: {causes}" if causes else "the analyst made no finding"
        case IncidentActed.event_type:
            return f"{payload['action']}: {payload['outcome']}. {payload['detail']}".strip()
        case IncidentEscalated.event_type:
            return f"a person was called: {payload['reason']}"
        case _:
            return "a check of the state said that it is over"


def _moment(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
