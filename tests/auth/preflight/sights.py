"""What the checks see, under orders: everything is well unless a test says otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from services.auth.accounts import Account, MfaMethod
from services.auth.logins.port import ProbeResult
from services.auth.preflight.check import Asked
from services.auth.preflight.endpoints import EndpointTable
from services.auth.preflight.ports import AuditState, DeviceState, LoggedLine, SeedState, TelemetryLosses
from services.auth.preflight.table import Sights
from services.auth.secret import Secret
from services.auth.sessions.budget import Budget
from services.auth.sessions.session import Session, State
from services.auth.totp.clock_offset import ClockOffset
from services.contracts.auth import AccountId, Broker, MfaStage
from services.contracts.verdict import Environment, SettingsDigest
from tests.fakes.clock import FakeClock

NOW = FakeClock().now()
DIGEST = SettingsDigest("ab" * 32)
ACCOUNT = AccountId("robinhood-main")
CANARY = "canary-of-preflight-90210"


def account(**changes: Any) -> Account:  # noqa: ANN401 -- fields of Account
    fields: dict[str, Any] = {
        "name": ACCOUNT,
        "broker": Broker.ROBINHOOD,
        "environment": Environment.LIVE,
        "mfa": MfaMethod.TOTP,
        "base_url": "https://api.robinhood.com",
    }
    return Account(**{**fields, **changes})


def asked(environment: Environment = Environment.LIVE, /, **changes: Any) -> Asked:  # noqa: ANN401 -- fields of Account
    return Asked(account(**changes), environment, DIGEST)


def offset(seconds: float) -> ClockOffset:
    return ClockOffset(seconds - 0.5, seconds + 0.5, 1, 1)


@dataclass
class FakeSights:
    """Every port of the checks in one; its fields are what they see."""

    sealed: bool = False
    exposed: Sequence[str] = ()
    damaged: Sequence[str] = ()
    audit_now: AuditState = field(default_factory=lambda: AuditState(""))
    session_now: Session = field(
        default_factory=lambda: Session(State.ACTIVE, NOW, expires_at=NOW + timedelta(hours=1))
    )
    budget_now: Budget = field(default_factory=lambda: Budget(3, NOW))
    stage: MfaStage = MfaStage.SMS_REMOVED
    seed_now: SeedState | None = field(default_factory=lambda: SeedState(short=False))
    device_now: DeviceState | None = field(default_factory=lambda: DeviceState(well_formed=True, same_host=True))
    probed: ProbeResult = field(default_factory=lambda: ProbeResult(valid=True, status="active"))
    offset_now: ClockOffset = field(default_factory=lambda: offset(0.1))
    status_now: int = 200
    losses_now: TelemetryLosses = field(default_factory=lambda: TelemetryLosses(0, 600.0, 0.0))
    lines: Sequence[LoggedLine] = ()

    async def exposed_files(self) -> Sequence[str]:
        return self.exposed

    async def damaged_records(self) -> Sequence[str]:
        return self.damaged

    async def audit(self) -> AuditState:
        return self.audit_now

    async def session(self, _account: AccountId) -> Session:
        return self.session_now

    async def budget(self, _account: AccountId) -> Budget:
        return self.budget_now

    async def mfa_stage(self, _account: AccountId) -> MfaStage:
        return self.stage

    async def seed(self, _account: AccountId) -> SeedState | None:
        return self.seed_now

    async def device(self, _account: AccountId) -> DeviceState | None:
        return self.device_now

    async def probe(self, _account: Account) -> ProbeResult:
        return self.probed

    async def clock_offset(self, _account: Account) -> ClockOffset:
        return self.offset_now

    async def status(self, _account: Account) -> int:
        return self.status_now

    async def losses(self) -> TelemetryLosses:
        return self.losses_now

    async def planted(self) -> Sequence[Secret]:
        return [Secret(CANARY)]

    async def recent(self) -> Sequence[LoggedLine]:
        return self.lines


def sights(fake: FakeSights) -> Sights:
    return Sights(
        vault=fake,
        store=fake,
        state=fake,
        broker=fake,
        telemetry=fake,
        logs=fake,
        endpoints=EndpointTable(),
        canaries=fake,
    )
