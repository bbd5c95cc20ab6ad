"""What the session keeper asks of a broker's login, and the answers that it understands.

An adapter speaks one broker's protocol and nothing else: it keeps no state, waits for nobody, writes nothing down and
tries nothing twice. Whatever the broker or the network does, its methods return; they raise nothing of the transport.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from services.auth.accounts import Account
from services.auth.secret import OneTimeCode, Secret
from services.contracts.auth import CredentialKind, LoginFailure, LoginMethod

Secrets = Mapping[CredentialKind, Secret]


@dataclass(frozen=True, slots=True)
class LoginPlan:
    """What a login of an account takes, before any of it is done.

    Attributes:
        method: How the login proves who it is.
        needs: Secrets without which it cannot begin.
        uses: Further secrets that it takes along when they are stored.
        makes: Secrets that are made and stored before the first login, such as a device's token.
        kept_as: Where the session is kept in the vault. One of `needs`: the stored secret is itself the session.
        needs_person: A rule of the broker reserves the login to a person: it is asked for by day, not at any hour.
    """

    method: LoginMethod
    needs: frozenset[CredentialKind]
    uses: frozenset[CredentialKind] = frozenset()
    makes: Mapping[CredentialKind, Callable[[], Secret]] = field(default_factory=dict)
    kept_as: CredentialKind = CredentialKind.OAUTH_TOKENS
    needs_person: bool = False


@dataclass(frozen=True, slots=True)
class SessionMaterial:
    """What makes calls possible. Only the vault keeps it.

    Attributes:
        account: The account it belongs to.
        secret: Whatever the adapter needs to make calls and to renew.
        expires_at: When calls end unless it is renewed; None for never.
        renewable_until: When renewing ends and a login has to begin anew; None where there is no such end.
        renew_every: For a session that the broker drops when it hears nothing; else it is renewed as its end nears.
    """

    account: Account
    secret: Secret
    expires_at: datetime | None = None
    renewable_until: datetime | None = None
    renew_every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """What an adapter needs to go on with a login that the broker has begun. Memory only.

    Attributes:
        account: The account that logs in.
        memory: The adapter's own notes.
    """

    account: Account
    memory: Mapping[str, Secret] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Active:
    """The broker gave a session; a read-only call has yet to prove it."""

    material: SessionMaterial


@dataclass(frozen=True, slots=True)
class NeedsTotp:
    """A code of the account's authenticator is asked for."""

    pending: PendingLogin


@dataclass(frozen=True, slots=True)
class NeedsSms:
    """A code is on its way by text message. `phone_hint` is what the broker tells of the number: its last digits."""

    pending: PendingLogin
    phone_hint: str = ""


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """A person has to act outside of this service.

    Attributes:
        pending: For `answer`.
        deadline: Until when that counts.
        instruction: What the person has to do; holds no secret.
        takes_code: The person brings a text back, which `answer` takes; else `answer` asks whether it was done.
        poll_seconds: How long to leave between two such questions.
    """

    pending: PendingLogin
    deadline: datetime
    instruction: str
    takes_code: bool = False
    poll_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker said no, or could not be reached so that nothing was sent.

    Attributes:
        reason: Why.
        wait_seconds: How long the broker wants to be left alone, if it said so.
    """

    reason: LoginFailure
    wait_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something was sent, and what became of it is not known."""

    reason: LoginFailure = LoginFailure.OUTCOME_UNKNOWN


LoginStep = Active | NeedsTotp | NeedsSms | NeedsApproval | Refused | Unknown


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a read-only call says.

    Attributes:
        valid: Whether the broker takes the session; None when it gave no answer to that.
        status: The account's status in the broker's word, cut short.
        restricted: The account may not trade.
        expires_at: When the session ends, where the broker tells.
        wait_seconds: How long the broker wants to be left alone, if it said so.
    """

    valid: bool | None
    status: str = ""
    restricted: bool = False
    expires_at: datetime | None = None
    wait_seconds: float | None = None


class BrokerLogin(Protocol):
    """One broker's login."""

    def plan(self, account: Account) -> LoginPlan:
        """What a login of this account takes."""

    async def begin(self, account: Account, secrets: Secrets) -> LoginStep:
        """Send the credentials, once."""

    async def answer(self, pending: PendingLogin, code: OneTimeCode | None) -> LoginStep:
        """Send a code, once; without one, ask whether a person has approved (`NeedsApproval`: not yet)."""

    async def refresh(self, material: SessionMaterial, secrets: Secrets) -> LoginStep:
        """Renew the session, once. `Active`, `Refused` (`REFRESH_REFUSED`: log in anew) or `Unknown`."""

    async def probe(self, material: SessionMaterial) -> ProbeResult:
        """Make a read-only call."""

    def headers(self, material: SessionMaterial) -> Mapping[str, str]:
        """The headers that carry the session. Secret: for trading's memory, not for any log."""
