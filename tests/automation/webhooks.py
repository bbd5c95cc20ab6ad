"""Notifications as Alertmanager sends them."""

from typing import Any

from services.automation.intake import Notification

STARTED = "2026-03-02T11:59:30.123456789Z"
NEVER = "0001-01-01T00:00:00Z"  # what Alertmanager writes as the end of an alert that fires


def alert(
    name: str = "TargetDown",
    *,
    status: str = "firing",
    starts_at: str = STARTED,
    **labels: str,
) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "critical", "service_name": "venue", **labels},
        "annotations": {"summary": f"{name} on venue", "runbook_url": "docs/runbooks/targets.md#targetdown"},
        "startsAt": starts_at,
        "endsAt": NEVER if status == "firing" else "2026-03-02T12:05:00Z",
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": "00c0ffee00c0ffee" if name != "Watchdog" else "feedfeedfeedfeed",
    }


def body(*alerts: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="TargetDown"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "platform",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": list(alerts),
    }


def notification(*alerts: dict[str, Any]) -> Notification:
    return Notification.model_validate(body(*alerts))
