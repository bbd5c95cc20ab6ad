"""Short leases on a session for trading: headers in memory, for five minutes at most."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from services.auth.errors import AuthError
from services.auth.secret import Secret
from services.contracts.auth import AccountId
from services.contracts.sessions import LeaseGrant
from services.contracts.verdict import Environment

LONGEST_LIFE: Final = timedelta(minutes=5)


class NoSessionError(AuthError):
    """The account has no session with which calls could be made."""

    status_code = HTTPStatus.CONFLICT
    code = "no_session"
    title = "The account is not logged in"

    def __init__(self) -> None:
        super().__init__("`sightline auth login` logs it in; `sightline auth report` tells why it is not.")


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to make calls with a session until `expires_at`.

    It names no way to renew the session: whoever learns it has minutes, not the account.
    """

    account: AccountId
    environment: Environment
    headers: Mapping[str, Secret]
    expires_at: datetime

    def reveal(self) -> LeaseGrant:
        """As it is sent to its taker. Keep it in memory only and put it in no log."""
        plain = {name: value.use(str) for name, value in self.headers.items()}
        return LeaseGrant(account=self.account, environment=self.environment, headers=plain, expires_at=self.expires_at)


def lease_until(now: datetime, session_ends_at: datetime | None) -> datetime:
    """When a lease taken now ends: with its session, and after five minutes."""
    return min(now + LONGEST_LIFE, session_ends_at or now + LONGEST_LIFE)
