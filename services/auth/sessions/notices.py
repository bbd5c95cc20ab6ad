"""Knows when a person has to log in again, and says so ahead."""

from collections.abc import Callable
from datetime import datetime, timedelta

from services.auth.accounts import Account
from services.auth.sessions.parts import LoginParts
from services.auth.sessions.person import notice_due
from services.auth.sessions.session import USABLE, Session
from services.contracts.auth import AccountId, SessionExpiring

LoginDue = Callable[[AccountId, datetime | None], None]


class Notices:
    """One for the keeper's event loop.

    Args:
        parts: What every login works with.
        login_due: Told of each account when a person has to log in again; None for never.
    """

    def __init__(self, parts: LoginParts, login_due: LoginDue) -> None:
        self._parts = parts
        self._login_due = login_due
        self._until: dict[AccountId, datetime | None] = {}
        self._said: dict[tuple[AccountId, datetime], timedelta] = {}

    def until(self, name: AccountId) -> datetime | None:
        """When a person has to log in again, as far as it is known."""
        return self._until.get(name)

    async def learn(self, account: Account, session: Session, *, anew: bool = False) -> None:
        """Read from the vault when renewing ends, once for each session."""
        name = account.name
        if not anew and name in self._until:
            return
        journal, plan = self._parts.journal, self._parts.logins[account.broker].plan(account)
        until: datetime | None = None
        if session.state in USABLE and plan.kept_as not in plan.needs:
            kept = await self._parts.threads.call(lambda: journal.material(account, plan, purpose="schedule"))
            until = None if kept is None else kept.renewable_until
        self._until[name] = until
        self._login_due(name, until)

    async def announce(self, account: Account, session: Session) -> None:
        """State, at each notice once, that a session ends that does not go on by itself."""
        troubled = session.failures > 0 and session.state in USABLE
        ends_at = self._until.get(account.name) or (session.expires_at if troubled else None)
        now = self._parts.clock.now()
        notice = None if ends_at is None else notice_due(ends_at, now)
        if ends_at is None or notice is None:
            return
        said = self._said.get((account.name, ends_at))
        if said is not None and said <= notice:
            return
        self._said[account.name, ends_at] = notice
        remaining = max(0.0, (ends_at - now).total_seconds())
        fact = SessionExpiring(
            subject=account.name, broker=account.broker, expires_at=ends_at, remaining_seconds=remaining
        )
        await self._parts.threads.call(lambda: self._parts.journal.state_fact(fact))
