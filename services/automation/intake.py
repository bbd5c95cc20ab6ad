"""Alertmanager's webhook, turned into the platform's own words."""

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.contracts.alerting import Alert, AlertFired, AlertResolved, AlertStatus, Severity

WATCHDOG = "Watchdog"

_THINGS = ("venue", "account", "strategy", "symbol", "consumer")
_LONGEST_TEXT = 4_000  # characters; an annotation is a sentence, not a document


class _Foreign(BaseModel):
    """Alertmanager adds fields between versions; the ones used here have been the same since payload version 4."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class WebhookAlert(_Foreign):
    """One alert of a notification."""

    status: AlertStatus
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")
    ends_at: AwareDatetime = Field(alias="endsAt")
    fingerprint: str = Field(min_length=1, max_length=64, pattern=r"^[0-9a-f]+$")

    @property
    def name(self) -> str:
        """The alert rule's name."""
        return self.labels.get("alertname", "unnamed")[:200]

    @property
    def target(self) -> str:
        """What it is about, beside the service: the first of the labels that name a thing."""
        return next((self.labels[name][:200] for name in _THINGS if self.labels.get(name)), "")

    def to_alert(self) -> Alert:
        """The same alert in the platform's words; unknown severities become `other`."""
        severity = self.labels.get("severity", "other")
        return Alert(
            fingerprint=self.fingerprint,
            name=self.name,
            severity=Severity(severity) if severity in set(Severity) else Severity.OTHER,
            status=self.status,
            service_name=self.labels.get("service_name", "")[:100],
            summary=self.annotations.get("summary", "")[:_LONGEST_TEXT],
            description=self.annotations.get("description", "")[:_LONGEST_TEXT],
            runbook_url=self.annotations.get("runbook_url", "")[:_LONGEST_TEXT],
            starts_at=self.starts_at,
            ends_at=self.ends_at if self.status is AlertStatus.RESOLVED else None,
        )


class Notification(_Foreign):
    """The body of a webhook call, payload version 4."""

    version: str = Field(pattern=r"^4$")
    alerts: tuple[WebhookAlert, ...] = Field(max_length=1_000)


def fact(alert: Alert, *, received_at: datetime, target: str = "") -> AlertFired | AlertResolved:
    """What the platform states when an occurrence begins or ends."""
    shared = {
        "subject": alert.fingerprint,
        "fingerprint": alert.fingerprint,
        "alert_name": alert.name,
        "severity": alert.severity,
        "status": alert.status,
        "service_name": alert.service_name,
        "summary": alert.summary,
        "starts_at": alert.starts_at,
        "target": target,
    }
    if alert.status is AlertStatus.RESOLVED:
        return AlertResolved.model_validate({**shared, "ends_at": alert.ends_at or received_at})
    return AlertFired.model_validate(shared)
