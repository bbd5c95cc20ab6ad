"""Settings of the automation service."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr

from services.kit.service_settings import ServiceSettings
from services.kit.settings import SecretFile


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

    @property
    def silence_limit(self) -> timedelta:
        """The same as a duration."""
        return timedelta(seconds=self.watchdog_silence_seconds)
