"""The checks of a preflight. A new check is one class and one line here."""

from dataclasses import dataclass

from services.auth.preflight.check import Check
from services.auth.preflight.checks.broker import (
    AccountStatusCheck,
    AttemptBudgetCheck,
    CredentialValidCheck,
    DeviceTokenCheck,
    EndpointIdentityCheck,
    SessionLifetimeCheck,
    VenueReachableCheck,
)
from services.auth.preflight.checks.codes import ClockOffsetCheck, MfaMethodCheck, SeedHealthCheck
from services.auth.preflight.checks.store import (
    AuditChainCheck,
    StoreIntegrityCheck,
    StorePermissionsCheck,
    VaultUnsealedCheck,
)
from services.auth.preflight.checks.telemetry import SecretExposureCheck, TelemetryFlowingCheck
from services.auth.preflight.endpoints import EndpointTable
from services.auth.preflight.ports import (
    AccountState,
    BrokerAccess,
    CanarySource,
    LogSearch,
    Store,
    TelemetryHealth,
    VaultState,
)
from services.kit.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Sights:
    """Everything that the checks look at."""

    vault: VaultState
    store: Store
    state: AccountState
    broker: BrokerAccess
    telemetry: TelemetryHealth
    logs: LogSearch
    endpoints: EndpointTable
    canaries: CanarySource


def standard_checks(sights: Sights, clock: Clock) -> tuple[Check, ...]:
    """Every check, in the order of the report."""
    return (
        VaultUnsealedCheck(sights.vault),
        StorePermissionsCheck(sights.store),
        StoreIntegrityCheck(sights.store),
        AuditChainCheck(sights.store),
        ClockOffsetCheck(sights.broker),
        SeedHealthCheck(sights.state),
        MfaMethodCheck(sights.state),
        TelemetryFlowingCheck(sights.telemetry),
        CredentialValidCheck(sights.broker),
        AccountStatusCheck(sights.broker),
        SessionLifetimeCheck(sights.state, clock),
        DeviceTokenCheck(sights.state),
        AttemptBudgetCheck(sights.state),
        VenueReachableCheck(sights.broker),
        EndpointIdentityCheck(sights.endpoints),
        SecretExposureCheck(sights.logs, sights.canaries),
    )
