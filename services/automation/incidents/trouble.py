"""What an incident is opened with, and what comes of it."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from services.contracts.incidents import IncidentSeverity


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What an incident is opened with.

    Attributes:
        cause_id: The same cause opens one incident, however often it is told.
        target: "" for none in particular; then nothing is joined to it.
    """

    cause_id: str
    cause_kind: str
    cause_name: str
    title: str
    severity: IncidentSeverity
    target: str = ""
    service_name: str = ""
    alert_name: str = ""
    started_at: datetime
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident, and whether this cause opened it or joined one that was under way."""

    incident_id: str
    joined: bool


def id_of(trouble: Trouble) -> str:
    """The same cause, the same id: nothing is opened twice."""
    digest = hashlib.sha256(f"{trouble.cause_kind}/{trouble.cause_id}".encode()).hexdigest()[:8]
    return f"{trouble.started_at:%Y%m%d-%H%M}-{digest}"
