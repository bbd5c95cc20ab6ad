"""Where e-mail is handed in."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import SecretStr


class MailSecurity(StrEnum):
    """How the connection to the mail server is kept private."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where e-mail is handed in.

    Attributes:
        user: To log in with; "" without.
    """

    host: str
    port: int
    security: MailSecurity
    user: str
    password: SecretStr
