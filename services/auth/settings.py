"""Settings of the auth service."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator

from services.kit.service_settings import ServiceSettings
from services.kit.settings import SecretFile

_CONSOLE_PORT = 8700
_PAPER_PORT = 8740

VaultKeySource = Literal["key_file", "passphrase", "os_keyring", "vault_transit"]


class AuthSettings(ServiceSettings):
    """What the auth service reads, beside what every service does."""

    service_name: ClassVar[str] = "auth"
    default_port: ClassVar[int] = 8720

    vault_key_source: VaultKeySource = Field(
        default="key_file",
        description="Where the vault's wrapping key comes from: key_file, passphrase, os_keyring or vault_transit.",
    )
    vault_key_path: Path | None = Field(
        default=None, description="The key file. Default: `vault_key` among the secrets, made at the first start."
    )
    vault_passphrase: Annotated[SecretStr | None, SecretFile("vault_passphrase")] = Field(
        default=None, description="The passphrase; without the file a person gives it with `sightline auth unseal`."
    )
    vault_keyring_entry: str = Field(
        default="current", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Entry of the operating system's keyring."
    )
    vault_transit_url: str | None = Field(default=None, description="Address of HashiCorp Vault, for vault_transit.")
    vault_transit_key: str = Field(
        default="sightline-auth", pattern=r"^[A-Za-z0-9_-]{1,40}$", description="Name of the key in Transit."
    )
    vault_transit_mount: str = Field(
        default="transit", pattern=r"^[A-Za-z0-9_/-]{1,100}$", description="Where the Transit engine is mounted."
    )
    vault_transit_token: Annotated[SecretStr | None, SecretFile("vault_transit_token")] = Field(
        default=None, description="Token that may read, encrypt and decrypt with that key."
    )
    verdict_key: Annotated[SecretStr, SecretFile("verdict_key")] = Field(
        description="Ed25519 private key (PEM) that signs verdicts and nothing else."
    )
    console_url: str | None = Field(
        default=None,
        description="Base URL of the console, which searches logs for secrets. Default: its own port on this machine.",
    )
    clock_urls: tuple[str, ...] = Field(
        default=(),
        description="Addresses whose Date header tells the time, beside those of the accounts' brokers.",
    )
    simulator_hosts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")], ...] = Field(
        default=(),
        description="Hosts beside this machine where a simulator may stand for a broker, in paper trading only.",
    )
    paper_accounts: Annotated[SecretStr | None, SecretFile("paper_accounts.json")] = Field(
        default=None,
        description="Accounts at the local paper venues, registered and logged in at the start unless they are there.",
    )
    paper_logins: Annotated[SecretStr | None, SecretFile("paper_logins.json")] = Field(
        default=None,
        description="Accounts at the simulated Robinhood with their TOTP seeds, registered and logged in the same way.",
    )
    alpaca_paper_keys: Annotated[SecretStr | None, SecretFile("alpaca_paper_keys")] = Field(
        default=None,
        description="Keys of Alpaca's own paper account, KEY_ID:SECRET_KEY, kept as those of the account alpaca-paper.",
    )
    paper_url: str | None = Field(
        default=None, description="Base URL of the local paper venues. Default: the venue service on this machine."
    )
    twilio_account_id: str = Field(
        default="AC" + "0" * 32,
        pattern=r"^AC[0-9a-f]{32}$",
        description="The Twilio account whose numbers receive codes. Default: the simulated one.",
    )
    twilio_auth_token: Annotated[SecretStr | None, SecretFile("twilio_auth_token")] = Field(
        default=None, description="That account's auth token; without it no text message is taken in."
    )
    sms_webhook_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s#@]+$",
        description="The SMS webhook's address, exactly as Twilio holds it. Default: its own port on this machine.",
    )
    twilio_api_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#@]+[^\s?#@/]$",
        description="Where Twilio is asked for messages, https://api.twilio.com. Default: not asked.",
    )

    ibkr_ca_file: Path | None = Field(
        default=None,
        description="Certificate (PEM) to trust at Interactive Brokers' gateway, which signs its own.",
    )

    @model_validator(mode="after")
    def _transit_is_whole(self) -> Self:
        if self.vault_key_source == "vault_transit" and (
            self.vault_transit_url is None or self.vault_transit_token is None
        ):
            raise ValueError(
                "SIGHTLINE_VAULT_KEY_SOURCE: vault_transit needs SIGHTLINE_VAULT_TRANSIT_URL and the token's file"
            )
        return self

    @property
    def key_path(self) -> Path:
        """Where the key file lies."""
        return self.vault_key_path or self.secrets_dir / "vault_key"

    @property
    def console_base_url(self) -> str:
        """Where the console is called."""
        return self.console_url or f"http://127.0.0.1:{_CONSOLE_PORT + self.port_offset}"

    @property
    def paper_base_url(self) -> str:
        """Where the local paper venues are."""
        return (self.paper_url or f"http://127.0.0.1:{_PAPER_PORT + self.port_offset}").rstrip("/")

    @property
    def sms_webhook_address(self) -> str:
        """The address that Twilio signs."""
        return self.sms_webhook_url or f"http://127.0.0.1:{self.default_port + self.port_offset}/sms/twilio"
