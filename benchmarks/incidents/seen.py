"""What the platform says of itself while a case runs: anomalies, alerts and incidents, as its own services answer."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from benchmarks.incidents.house import CallFailedError, House

# Alerts about what the platform makes of something else: they follow from what was noticed before, and may be late.
_ECHOES: Final = ("Anomal", "Incident", "Pipeline", "Approval", "Notification")
OVER: Final = frozenset({"resolved", "escalated", "written_up"})


@dataclass(frozen=True, slots=True, order=True)
class Sign:
    """One thing by which trouble is noticed.

    Attributes:
        at: When it was told.
        kind: anomaly, alert or incident.
        name: Of the signal or of the rule; the incident's title.
        key: Tells it from others of its name.
    """

    at: datetime
    kind: str
    name: str
    key: str

    @property
    def text(self) -> str:
        """In two words."""
        return f"{self.kind} {self.name}"


def signs(running: House) -> list[Sign]:
    """All of them, the earliest first; a service that cannot answer tells none."""
    found = [
        Sign(datetime.fromisoformat(each["found_at"]), "anomaly", each["signal"], each["anomaly_id"])
        for each in _listed(running, "agents", "/anomalies?limit=1000", "anomalies")
    ]
    found += [
        Sign(datetime.fromisoformat(each["starts_at"]), "alert", each["name"], f"{each['fingerprint']}")
        for each in _listed(running, "automation", "/alerts?limit=1000", "alerts")
        if not each["name"].startswith(_ECHOES)
    ]
    found += [
        Sign(datetime.fromisoformat(each["detected_at"]), "incident", each["title"], each["incident_id"])
        for each in incidents(running)
    ]
    return sorted(found)


def incidents(running: House) -> list[dict[str, Any]]:
    """Every incident, the newest first."""
    return _listed(running, "automation", "/incidents?limit=1000", "incidents")


def history(running: House, incident_id: str) -> dict[str, Any]:
    """An incident with all that happened to it. Raises `CallFailedError`."""
    found: dict[str, Any] = running.call("automation", "GET", f"/incidents/{incident_id}")
    return found


def answer_questions(running: House) -> list[str]:
    """Be the person who is asked, and refuse what is asked; the actions that were. Raises `CallFailedError`."""
    asked = running.call("automation", "GET", "/approvals?status=pending")["approvals"]
    for each in asked:
        decision = {"parameters_digest": each["parameters_digest"]}
        running.call("automation", "POST", f"/approvals/{each['approval_id']}/refuse", decision)
    return [str(each["action"]) for each in asked]


def changed_at(incident: dict[str, Any], statuses: Sequence[str]) -> datetime | None:
    """When an incident first came to one of these; None if it has not."""
    moments = [each["at"] for each in incident.get("changes", ()) if each["status"] in statuses]
    return datetime.fromisoformat(moments[0]) if moments else None


def _listed(running: House, service: str, target: str, name: str) -> list[dict[str, Any]]:
    with suppress(CallFailedError):
        found: list[dict[str, Any]] = running.call(service, "GET", target)[name]
        return found
    return []
