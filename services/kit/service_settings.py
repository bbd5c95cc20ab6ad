"""The settings that every service has."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from services.kit.settings import SecretFile, Settings

_MAX_PORT = 65_535
_KIBIBYTE = 1024


class ServiceSettings(Settings):
    """Base of a service's settings; a subclass sets `service_name` and `default_port` and adds its own fields."""

    default_port: ClassVar[int] = 0

    env: str = Field(
        default="local", pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="Name of the environment, a label of all logs."
    )
    data_dir: Path = Field(default=Path("var"), description="Directory for everything that is kept.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int | None = Field(
        default=None,
        ge=0,
        le=_MAX_PORT,
        description="Port to listen on; 0 lets the system choose. Default: the service's own.",
    )
    port_offset: int = Field(
        default=0, ge=0, le=50_000, description="Added to every default port, to run two platforms on one machine."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        default="INFO", description="Lowest level that is logged."
    )
    console: Literal["text", "json", "off"] = Field(
        default="text", description="How log lines appear on standard error."
    )
    database_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL of the database, without a password. Default: a SQLite file in the data directory.",
    )
    postgres_password: Annotated[SecretStr | None, SecretFile("postgres_password")] = Field(
        default=None, description="Password of the Postgres user that the database's URL names."
    )
    nats_url: str = Field(default="nats://127.0.0.1:4222", description="Address of the event bus.")
    nats_token: Annotated[SecretStr | None, SecretFile("nats_token")] = Field(
        default=None, description="Token of the event bus."
    )
    identity_key: Annotated[SecretStr | None, SecretFile("identity/{service}.pem")] = Field(
        default=None, description="Ed25519 private key (PEM) that signs this service's calls."
    )
    callers_file: Path | None = Field(
        default=None, description="Public keys and scopes of who may call. Default: `callers.json` among the secrets."
    )
    loki_url: str | None = Field(
        default=None, description="Base URL of Loki; without it logs go to the embedded store."
    )
    otlp_url: str | None = Field(
        default=None, description="Base URL of an OTLP/HTTP receiver; without it spans go to the embedded store."
    )
    prometheus_url: str | None = Field(default=None, description="Base URL of Prometheus, to read metrics from.")
    tempo_url: str | None = Field(default=None, description="Base URL of Tempo, to read traces from.")
    sample_ratio: float = Field(default=1.0, ge=0, le=1, description="Share of traces that are kept.")
    max_body_bytes: int = Field(
        default=1024 * _KIBIBYTE, ge=_KIBIBYTE, description="Largest request body that is taken in, in bytes."
    )
    shutdown_seconds: int = Field(
        default=10, ge=1, le=300, description="How long requests under way may take to end at shutdown, in seconds."
    )

    @field_validator("loki_url", "otlp_url", "prometheus_url", "tempo_url")
    @classmethod
    def _base_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("write a base URL such as http://127.0.0.1:3100")
        if parts.password:
            raise ValueError("leave the password out of the URL")
        return value.rstrip("/")

    @field_validator("nats_url")
    @classmethod
    def _nats_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"nats", "tls"} or not parts.hostname:
            raise ValueError("write an address such as nats://127.0.0.1:4222")
        if parts.username or parts.password:
            raise ValueError("leave the token out of the address and put it into the file nats_token")
        return value

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if urlsplit(value).password:
            raise ValueError("leave the password out of the URL and put it into the file postgres_password")
        if not value.startswith(("sqlite:///", "postgresql+psycopg://", "postgresql://")):
            raise ValueError("write sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME")
        return value

    @model_validator(mode="after")
    def _port_in_range(self) -> Self:
        if self.listen_port > _MAX_PORT:
            raise ValueError("SIGHTLINE_PORT_OFFSET: with it the port is above 65535; choose a smaller offset")
        return self

    @property
    def listen_port(self) -> int:
        """The port to listen on: the one that was set, else the service's own plus the offset."""
        return self.default_port + self.port_offset if self.port is None else self.port

    @property
    def callers_path(self) -> Path:
        """Where the callers' file lies."""
        return self.callers_file or self.secrets_dir / "callers.json"

    @property
    def embedded_path(self) -> Path:
        """The SQLite file that takes logs and spans when no URL says where else they go."""
        return self.data_dir / "telemetry" / "telemetry.db"

    def full_database_url(self) -> SecretStr:
        """The database's URL with its password where there is one."""
        url = self.database_url or f"sqlite:///{self.data_dir / 'db' / f'{self.service_name}.db'}"
        if self.postgres_password is None or not url.startswith("postgresql"):
            return SecretStr(url)
        parts = urlsplit(url.replace("postgresql://", "postgresql+psycopg://", 1))
        user, _, address = parts.netloc.rpartition("@")
        password = quote(self.postgres_password.get_secret_value(), safe="")
        return SecretStr(urlunsplit(parts._replace(netloc=f"{user}:{password}@{address}")))
