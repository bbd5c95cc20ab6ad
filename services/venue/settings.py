"""Settings of the venue: brokers for tests and demonstrations, on this machine."""

import ipaddress
from typing import Annotated, ClassVar, Self

from pydantic import Field, SecretStr, model_validator

from services.kit.service_settings import ServiceSettings
from services.kit.settings import SecretFile

_AUTH_PORT = 8720


class VenueSettings(ServiceSettings):
    """What the venue reads, beside what every service does."""

    service_name: ClassVar[str] = "venue"
    default_port: ClassVar[int] = 8740

    own_network: bool = Field(
        default=False,
        description="The process has a network of its own, a container's, whose port this machine publishes on its "
        "loopback interface alone; only then may it listen on other addresses.",
    )
    sms_webhook_url: str | None = Field(
        default=None, description="Where text messages are delivered. Default: the auth service's webhook."
    )
    twilio_auth_token: Annotated[SecretStr | None, SecretFile("twilio_auth_token")] = Field(
        default=None, description="Signs deliveries to the webhook; without it text messages are lost."
    )

    @model_validator(mode="after")
    def _only_here(self) -> Self:
        if not (self.own_network or self.host == "localhost" or _is_loopback(self.host)):
            raise ValueError("SIGHTLINE_HOST: simulated brokers ask nobody who they are; listen on 127.0.0.1")
        return self

    @property
    def webhook_url(self) -> str:
        """Where text messages go."""
        return self.sms_webhook_url or f"http://127.0.0.1:{_AUTH_PORT + self.port_offset}/sms/twilio"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
