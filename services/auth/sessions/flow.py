"""One login, from its first submission to a session that a read-only call has confirmed, or to the reason why not."""

import logging
from datetime import datetime, timedelta
from typing import Final

from services.auth.accounts import Account
from services.auth.errors import AuthError
from services.auth.logins.port import (
    Active,
    LoginStep,
    NeedsApproval,
    NeedsSms,
    NeedsTotp,
    Refused,
    Secrets,
    SessionMaterial,
)
from services.auth.secret import OneTimeCode
from services.auth.sessions import machine
from services.auth.sessions.journal import ACTOR
from services.auth.sessions.lease import Lease
from services.auth.sessions.machine import Challenge, Signal
from services.auth.sessions.parts import Asked, LoginParts
from services.auth.sessions.person import ASK_AGAIN_AFTER
from services.auth.sessions.session import LOGGING_IN, USABLE, Session, State, may_begin
from services.auth.sessions.steps import Steps
from services.auth.totp.issuer import LONGEST_WAIT_SECONDS
from services.contracts.auth import LoginFailure, LoginMethod

USUAL_WAIT_SECONDS: Final = 900.0
_log = logging.getLogger("services.auth.sessions")
_PERSON_FAILED: Final = frozenset({LoginFailure.CODE_REFUSED, LoginFailure.APPROVAL_TIMED_OUT})


class LoginFlow:
    """Logs one account in, once, under a lease. Each step is on disk before the next is sent."""

    def __init__(self, parts: LoginParts, account: Account, lease: Lease, session: Session) -> None:
        self._parts = parts
        self._account = account
        self._login = parts.logins[account.broker]
        self._steps = Steps(parts, account, lease, session)
        self._expected: str | None = None  # the challenge in the inbox that this login has open

    async def run(self) -> Session:
        """Log in.

        Raises:
            AttemptBudgetExhaustedError: No attempt is left; the session says until when.
            NoSuchCredentialError, SealedError: A secret is not to be had; nothing was sent.
            FencedOffError: Another took over.
        """
        steps = self._steps
        await self._settle()
        if steps.session.state in USABLE or not may_begin(steps.session, steps.now()):
            return steps.session
        secrets, kept = await steps.secrets("login"), await steps.kept("login")
        try:
            await self._send(secrets, kept)
        finally:
            self._parts.asked.pop(self._account.name, None)
            if self._expected is not None:
                self._parts.inbox.cancel(self._expected)
        return steps.session

    async def _settle(self) -> None:
        """Come to terms with what an ended process, or the passing of time, left behind."""
        steps, now = self._steps, self._steps.now()
        if steps.session.state in USABLE:
            facts = [*steps.left_in_the_middle(), steps.ended("expired")]
            await steps.move(machine.SessionLost(now), facts=facts)
        if steps.session.state in LOGGING_IN:
            await steps.adopt_unfinished()
            if steps.session.state is not State.VERIFYING:
                # Whatever was sent may have arrived: its code is spent, and only a probe can tell.
                await steps.move(machine.OutcomeUnknown(now, now))
            await self._verify(await steps.kept("recovery"), lost_until=now)

    async def _send(self, secrets: Secrets, kept: SessionMaterial | None) -> None:
        if self._steps.plan.method is LoginMethod.SMS:
            # Before the broker is asked: its message may be quicker than its answer.
            await self._expect(self._account.data.get("sms_number", ""))
        await self._steps.reserve(machine.LoginBegun(self._steps.now()))
        with self._parts.span("auth.login.begin", self._account) as span:
            step: LoginStep | None = await self._first(secrets, kept)
            span.set_attribute("sightline.outcome", type(step).__name__)
        if isinstance(step, NeedsTotp | NeedsSms):
            step = await self._with_codes(step)
        if isinstance(step, NeedsApproval):
            step = await self._with_approval(step)
        if isinstance(step, Active):
            await self._steps.accept(step.material)
            await self._verify(step.material, lost_until=self._steps.later())
        elif isinstance(step, Refused):
            await self._refused(step)
        elif step is not None:
            # No answer came: never again. The session that may be there is probed instead.
            await self._steps.move(machine.OutcomeUnknown(self._steps.now(), self._steps.later()))
            await self._verify(await self._steps.kept("recovery"), lost_until=self._steps.later())

    async def _first(self, secrets: Secrets, kept: SessionMaterial | None) -> LoginStep:
        """Renew where the broker still allows it, else begin anew."""
        if kept is not None and kept.renewable_until is not None and self._steps.now() < kept.renewable_until:
            step = await self._login.refresh(kept, secrets)
            if not (isinstance(step, Refused) and step.reason is LoginFailure.REFRESH_REFUSED):
                return step
        return await self._login.begin(self._account, secrets)

    async def _with_codes(self, asked: NeedsTotp | NeedsSms) -> LoginStep | None:
        """Answer with one new code after the other, until the broker says something else than that a code is wrong."""
        steps, by_app = self._steps, isinstance(asked, NeedsTotp)
        await steps.move(machine.Challenged(steps.now(), Challenge.TOTP if by_app else Challenge.SMS))
        while True:
            with self._parts.span("auth.login.code", self._account):
                code = await (self._own_code() if by_app else self._foreign_code())
            if code is None:
                await steps.move(machine.CodeMissing(steps.now(), steps.later()), failure=LoginFailure.CODE_MISSING)
                return None
            with self._parts.span("auth.login.answer", self._account) as span:
                step = await self._login.answer(asked.pending, code)
                span.set_attribute("sightline.outcome", type(step).__name__)
            if not (isinstance(step, Refused) and step.reason is LoginFailure.CODE_REFUSED):
                return step
            await steps.move(machine.CodeRefused(steps.now()), failure=LoginFailure.CODE_REFUSED)
            if steps.session.state is State.BLOCKED:
                return None
            await steps.reserve(None)

    async def _own_code(self) -> OneTimeCode | None:
        await self._steps.renew(timedelta(seconds=LONGEST_WAIT_SECONDS))
        issuer, name = self._parts.issuer, self._account.name
        try:
            issued = await self._steps.call(lambda: issuer.issue(name, actor=ACTOR, purpose="login"))
        except AuthError:
            return None  # no seed, no time step or no fit clock: the fact says that the code is missing
        return issued.code

    async def _foreign_code(self) -> OneTimeCode | None:
        """A code that comes by text message or from an operator."""
        if self._expected is None:
            await self._expect(self._account.data.get("sms_number", ""))
        return await self._take(self._parts.sms_wait_seconds)

    async def _with_approval(self, asked: NeedsApproval) -> LoginStep | None:
        """Wait for a person to act, and go on from there."""
        steps = self._steps
        self._parts.asked[self._account.name] = Asked(asked.instruction, asked.deadline, asked.takes_code)
        await steps.move(machine.Challenged(steps.now(), Challenge.APPROVAL))
        _log.warning("%s waits for a person until %s", self._account.name, asked.deadline.isoformat(timespec="seconds"))
        with self._parts.span("auth.login.approval", self._account) as span:
            step = await (self._brought(asked) if asked.takes_code else self._watched(asked))
            span.set_attribute("sightline.outcome", type(step).__name__)
        if step is not None and not (isinstance(step, Refused) and step.reason in _PERSON_FAILED):
            return step
        failure = LoginFailure.APPROVAL_TIMED_OUT if step is None else step.reason
        now = steps.now()
        await steps.move(machine.ApprovalTimedOut(now, now + ASK_AGAIN_AFTER), failure=failure)
        return None

    async def _watched(self, asked: NeedsApproval) -> LoginStep | None:
        """Ask the broker at intervals whether the person has approved; None when the time is over."""
        going_on = asked
        while (left := (asked.deadline - self._steps.now()).total_seconds()) > 0:
            seconds = min(going_on.poll_seconds, left)
            await self._steps.renew(timedelta(seconds=seconds))
            await self._parts.pauses.pause(seconds)
            step = await self._login.answer(going_on.pending, None)
            if not isinstance(step, NeedsApproval):
                return step
            going_on = step
        return None

    async def _brought(self, asked: NeedsApproval) -> LoginStep | None:
        """Wait for what the person brings back; None when the time is over."""
        # A number that no text message has: only an operator can give this code.
        await self._expect(f"person:{self._account.name}")
        code = await self._take((asked.deadline - self._steps.now()).total_seconds())
        return None if code is None else await self._login.answer(asked.pending, code)

    async def _expect(self, number: str) -> None:
        inbox, account = self._parts.inbox, self._account
        self._expected = await self._steps.call(lambda: inbox.open(account.name, number, account.broker))

    async def _take(self, wait_seconds: float) -> OneTimeCode | None:
        await self._steps.renew(timedelta(seconds=wait_seconds))
        expected = str(self._expected)
        try:
            code = await self._steps.call(lambda: self._parts.inbox.wait(expected, wait_seconds))
        except AuthError:
            code = None
        self._expected = None  # not before: a shutdown ends the wait by cancelling the challenge
        return code

    async def _verify(self, material: SessionMaterial | None, *, lost_until: datetime) -> None:
        """Let a read-only call say whether there is a session."""
        steps = self._steps
        if material is None:
            await steps.move(machine.NotVerified(steps.now(), lost_until), failure=LoginFailure.OUTCOME_UNKNOWN)
            return
        with self._parts.span("auth.login.probe", self._account):
            found = await self._login.probe(material)
        now = steps.now()
        if found.valid is None and found.wait_seconds is not None:
            await self._refused(Refused(LoginFailure.BROKER_ASKED_TO_WAIT, found.wait_seconds))
        elif found.valid is None:
            await steps.move(machine.OutcomeUnknown(now, steps.later()), failure=LoginFailure.OUTCOME_UNKNOWN)
        elif not found.valid:
            await steps.move(machine.NotVerified(now, lost_until), failure=LoginFailure.SESSION_LOST)
        elif found.restricted:
            await steps.move(machine.Restricted(now), failure=LoginFailure.ACCOUNT_RESTRICTED)
        else:
            await steps.confirm(material, found.expires_at)

    async def _refused(self, step: Refused) -> None:
        now, later = self._steps.now(), self._steps.later()
        signals: dict[LoginFailure, Signal] = {
            LoginFailure.PASSWORD_REFUSED: machine.PasswordRefused(now),
            LoginFailure.ACCOUNT_RESTRICTED: machine.Restricted(now),
            LoginFailure.APPROVAL_DENIED: machine.ApprovalDenied(now),
            LoginFailure.BROKER_ASKED_TO_WAIT: machine.ToldToWait(now, waiting_until(now, step)),
        }
        signal = signals.get(step.reason, machine.Unreachable(now, later))
        fits = self._steps.session.state in signal.states
        await self._steps.move(signal if fits else machine.Unreachable(now, later), failure=step.reason)


def waiting_until(now: datetime, step: Refused) -> datetime:
    """Until when a broker that asked for it is left alone."""
    return now + timedelta(seconds=step.wait_seconds or USUAL_WAIT_SECONDS)
