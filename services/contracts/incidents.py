"""Incidents: what went wrong, what the platform did about it, and how it ended."""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.contracts.events import Event


class IncidentStatus(StrEnum):
    """How an incident stands."""

    OPENED = "opened"
    DIAGNOSING = "diagnosing"
    ACTING = "acting"
    VERIFYING = "verifying"
    RESOLVED = "resolved"
    ESCALATED = "escalated"
    WRITTEN_UP = "written_up"

    @property
    def over(self) -> bool:
        """The platform does nothing more about it by itself."""
        return self in {IncidentStatus.RESOLVED, IncidentStatus.ESCALATED, IncidentStatus.WRITTEN_UP}


class IncidentSeverity(StrEnum):
    """How much it matters."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class _IncidentFact(Event):
    """The subject is the incident's id.

    Attributes:
        target: The venue, account, strategy or symbol that it is about; "" for none in particular.
    """

    incident_id: str
    title: str
    target: str


class IncidentOpened(_IncidentFact):
    """Something went wrong that the platform takes care of.

    Attributes:
        cause_kind: event or alert.
        started_at: When it began as far as its cause tells.
        alert_name: The alert that told of it; "" without one.
    """

    event_type: ClassVar[str] = "incidents.incident_opened"

    severity: IncidentSeverity
    cause_kind: str
    cause_id: str
    service_name: str
    started_at: AwareDatetime
    alert_name: str


class IncidentJoined(_IncidentFact):
    """Something else about the same target was told while the incident was under way."""

    event_type: ClassVar[str] = "incidents.incident_joined"

    cause_id: str
    cause_name: str


class IncidentDiagnosed(_IncidentFact):
    """The probable causes, the best first; empty when nothing was found.

    Attributes:
        confidence: Of the best, from 0 to 1.
        knowledge_ids: Entries of the knowledge base that answer.
    """

    event_type: ClassVar[str] = "incidents.incident_diagnosed"

    causes: tuple[str, ...]
    confidence: float
    knowledge_ids: tuple[str, ...]


class IncidentActed(_IncidentFact):
    """The platform did something about it, or did not because it was not allowed to or could not.

    Attributes:
        outcome: done, failed, refused or expired.
    """

    event_type: ClassVar[str] = "incidents.incident_acted"

    action: str
    outcome: str
    detail: str


class IncidentEscalated(_IncidentFact):
    """A person has to look: the platform may not, or could not, put it right."""

    event_type: ClassVar[str] = "incidents.incident_escalated"

    severity: IncidentSeverity
    reason: str
    started_at: AwareDatetime
    detected_at: AwareDatetime
    actions: tuple[str, ...]
    causes: tuple[str, ...]
    knowledge_ids: tuple[str, ...]


class IncidentResolved(_IncidentFact):
    """A check of the state says that it is over.

    Attributes:
        detected_at: When the platform took notice.
        mitigated_at: When the last action ended; None when none was needed.
        seconds_to_detect: From its beginning.
        seconds_to_mitigate: From its beginning to the last action's end; None when none was needed.
        seconds_to_resolve: From its beginning.
    """

    event_type: ClassVar[str] = "incidents.incident_resolved"

    severity: IncidentSeverity
    started_at: AwareDatetime
    detected_at: AwareDatetime
    mitigated_at: AwareDatetime | None
    resolved_at: AwareDatetime
    seconds_to_detect: float
    seconds_to_mitigate: float | None
    seconds_to_resolve: float
    actions: tuple[str, ...]
    causes: tuple[str, ...]
    knowledge_ids: tuple[str, ...]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IncidentChange(_Told):
    """One line of an incident's history."""

    at: AwareDatetime
    status: IncidentStatus
    detail: str


class IncidentView(_Told):
    """An incident.

    Attributes:
        run_ids: The pipelines' runs that take care of it.
        document_id: Its postmortem; None while there is none.
        trace_id: The trace in which it was first told of; "" without one.
    """

    incident_id: str
    title: str
    severity: IncidentSeverity
    status: IncidentStatus
    cause_kind: str
    cause_id: str
    alert_name: str
    target: str
    service_name: str
    started_at: AwareDatetime
    detected_at: AwareDatetime
    mitigated_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    causes: tuple[str, ...]
    confidence: float
    knowledge_ids: tuple[str, ...]
    actions: tuple[str, ...]
    run_ids: tuple[str, ...]
    document_id: str | None
    trace_id: str
    changes: tuple[IncidentChange, ...] = ()


class IncidentList(_Told):
    """Incidents, the newest first."""

    incidents: tuple[IncidentView, ...]
