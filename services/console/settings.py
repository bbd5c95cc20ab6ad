"""Settings of the console service."""

from typing import ClassVar

from pydantic import Field, field_validator

from services.kit.service_settings import ServiceSettings

_AUTOMATION_PORT = 8710


class ConsoleSettings(ServiceSettings):
    """What the console service reads, beside what every service does."""

    service_name: ClassVar[str] = "console"
    default_port: ClassVar[int] = 8700

    automation_url: str | None = Field(
        default=None, description="Base URL of the automation service. Default: its own port on this machine."
    )

    @field_validator("automation_url")
    @classmethod
    def _is_a_base_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("write a base URL such as http://127.0.0.1:8710")
        return value

    @property
    def automation_base_url(self) -> str:
        """Where the automation service is called."""
        return self.automation_url or f"http://127.0.0.1:{_AUTOMATION_PORT + self.port_offset}"
