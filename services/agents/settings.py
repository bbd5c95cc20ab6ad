"""Settings of the agents service."""

from typing import Annotated, ClassVar

from pydantic import Field, SecretStr, field_validator

from services.kit.service_settings import ServiceSettings
from services.kit.settings import SecretFile

_CONTENT_PORT = 8750


class AgentsSettings(ServiceSettings):
    """What the agents service reads, beside what every service does."""

    service_name: ClassVar[str] = "agents"
    default_port: ClassVar[int] = 8760

    content_url: str | None = Field(
        default=None, description="Base URL of the content service. Default: its own port on this machine."
    )
    detect_seconds: float = Field(
        default=15.0,
        ge=1.0,
        le=300.0,
        description="How long an observation of a signal takes, and how often signals are looked at, in seconds.",
    )
    language_model: str | None = Field(
        default=None,
        description="Model that puts diagnoses into sentences, as pydantic-ai names it, such as `openai:gpt-5`. "
        "Default: none is asked.",
    )
    language_model_key: Annotated[SecretStr | None, SecretFile("language_model_key")] = Field(
        default=None, description="Key of the language model's provider."
    )
    language_model_seconds: float = Field(
        default=20.0, ge=1.0, le=300.0, description="How long the language model may take, in seconds."
    )

    @field_validator("content_url")
    @classmethod
    def _is_a_base_url(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise ValueError("write a base URL such as http://127.0.0.1:8750")
        return value

    @field_validator("language_model")
    @classmethod
    def _names_a_provider(cls, value: str | None) -> str | None:
        if value is not None and not all(value.partition(":")):
            raise ValueError("write provider and model, such as openai:gpt-5")
        return value

    @property
    def content_base_url(self) -> str:
        """Where the content service is called."""
        return self.content_url or f"http://127.0.0.1:{_CONTENT_PORT + self.port_offset}"
