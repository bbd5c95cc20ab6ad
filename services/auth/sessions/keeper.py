"""Keeps every account logged in: one login at a time, renewed before it ends, announced where a person is needed."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from services.auth.accounts import Account, Accounts
from services.auth.errors import ChallengeClosedError, LeaseHeldError
from services.auth.leases import Lease, NoSessionError, lease_until
from services.auth.logins.port import BrokerLogin, LoginPlan, ProbeResult, SessionMaterial
from services.auth.secret import Secret
from services.auth.sessions import lease as leases
from services.auth.sessions import machine
from services.auth.sessions.flow import LoginFlow
from services.auth.sessions.notices import LoginDue, Notices
from services.auth.sessions.parts import LoginParts
from services.auth.sessions.person import may_ask
from services.auth.sessions.renewal import Renewal
from services.auth.sessions.session import LOGGING_IN, USABLE, Session, State, may_begin, refresh_due, usable
from services.auth.sessions.single_flight import SingleFlight
from services.auth.sessions.steps import Steps
from services.auth.sessions.views import session_view
from services.auth.transactions import Readings
from services.auth.vault.vault import Vault
from services.contracts.auth import AccountId, LoginUnblocked
from services.contracts.sessions import SessionView
from services.kit.errors import SightlineError

PATIENCE_SECONDS: Final = 60.0
LOOK_EVERY_SECONDS: Final = 5.0
_ALL: Final = AccountId("every account")
_LEASE_LIFE: Final = timedelta(minutes=2)
_log = logging.getLogger("services.auth.sessions")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperParts:
    """What the keeper works with, beside what every login does.

    Attributes:
        login_due: Told of each account when a person has to log in again; None for never.
    """

    accounts: Accounts
    readings: Readings
    vault: Vault
    flight: SingleFlight
    login: LoginParts
    login_due: LoginDue = lambda _account, _at: None


class SessionKeeper:
    """Lives in one event loop. What it knows is on disk or in the vault, so a new one goes on where another ended."""

    def __init__(self, parts: KeeperParts) -> None:
        self._parts = parts
        self._clock = parts.login.clock
        self._journal = parts.login.journal
        self._call = parts.login.threads.call
        self._flights: dict[AccountId, asyncio.Task[Session]] = {}
        self._kept_alive: dict[AccountId, asyncio.Task[None]] = {}
        self._notices = Notices(parts.login, parts.login_due)
        self._flows = set[Future[Session]]()
        self._failing: set[AccountId] = set()

    async def login(self, name: AccountId) -> SessionView:
        """Log an account in, or wait for the login under way; the view tells what came of it.

        Raises:
            NoSuchAccountError: Nobody registered it.
            LoginBlockedError, LoginNotYetError, AttemptBudgetExhaustedError: Nothing may be sent now.
            NoSuchCredentialError, SealedError: A secret is not to be had.
            LeaseHeldError: Another process' login takes too long.
        """
        account = await self._account(name)
        flight = self._flights.get(name)
        if flight is None:
            flight = asyncio.create_task(self._fly(account))
            self._flights[name] = flight
            flight.add_done_callback(lambda done: self._landed(name, done))
        # One of those who wait may go away without ending the login for the others.
        await asyncio.shield(flight)
        return await self.view(name)

    async def view(self, name: AccountId) -> SessionView:
        """How an account's session stands. Raises `NoSuchAccountError`."""
        account = await self._account(name)
        session = await self.session(name)
        budget = await self._call(lambda: self._journal.budget(name))
        return session_view(
            account,
            self._plan(account).method,
            session,
            budget,
            now=self._clock.now(),
            person_needed_at=self._notices.until(name),
            asked=self._parts.login.asked.get(name),
        )

    async def views(self) -> list[SessionView]:
        """Every account's session, by name."""
        return [await self.view(account.name) for account in await self._call(self._all_accounts)]

    async def session(self, name: AccountId) -> Session:
        """The session as it stands on disk."""
        return await self._call(lambda: self._journal.session(name))

    async def probe(self, name: AccountId) -> ProbeResult:
        """Make a read-only call with the account's session; `valid` is False without one."""
        account = await self._account(name)
        if not usable(await self.session(name), self._clock.now()):
            return ProbeResult(valid=False)
        material = await self._material(account, "probe")
        if material is None:
            return ProbeResult(valid=False)
        found = await self._login(account).probe(material)
        if found.valid is False:
            with suppress(LeaseHeldError):  # whoever holds it is about to find out too
                await self._lose(account)
        return found

    async def lease(self, name: AccountId) -> Lease:
        """Headers that carry the session for five minutes at most. Raises `NoSessionError`."""
        account = await self._account(name)
        session, now = await self.session(name), self._clock.now()
        material = await self._material(account, "lease") if usable(session, now) else None
        if material is None:
            raise NoSessionError
        headers = {header: Secret(value) for header, value in self._login(account).headers(material).items()}
        return Lease(name, account.environment, headers, lease_until(now, session.expires_at))

    async def enter_code(self, name: AccountId, code: str) -> None:
        """Hand in what a person was asked for. Raises `ChallengeClosedError` when nothing waits for it."""
        inbox = self._parts.login.inbox
        waiting = [challenge for challenge, account, _, _ in inbox.pending() if account == name]
        if not waiting:
            raise ChallengeClosedError
        await self._call(lambda: inbox.enter(waiting[-1], code))

    async def unblock(self, name: AccountId, *, actor: str) -> SessionView:
        """Allow logins again, after a person has looked. Nothing happens to an account that is not blocked."""
        account = await self._account(name)
        async with self._leased(name) as held:
            session = await self.session(name)
            if session.state is State.BLOCKED:
                fresh = machine.advance(session, machine.Unblocked(self._clock.now()))
                fact = LoginUnblocked(subject=name, broker=account.broker, actor=actor)
                await self._call(lambda: self._journal.write(held, fresh, [fact]))
        return await self.view(name)

    async def tick(self) -> None:
        """Begin whatever is due now; `settled` waits for it."""
        if self._parts.vault.sealed:
            return
        known = await self._call(self._journal.known)
        for account in await self._call(self._all_accounts):
            name = account.name
            if name not in known or name in self._kept_alive or name in self._flights:
                continue
            await self._guarded(name, self._look(account), clears=False)

    async def _look(self, account: Account) -> None:
        session, name = await self.session(account.name), account.name
        await self._notices.learn(account, session)
        await self._notices.announce(account, session)
        if (work := self._due(account, session)) is not None:
            task = asyncio.create_task(self._guarded(name, work))
            self._kept_alive[name] = task
            task.add_done_callback(lambda _task: self._kept_alive.pop(name, None))

    async def settled(self) -> None:
        """Wait until everything that was begun has ended."""
        while self._kept_alive:
            await asyncio.gather(*self._kept_alive.values())

    @asynccontextmanager
    async def keep_alive(self) -> AsyncIterator[None]:
        """Look every few seconds for what is due, as long as the block runs."""
        task = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            for each in (task, *self._kept_alive.values()):
                each.cancel()
            for flow in self._flows.copy():
                flow.cancel()
            # Flights end by themselves when their flows have: they give their leases back on the way.
            ending = [task, *self._kept_alive.values(), *self._flights.values()]
            await asyncio.gather(*ending, return_exceptions=True)
            self._parts.login.threads.close()

    async def _keep(self) -> None:
        while True:
            await self._guarded(_ALL, self.tick())
            await self._parts.login.pauses.pause(LOOK_EVERY_SECONDS)

    def _due(self, account: Account, session: Session) -> Coroutine[Any, Any, object] | None:
        now = self._clock.now()
        if usable(session, now):
            due = refresh_due(session, now) or session.state is State.REFRESHING
            return self._renew(account) if due else None
        left_in_the_middle = session.state in LOGGING_IN
        if not (left_in_the_middle or session.state in USABLE or may_begin(session, now)):
            return None
        until = self._notices.until(account.name)
        by_itself = not self._plan(account).needs_person or (until is not None and now < until)
        return self.login(account.name) if by_itself or left_in_the_middle or may_ask(now) else None

    async def _fly(self, account: Account) -> Session:
        loop = asyncio.get_running_loop()

        def log_in(held: leases.Lease, session: Session) -> Session:
            flow = LoginFlow(self._parts.login, account, held, session)
            running = asyncio.run_coroutine_threadsafe(flow.run(), loop)
            self._flows.add(running)
            try:
                return running.result()
            finally:
                self._flows.discard(running)

        with self._parts.login.span("auth.login", account) as span:
            session = await self._call(
                lambda: self._parts.flight.session(account.name, log_in, patience_seconds=PATIENCE_SECONDS)
            )
            span.set_attribute("sightline.outcome", session.state.value)
        await self._notices.learn(account, session, anew=True)
        return session

    async def _renew(self, account: Account) -> None:
        async with self._leased(account.name) as held:
            session = await self.session(account.name)
            session = await Renewal(self._parts.login, account, held, session).run()
        await self._notices.learn(account, session, anew=True)

    def _landed(self, name: AccountId, flight: "asyncio.Task[Session]") -> None:
        self._flights.pop(name, None)
        if not flight.cancelled():
            flight.exception()  # seen, also when nobody waits for it any more

    async def _guarded(self, name: AccountId, work: Coroutine[Any, Any, object], *, clears: bool = True) -> None:
        try:
            await work
        except LeaseHeldError:
            return  # another process is at it
        except SightlineError as error:
            if name not in self._failing:  # said once, not at every turn
                _log.warning("cannot keep %s logged in: %s", name, error.detail or error.title)
            self._failing.add(name)
        else:
            self._failing -= {name} if clears else set()

    async def _lose(self, account: Account) -> None:
        """The broker no longer takes the session: give it up, so that a login follows."""
        async with self._leased(account.name) as held:
            session, now = await self.session(account.name), self._clock.now()
            if usable(session, now):
                steps = Steps(self._parts.login, account, held, session)
                facts = [*steps.left_in_the_middle(), steps.ended("refused_by_broker")]
                await steps.move(machine.SessionLost(now), facts=facts)

    @asynccontextmanager
    async def _leased(self, name: AccountId) -> AsyncIterator[leases.Lease]:
        holder = self._parts.login.randomness.token()
        held = await self._call(lambda: self._journal.acquire(name, holder, _LEASE_LIFE))
        try:
            yield held
        finally:
            # Fenced off means that another holds it already: there is nothing to give back.
            with suppress(SightlineError):
                await self._call(lambda: self._journal.release(held))

    async def _account(self, name: AccountId) -> Account:
        def read() -> Account:
            with self._parts.readings.reading() as connection:
                return self._parts.accounts.get(connection, name)

        return await self._call(read)

    def _all_accounts(self) -> list[Account]:
        with self._parts.readings.reading() as connection:
            return self._parts.accounts.all(connection)

    async def _material(self, account: Account, purpose: str) -> SessionMaterial | None:
        plan = self._plan(account)
        return await self._call(lambda: self._journal.material(account, plan, purpose=purpose))

    def _login(self, account: Account) -> BrokerLogin:
        return self._parts.login.logins[account.broker]

    def _plan(self, account: Account) -> LoginPlan:
        return self._login(account).plan(account)
