"""What a login leaves on disk: its state, its attempts, its session and its facts, each step in one commit."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from services.auth.accounts import Account
from services.auth.errors import NoSuchCredentialError
from services.auth.logins.port import LoginPlan, Secrets, SessionMaterial
from services.auth.preflight.endpoints import EndpointTable
from services.auth.secret import Secret
from services.auth.sessions import attempts, store
from services.auth.sessions import lease as leases
from services.auth.sessions.budget import Budget
from services.auth.sessions.lease import Lease
from services.auth.sessions.session import Session
from services.auth.tables import LOGIN_SESSIONS
from services.auth.transactions import Readings, Transactions
from services.auth.vault.vault import Vault
from services.contracts.auth import AccountId, LoginFailure, LoginMethod
from services.contracts.events import Event
from services.kit.clock import Clock

ACTOR = "session_keeper"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What became of an attempt; `failure` is None for success."""

    attempt: str
    failure: LoginFailure | None


class Journal:
    """Synchronous, for threads. Everything it writes stands under the login's lease, or raises `FencedOffError`.

    Args:
        transactions: Where state and facts go.
        readings: The same database, for looking.
        vault: Keeps credentials and sessions.
        clock: Time.
        endpoints: No secret is opened for an account at an address that it does not allow.
    """

    def __init__(
        self,
        transactions: Transactions,
        readings: Readings,
        vault: Vault,
        clock: Clock,
        endpoints: EndpointTable | None = None,
    ) -> None:
        self._endpoints = endpoints or EndpointTable()
        self._transactions = transactions
        self._readings = readings
        self._vault = vault
        self._clock = clock

    def session(self, account: AccountId) -> Session:
        """The session as it stands."""
        with self._readings.reading() as connection:
            return store.load(connection, account, self._clock.now())

    def known(self) -> set[AccountId]:
        """Accounts that were logged in at least once."""
        with self._readings.reading() as connection:
            return {AccountId(name) for name in connection.execute(select(LOGIN_SESSIONS.c.account)).scalars()}

    def budget(self, account: AccountId) -> Budget:
        """What is left of the attempts."""
        with self._readings.reading() as connection:
            return attempts.left(connection, account, self._clock.now())

    def unfinished(self, account: AccountId) -> list[str]:
        """Attempts of which nothing was heard, oldest first."""
        with self._readings.reading() as connection:
            return attempts.unfinished(connection, account)

    def secrets(self, account: Account, plan: LoginPlan, *, purpose: str) -> Secrets:
        """What a login takes along; what can be made is made and stored first.

        Raises:
            NoSuchCredentialError: One that is needed is not stored.
            SealedError: The vault is sealed.
            EndpointForeignError: The account's address is not its broker's.
        """
        self._endpoints.require(account)
        stored = {info.kind for info in self._vault.credentials() if info.account == account.name}
        for kind, make in plan.makes.items():
            if kind not in stored:
                self._vault.put(account.name, kind, make(), actor=ACTOR)
        wanted = plan.needs | set(plan.makes) | (plan.uses & stored)
        return {kind: self._vault.open(account.name, kind, actor=ACTOR, purpose=purpose) for kind in sorted(wanted)}

    def material(self, account: Account, plan: LoginPlan, *, purpose: str) -> SessionMaterial | None:
        """The session that is kept in the vault; None without one. Raises as `secrets` does."""
        self._endpoints.require(account)
        try:
            kept = self._vault.open(account.name, plan.kept_as, actor=ACTOR, purpose=purpose)
        except NoSuchCredentialError:
            return None
        return SessionMaterial(account, kept) if plan.kept_as in plan.needs else _unpacked(account, kept)

    def reserve(
        self, lease: Lease, session: Session, attempt: str, method: LoginMethod, facts: Sequence[Event]
    ) -> None:
        """Take an attempt out of the budget, with the session that is about to send it.

        Raises:
            AttemptBudgetExhaustedError: None is left; nothing was written.
        """
        with self._transactions.transaction(durable=True) as tx:
            attempts.reserve(tx.connection, lease, attempt, method, self._clock.now())
            store.save(tx.connection, lease, session)
            for fact in facts:
                tx.record(fact)

    def write(
        self,
        lease: Lease,
        session: Session,
        facts: Sequence[Event] = (),
        *,
        conclusions: Sequence[Conclusion] = (),
        kept: tuple[LoginPlan, SessionMaterial] | None = None,
    ) -> None:
        """Store what a step made of the session, and the session's material where a broker gave one."""
        with self._transactions.transaction(durable=True) as tx:
            store.save(tx.connection, lease, session)
            for conclusion in conclusions:
                attempts.conclude(tx.connection, conclusion.attempt, conclusion.failure)
            if kept is not None and kept[0].kept_as not in kept[0].needs:
                self._vault.put_within(tx, lease.account, kept[0].kept_as, _packed(kept[1]), actor=ACTOR)
            for fact in facts:
                tx.record(fact)

    def state_fact(self, fact: Event) -> None:
        """State a fact that changes nothing."""
        with self._transactions.transaction() as tx:
            tx.record(fact)

    def acquire(self, account: AccountId, holder: str, life: timedelta) -> Lease:
        """Take the account's lease. Raises `LeaseHeldError`."""
        with self._transactions.transaction(durable=True) as tx:
            return leases.acquire(tx.connection, account, holder, now=self._clock.now(), life=life)

    def renew(self, lease: Lease, life: timedelta) -> None:
        """Hold the lease for longer, before waiting for somebody."""
        with self._transactions.transaction(durable=True) as tx:
            leases.renew(tx.connection, lease, now=self._clock.now(), life=life)

    def release(self, lease: Lease) -> None:
        """Give the lease back."""
        with self._transactions.transaction(durable=True) as tx:
            leases.release(tx.connection, lease, now=self._clock.now())


def _packed(material: SessionMaterial) -> Secret:
    times = {"expires_at": material.expires_at, "renewable_until": material.renewable_until}
    parts: dict[str, str | float | None] = {name: None if at is None else at.isoformat() for name, at in times.items()}
    parts["renew_every_seconds"] = None if material.renew_every is None else material.renew_every.total_seconds()
    return material.secret.use(lambda text: Secret(json.dumps({"secret": text, **parts})))


def _unpacked(account: Account, kept: Secret) -> SessionMaterial:
    parts = kept.use(json.loads)
    times = {name: parts[name] and datetime.fromisoformat(parts[name]) for name in ("expires_at", "renewable_until")}
    every = parts["renew_every_seconds"] and timedelta(seconds=parts["renew_every_seconds"])
    return SessionMaterial(account, Secret(parts["secret"]), times["expires_at"], times["renewable_until"], every)
