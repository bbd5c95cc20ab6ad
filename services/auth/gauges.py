"""What is read off the database when metrics are collected: sessions, stages, budgets, ages of credentials."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection

from services.auth import mfa
from services.auth.accounts import Account, Accounts, MfaMethod
from services.auth.sessions import attempts
from services.auth.sessions import store as sessions
from services.auth.sessions.session import State
from services.auth.transactions import Readings
from services.auth.vault import store as vault_store
from services.contracts.auth import AccountId, CredentialKind, MfaStage
from services.kit.clock import Clock
from telemetry.catalogue import (
    AUTH_ATTEMPT_BUDGET_LEFT,
    AUTH_CREDENTIAL_WRITTEN,
    AUTH_MFA_STAGE,
    AUTH_SESSION_EXPIRY,
    AUTH_SESSION_STATE,
    Metric,
    emitted_by,
)
from telemetry.emit.metrics import Metrics

_ACCOUNT: Final = "account"
_CREDENTIALS: Final = tuple(kind for kind in CredentialKind if kind is not CredentialKind.CANARY)


class AccountLabels:
    """Makes accounts known to the metrics that are counted by account; also those that are added meanwhile."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._by_account = _by_account(emitted_by("auth"))
        self._known: frozenset[AccountId] = frozenset()

    def learn(self, name: AccountId) -> None:
        """An account is there. Costs a look-up once it is known."""
        if name in self._known:
            return
        for metric in self._by_account:
            self._metrics.declare(metric, _ACCOUNT, (name,))
        self._known |= {name}


class AccountGauges:
    """Shows how each account stands."""

    def __init__(self, accounts: Accounts, readings: Readings, metrics: Metrics, clock: Clock) -> None:
        self._accounts = accounts
        self._readings = readings
        self._metrics = metrics
        self._clock = clock

    def refresh(self) -> None:
        """Read everything anew. Blocks on the database."""
        with self._readings.reading() as connection:
            for account in self._accounts.all(connection):
                self._show_session(connection, account.name)
                self._show_stage(connection, account)
                self._show_credentials(connection, account.name)

    def _show_session(self, connection: Connection, name: AccountId) -> None:
        now = self._clock.now()
        session = sessions.load(connection, name, now)
        expires_at = 0.0 if session.expires_at is None else session.expires_at.timestamp()
        self._metrics.gauge(AUTH_SESSION_EXPIRY, account=name).set(expires_at)
        for state in State:
            self._metrics.gauge(AUTH_SESSION_STATE, account=name, state=state.value).set(state is session.state)
        left = attempts.left(connection, name, now).remaining
        self._metrics.gauge(AUTH_ATTEMPT_BUDGET_LEFT, account=name).set(left)

    def _show_stage(self, connection: Connection, account: Account) -> None:
        counts = account.mfa in {MfaMethod.TOTP, MfaMethod.SMS}
        reached = mfa.stage_of(connection, account.name) if counts else None
        for stage in MfaStage:
            self._metrics.gauge(AUTH_MFA_STAGE, account=account.name, stage=stage.value).set(stage is reached)

    def _show_credentials(self, connection: Connection, name: AccountId) -> None:
        for kind in _CREDENTIALS:
            record = vault_store.find(connection, name, kind)
            written = 0.0 if record is None else record.written_at.timestamp()
            self._metrics.gauge(AUTH_CREDENTIAL_WRITTEN, account=name, kind=kind.value).set(written)


def _by_account(metrics: Iterable[Metric]) -> list[Metric]:
    return [metric for metric in metrics if any(label.name == _ACCOUNT for label in metric.labels)]
