"""Words about alerts: what Alertmanager tells the platform and what the platform makes of it."""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict

from services.contracts.events import Event


class Severity(StrEnum):
    """How soon a person must know: critical now, warning today, info in the digest, none never."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    NONE = "none"
    OTHER = "other"


class AlertStatus(StrEnum):
    """Whether the condition holds now."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(BaseModel):
    """One alert as the platform knows it; `fingerprint` and `starts_at` together name one occurrence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    name: str
    severity: Severity
    status: AlertStatus
    service_name: str
    summary: str
    description: str
    runbook_url: str
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None


class AlertList(BaseModel):
    """Alerts, the newest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alerts: tuple[Alert, ...]


class _AlertFact(Event):
    fingerprint: str
    alert_name: str
    severity: Severity
    status: AlertStatus
    service_name: str
    summary: str
    starts_at: AwareDatetime
    target: str = ""  # the venue, account, strategy or symbol that its labels name


class AlertFired(_AlertFact):
    """An alert began to fire. The subject is its fingerprint."""

    event_type: ClassVar[str] = "alerting.alert_fired"


class AlertResolved(_AlertFact):
    """An alert's condition no longer holds."""

    event_type: ClassVar[str] = "alerting.alert_resolved"

    ends_at: AwareDatetime


class AlertingFellSilent(Event):
    """The Watchdog, which always fires, has not been heard: no other alert can be trusted to arrive."""

    event_type: ClassVar[str] = "alerting.alerting_fell_silent"

    last_heard_at: AwareDatetime
    silence_limit_seconds: float


class AlertingHeardAgain(Event):
    """The Watchdog is heard after a silence."""

    event_type: ClassVar[str] = "alerting.alerting_heard_again"

    silent_for_seconds: float
