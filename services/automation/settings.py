"""Settings of the automation service."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr

from services.kit.service_settings import ServiceSettings
from services.kit.settings import SecretFile

_AUTH_PORT = 8720


class AutomationSettings(ServiceSettings):
    """What the automation service reads, beside what every service does."""

    service_name: ClassVar[str] = "automation"
    default_port: ClassVar[int] = 8710

    alertmanager_token: Annotated[SecretStr, SecretFile("alertmanager_token")] = Field(
        description="Token that Alertmanager sends with its webhook."
    )
    slack_webhook_url: Annotated[SecretStr, SecretFile("slack_webhook_url")] = Field(
        description="Slack's incoming webhook for the message that alerting itself fell silent."
    )
    alertmanager_url: str | None = Field(
        default=None,
        description="Base URL of Alertmanager, to notice alerts whose end was never notified. Default: not asked.",
    )
    watchdog_silence_seconds: float = Field(
        default=300.0,
        ge=1.0,
        le=86_400.0,
        description="How long the Watchdog may be unheard before alerting counts as silent, in seconds.",
    )

    auth_url: str | None = Field(default=None, description="Base URL of auth. Default: its own port on this machine.")

    @property
    def auth_base_url(self) -> str:
        """Where auth is called."""
        return self.auth_url or f"http://127.0.0.1:{_AUTH_PORT + self.port_offset}"

    @property
    def silence_limit(self) -> timedelta:
        """The same as a duration."""
        return timedelta(seconds=self.watchdog_silence_seconds)
