"""Settings of the automation service."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr

from services.automation.notifications.mail import MailSecurity, MailServer
from services.kit.service_settings import ServiceSettings
from services.kit.settings import SecretFile

_AUTH_PORT, _TRADING_PORT, _CONTENT_PORT, _AGENTS_PORT = 8720, 8730, 8750, 8760
_MAIL_PORT = 1025


class AutomationSettings(ServiceSettings):
    """What the automation service reads, beside what every service does."""

    service_name: ClassVar[str] = "automation"
    default_port: ClassVar[int] = 8710

    alertmanager_token: Annotated[SecretStr, SecretFile("alertmanager_token")] = Field(
        description="Token that Alertmanager sends with its webhook."
    )
    slack_webhook_url: Annotated[SecretStr, SecretFile("slack_webhook_url")] = Field(
        description="Slack's incoming webhook for the platform's own messages."
    )
    notify_urls: Annotated[SecretStr | None, SecretFile("notify_urls")] = Field(
        default=None, description="Further channels, as addresses of apprise with white space between them."
    )
    notify_to: tuple[str, ...] = Field(
        default=("operator@localhost",), description="Who gets the platform's own messages by e-mail; [] for nobody."
    )
    notify_from: str = Field(default="sightline@localhost", description="The sender of those e-mails.")
    notify_smtp_host: str = Field(default="127.0.0.1", description="Mail server. Default: the local catcher.")
    notify_smtp_port: int | None = Field(
        default=None, ge=1, le=65_535, description="The mail server's port. Default: the local catcher's."
    )
    notify_smtp_security: MailSecurity = Field(
        default=MailSecurity.NONE, description="How the way to the mail server is kept private: none, starttls or tls."
    )
    notify_smtp_user: str | None = Field(default=None, description="To log in at the mail server with.")
    notify_smtp_password: Annotated[SecretStr, SecretFile("notify_smtp_password")] = Field(
        default=SecretStr(""), description="Password at the mail server."
    )
    notify_group_seconds: float = Field(
        default=20.0,
        ge=0.0,
        le=3_600.0,
        description="How long a message that is not urgent waits for others, in seconds.",
    )
    notify_per_minute: int = Field(
        default=6, ge=1, le=600, description="Most messages a minute to each channel; what is over goes together."
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
    def mail_server(self) -> MailServer:
        """Where e-mail is handed in."""
        return MailServer(
            host=self.notify_smtp_host,
            port=self.notify_smtp_port or _MAIL_PORT + self.port_offset,
            security=self.notify_smtp_security,
            user=self.notify_smtp_user or "",
            password=self.notify_smtp_password,
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
