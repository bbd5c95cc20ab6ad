"""Renews a session before it ends."""

from services.auth.accounts import Account
from services.auth.logins.port import Active, LoginStep, Refused, Unknown
from services.auth.sessions import machine
from services.auth.sessions.flow import waiting_until
from services.auth.sessions.lease import Lease
from services.auth.sessions.parts import LoginParts
from services.auth.sessions.session import Session, State, refresh_due
from services.auth.sessions.steps import Steps
from services.contracts.auth import LoginFailure, SessionRefreshed


class Renewal:
    """Renews one account's session, once, under a lease."""

    def __init__(self, parts: LoginParts, account: Account, lease: Lease, session: Session) -> None:
        self._parts = parts
        self._account = account
        self._login = parts.logins[account.broker]
        self._steps = Steps(parts, account, lease, session)

    async def run(self) -> Session:
        """Renew if it is due still; a failure leaves the session as it is for as long as it lasts."""
        steps, now = self._steps, self._steps.now()
        if steps.session.state is State.REFRESHING:
            # An ended process left it so: nobody else holds the lease.
            await steps.move(machine.RefreshFailed(now, now), facts=steps.left_in_the_middle())
        if not refresh_due(steps.session, now):
            return steps.session
        secrets, material = await steps.secrets("refresh"), await steps.kept("refresh")
        if material is None:
            lost = steps.not_renewed(LoginFailure.SESSION_LOST)
            await steps.move(machine.SessionLost(now), facts=[lost, steps.ended("not_kept")])
            return steps.session
        await steps.move(machine.RefreshBegun(now))
        with self._parts.span("auth.refresh", self._account) as span:
            step = await self._login.refresh(material, secrets)
            span.set_attribute("sightline.outcome", type(step).__name__)
        await self._judge(step)
        return steps.session

    async def _judge(self, step: LoginStep) -> None:
        steps, now, later = self._steps, self._steps.now(), self._steps.later()
        if isinstance(step, Active):
            ends_at = step.material.renewable_until or step.material.expires_at or later
            name, broker = self._account.name, self._account.broker
            fact = SessionRefreshed(subject=name, broker=broker, method=steps.plan.method, expires_at=ends_at)
            await steps.renewed(step.material, fact)
            return
        reason = step.reason if isinstance(step, Refused | Unknown) else LoginFailure.OUTCOME_UNKNOWN
        failed = steps.not_renewed(reason)
        if reason in {LoginFailure.REFRESH_REFUSED, LoginFailure.PASSWORD_REFUSED}:
            await steps.move(machine.SessionLost(now), facts=[failed, steps.ended("refresh_refused")])
        elif reason is LoginFailure.ACCOUNT_RESTRICTED:
            await steps.move(machine.Restricted(now), facts=[failed, steps.ended("account_restricted")])
        else:
            signal: machine.Signal = machine.RefreshFailed(now, later)
            if isinstance(step, Refused) and reason is LoginFailure.BROKER_ASKED_TO_WAIT:
                signal = machine.ToldToWait(now, waiting_until(now, step))
            expires_at = steps.session.expires_at
            over = expires_at is not None and now >= expires_at
            facts = [failed, steps.ended("expired")] if over else [failed]
            await steps.move(signal, facts=facts)
