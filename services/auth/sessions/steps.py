"""Takes one account's session from state to state, each on disk with its facts before anything follows from it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from services.auth.accounts import Account
from services.auth.errors import AttemptBudgetExhaustedError
from services.auth.logins.port import LoginPlan, Secrets, SessionMaterial
from services.auth.sessions import machine
from services.auth.sessions.journal import Conclusion
from services.auth.sessions.lease import Lease
from services.auth.sessions.machine import Signal, advance
from services.auth.sessions.parts import LoginParts
from services.auth.sessions.schedule import back_off, refresh_at
from services.auth.sessions.session import Session, State
from services.contracts.auth import (
    Flow,
    LoginBlocked,
    LoginFailed,
    LoginFailure,
    LoginStarted,
    LoginSucceeded,
    SessionEnded,
)
from services.contracts.events import Event

_NONE = "none"  # a renewal, or a recovery of which no attempt is known

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Attempt:
    attempt_id: str
    begun: float  # by the monotonic clock


class Steps:
    """One account's session under a lease.

    Attributes:
        session: As it stands on disk.
        plan: What a login of this account takes.
    """

    def __init__(self, parts: LoginParts, account: Account, lease: Lease, session: Session) -> None:
        self.session = session
        self.plan: LoginPlan = parts.logins[account.broker].plan(account)
        self._parts = parts
        self._account = account
        self._lease = lease
        self._attempt = _Attempt(_NONE, parts.clock.monotonic())

    def now(self) -> datetime:
        """The present moment."""
        return self._parts.clock.now()

    def later(self) -> datetime:
        """When to try again after one failure more."""
        return self.now() + back_off(self.session.failures + 1, self._parts.randomness.fraction())

    async def call(self, function: Callable[[], Result]) -> Result:
        """Run a blocking function beside the event loop."""
        return await self._parts.threads.call(function)

    async def renew(self, waiting: timedelta) -> None:
        """Hold the lease for longer than `waiting`."""
        life = waiting + timedelta(minutes=2)
        await self.call(lambda: self._parts.journal.renew(self._lease, life))

    async def secrets(self, purpose: str) -> Secrets:
        """What is sent to the broker."""
        return await self.call(lambda: self._parts.journal.secrets(self._account, self.plan, purpose=purpose))

    async def kept(self, purpose: str) -> SessionMaterial | None:
        """The session that the vault keeps; None without one, or where the credentials themselves are the session."""
        if self.plan.kept_as in self.plan.needs:
            return None
        return await self.call(lambda: self._parts.journal.material(self._account, self.plan, purpose=purpose))

    async def reserve(self, begins: Signal | None) -> None:
        """Take an attempt out of the budget and write it down; `begins` for the first of a login.

        Raises:
            AttemptBudgetExhaustedError: None is left. The session says until when.
        """
        parts, method = self._parts, self.plan.method
        attempt = _Attempt(parts.randomness.token(), parts.clock.monotonic())
        after = self.session if begins is None else advance(self.session, begins)
        name, broker = self._account.name, self._account.broker
        started = LoginStarted(subject=name, broker=broker, method=method, attempt=attempt.attempt_id)
        self._attempt = attempt
        try:
            await self.call(lambda: parts.journal.reserve(self._lease, after, attempt.attempt_id, method, [started]))
        except AttemptBudgetExhaustedError as error:
            until = machine.ToldToWait(self.now(), error.allowed_at)
            await self.move(until, failure=LoginFailure.BUDGET_EXHAUSTED)
            raise
        self.session = after

    async def adopt_unfinished(self) -> None:
        """Go on under the last attempt of which nothing was heard; what became of earlier ones stays unknown."""
        left = await self.call(lambda: self._parts.journal.unfinished(self._account.name))
        for attempt_id in left[:-1]:
            failed = self._failed(attempt_id, LoginFailure.OUTCOME_UNKNOWN)
            await self._write(self.session, [failed], [Conclusion(attempt_id, LoginFailure.OUTCOME_UNKNOWN)])
        if left:
            self._attempt = _Attempt(left[-1], self._parts.clock.monotonic())

    async def move(self, signal: Signal, *, failure: LoginFailure | None = None, facts: Sequence[Event] = ()) -> None:
        """Let the session become what the signal makes of it; `failure` also ends the attempt."""
        after = advance(self.session, signal)
        stated, concluded = [*facts], []
        if failure is not None:
            stated.append(self._failed(self._attempt.attempt_id, failure))
            concluded.append(Conclusion(self._attempt.attempt_id, failure))
        if after.state is State.BLOCKED and after.block_reason is not None:
            name, broker = self._account.name, self._account.broker
            stated.append(LoginBlocked(subject=name, broker=broker, reason=after.block_reason))
        await self._write(after, stated, concluded)

    async def accept(self, material: SessionMaterial) -> None:
        """Keep what the broker gave, in the commit that says that it did."""
        after, kept = advance(self.session, machine.Accepted(self.now())), (self.plan, material)
        await self.call(lambda: self._parts.journal.write(self._lease, after, kept=kept))
        self.session = after

    async def confirm(self, material: SessionMaterial, told: datetime | None) -> None:
        """The session works: end the attempt with success. `told` is the end that the probe read, if it did."""
        expires_at = material.expires_at or told
        succeeded = LoginSucceeded(
            subject=self._account.name,
            broker=self._account.broker,
            method=self.plan.method,
            attempt=self._attempt.attempt_id,
            duration_seconds=self._elapsed(),
            expires_at=material.renewable_until or expires_at,
        )
        after = advance(self.session, self._verified(material, expires_at))
        await self._write(after, [succeeded], [Conclusion(self._attempt.attempt_id, None)])

    async def renewed(self, material: SessionMaterial, fact: Event) -> None:
        """Keep a renewed session."""
        after, kept = advance(self.session, self._verified(material, material.expires_at)), (self.plan, material)
        await self.call(lambda: self._parts.journal.write(self._lease, after, [fact], kept=kept))
        self.session = after

    def not_renewed(self, reason: LoginFailure) -> LoginFailed:
        """The fact that a renewal failed."""
        name, broker = self._account.name, self._account.broker
        attempt = self._attempt.attempt_id
        return LoginFailed(
            subject=name,
            broker=broker,
            flow=Flow.REFRESH,
            method=self.plan.method,
            attempt=attempt,
            reason=reason,
            duration_seconds=self._elapsed(),
        )

    def left_in_the_middle(self) -> list[LoginFailed]:
        """The fact that a renewal failed which an ended process began; none where there is no such renewal."""
        refreshing = self.session.state is State.REFRESHING
        return [self.not_renewed(LoginFailure.OUTCOME_UNKNOWN)] if refreshing else []

    def ended(self, reason: str) -> SessionEnded:
        """The fact that the session is over."""
        return SessionEnded(subject=self._account.name, broker=self._account.broker, reason=reason)

    def _verified(self, material: SessionMaterial, expires_at: datetime | None) -> machine.Verified:
        now, every = self.now(), material.renew_every
        if every is not None:
            return machine.Verified(now, expires_at, now + every)
        due = None if expires_at is None else refresh_at(now, expires_at, self._parts.randomness.fraction())
        return machine.Verified(now, expires_at, due)

    async def _write(self, after: Session, facts: Sequence[Event], conclusions: Sequence[Conclusion]) -> None:
        await self.call(lambda: self._parts.journal.write(self._lease, after, facts, conclusions=conclusions))
        self.session = after

    def _failed(self, attempt_id: str, failure: LoginFailure) -> LoginFailed:
        return LoginFailed(
            subject=self._account.name,
            broker=self._account.broker,
            method=self.plan.method,
            attempt=attempt_id,
            reason=failure,
            duration_seconds=self._elapsed(),
        )

    def _elapsed(self) -> float:
        return max(0.0, self._parts.clock.monotonic() - self._attempt.begun)
