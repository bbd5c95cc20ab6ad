"""Compares what the platform believes to fire with what Alertmanager knows, for resolutions that never arrived."""

from typing import Protocol

import httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.kit.errors import UnavailableError

_TIMEOUT = httpx.Timeout(5.0, connect=2.0)


class AlertmanagerAwayError(UnavailableError):
    """Alertmanager cannot be asked now; what the platform believes stays as it is."""

    code = "alertmanager_away"
    title = "Alertmanager cannot be asked"


class AlertSource(Protocol):
    """Knows which alerts are active now."""

    def active(self) -> frozenset[str]:
        """Fingerprints of all active alerts, silenced and inhibited ones too. Raises `AlertmanagerAwayError`."""


class _GettableAlert(BaseModel):
    model_config = ConfigDict(extra="ignore")

    fingerprint: str = Field(min_length=1)


_Alerts = TypeAdapter(list[_GettableAlert])


class AlertmanagerSource:
    """Asks Alertmanager's API, version 2."""

    def __init__(self, base_url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(base_url=base_url, timeout=_TIMEOUT, trust_env=False, transport=transport)

    def active(self) -> frozenset[str]:
        try:
            response = self._client.get("/api/v2/alerts", params={"active": "true"})
            response.raise_for_status()
            alerts = _Alerts.validate_json(response.content)
        except httpx.HTTPError as error:
            raise AlertmanagerAwayError(f"Alertmanager gave no list of alerts ({type(error).__name__}).") from error
        except ValidationError:
            raise AlertmanagerAwayError("Alertmanager's list of alerts has a form that is not known.") from None
        return frozenset(alert.fingerprint for alert in alerts)
