"""Settings of the automation service."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr

from services.kit.service_settings import ServiceSettings
from services.kit.settings import SecretFile

_AUTH_PORT, _TRADING_PORT, _CONTENT_PORT, _AGENTS_PORT = 8720, 8730, 8750, 8760


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
    trading_url: str | None = Field(
        default=None, description="Base URL of trading. Default: its own port on this machine."
    )
    content_url: str | None = Field(
        default=None, description="Base URL of content. Default: its own port on this machine."
    )
    agents_url: str | None = Field(
        default=None, description="Base URL of agents. Default: its own port on this machine."
    )

    @property
    def auth_base_url(self) -> str:
        """Where auth is called."""
        return self._base(self.auth_url, _AUTH_PORT)

    @property
    def trading_base_url(self) -> str:
        """Where trading is called."""
        return self._base(self.trading_url, _TRADING_PORT)

    @property
    def content_base_url(self) -> str:
        """Where content is called."""
        return self._base(self.content_url, _CONTENT_PORT)

    @property
    def agents_base_url(self) -> str:
        """Where agents is called."""
        return self._base(self.agents_url, _AGENTS_PORT)

    def _base(self, url: str | None, port: int) -> str:
        return url or f"http://127.0.0.1:{port + self.port_offset}"

    @property
    def silence_limit(self) -> timedelta:
        """The same as a duration."""
        return timedelta(seconds=self.watchdog_silence_seconds)
