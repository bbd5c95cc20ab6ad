"""What the checks need to see. The adapters stand in `services.auth.preflight.adapters`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.auth.accounts import Account
from services.auth.logins.port import ProbeResult
from services.auth.secret import Secret
from services.auth.sessions.budget import Budget
from services.auth.sessions.session import Session
from services.auth.totp.clock_offset import ClockOffset
from services.auth.vault.audit import Anchor
from services.contracts.auth import AccountId, MfaStage


class VaultState(Protocol):
    """Whether the vault can be used; `services.auth.vault.vault.Vault` is one."""

    @property
    def sealed(self) -> bool:
        """Whether nothing can be opened."""


@dataclass(frozen=True, slots=True)
class AuditState:
    """How the audit trail stands.

    Attributes:
        problem: What is wrong with it; "" when it is whole.
        unread: Why it was not held against what was anchored in the logs; "" when it was.
    """

    problem: str
    unread: str = ""


class Store(Protocol):
    """What the vault's files and rows look like."""

    async def exposed_files(self) -> Sequence[str]:
        """One line for each file that others may touch."""

    async def damaged_records(self) -> Sequence[str]:
        """One line for each record that does not open or is not the one written last."""

    async def audit(self) -> AuditState:
        """How the audit trail stands."""


class AnchorSource(Protocol):
    """Where heads of the audit trail are noted; `services.auth.logged_anchors.LoggedAnchors` is one."""

    async def read(self) -> Sequence[Anchor]:
        """Heads noted before this service started, and lately. Raises `SightlineError` when they cannot be read."""


@dataclass(frozen=True, slots=True)
class SeedState:
    """What may be told of a TOTP seed that opens and is one. `short`: fewer than 112 bits."""

    short: bool


@dataclass(frozen=True, slots=True)
class DeviceState:
    """What may be told of a device token.

    Attributes:
        well_formed: It has the form that the broker gives meaning to.
        same_host: It was made on this host.
    """

    well_formed: bool
    same_host: bool


class AccountState(Protocol):
    """What auth keeps about an account."""

    async def session(self, account: AccountId) -> Session:
        """Its session, without asking the broker."""

    async def budget(self, account: AccountId) -> Budget:
        """How many logins may still be sent."""

    async def mfa_stage(self, account: AccountId) -> MfaStage:
        """How far it has moved from SMS to TOTP."""

    async def seed(self, account: AccountId) -> SeedState | None:
        """Its TOTP seed; None when it has none. Raises `AuthError` when it does not open or is no seed."""

    async def device(self, account: AccountId) -> DeviceState | None:
        """Its device token; None when it has none. Raises `AuthError` when it does not open."""


class BrokerAccess(Protocol):
    """What the account's broker says when asked, without changing anything there."""

    async def probe(self, account: Account) -> ProbeResult:
        """Make a read-only call with the account's session. Raises `SightlineError` without one."""

    async def clock_offset(self, account: Account) -> ClockOffset:
        """How far our clock is off from the broker's."""

    async def status(self, account: Account) -> int:
        """The HTTP status that the broker's endpoint answers with. Raises `VenueAwayError` without an answer."""


@dataclass(frozen=True, slots=True)
class TelemetryLosses:
    """How telemetry has fared lately.

    Attributes:
        dropped_items: Log lines and spans lost for good within `window_seconds`.
        spool_age_seconds: Age of the oldest batch that waits on disk for its sink; 0 when none does.
    """

    dropped_items: int
    window_seconds: float
    spool_age_seconds: float


class TelemetryHealth(Protocol):
    """Whether what is emitted arrives."""

    async def losses(self) -> TelemetryLosses:
        """What was lost lately."""


class CanarySource(Protocol):
    """Secrets that were planted to be found in the logs if anything lets secrets out."""

    async def planted(self) -> Sequence[Secret]:
        """All of them. Raises `SealedError` while the vault is sealed."""


@dataclass(frozen=True, slots=True)
class LoggedLine:
    """A log line as it is kept: its text and its fields in `texts`."""

    service_name: str
    logger: str
    texts: tuple[str, ...]


class LogSearch(Protocol):
    """What has been logged."""

    async def recent(self) -> Sequence[LoggedLine]:
        """The lines of all services within the last minutes, the newest first, as many as one answer holds.

        Raises:
            SightlineError: They cannot be read now.
        """
