"""However many callers need an account's session at once, one login is sent and all get its session."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Final

from services.auth.errors import FencedOffError, LeaseHeldError, LoginBlockedError, LoginNotYetError
from services.auth.sessions import lease as leases
from services.auth.sessions import store
from services.auth.sessions.lease import Lease
from services.auth.sessions.session import WAITING, Session, State, may_begin, usable
from services.auth.totp.issuer import Waiter
from services.auth.transactions import Readings, Transactions
from services.contracts.auth import AccountId
from services.kit.clock import Clock
from services.kit.ids import Randomness

LEASE_LIFE: Final = timedelta(minutes=2)
_LOOK_AGAIN_SECONDS: Final = 0.25  # another process tells of its login only through the database

LogIn = Callable[[Lease, Session], Session]


class SingleFlight:
    """Lets one caller log in and the others wait for its session; safe over threads and processes.

    Args:
        transactions: Where leases and sessions are.
        readings: The same database, for looking.
        clock: Says what has run out.
        randomness: Names the holders of leases.
        waiter: Lets time pass between two looks at another process' login.
        lease_life: A login that takes longer than this has to renew its lease, or another may take over.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self,
        transactions: Transactions,
        readings: Readings,
        clock: Clock,
        randomness: Randomness,
        waiter: Waiter,
        *,
        lease_life: timedelta = LEASE_LIFE,
    ) -> None:
        self._transactions = transactions
        self._readings = readings
        self._clock = clock
        self._randomness = randomness
        self._waiter = waiter
        self._lease_life = lease_life
        self._locks: dict[AccountId, threading.Lock] = {}
        self._locks_guard = threading.Lock()

    def session(self, account: AccountId, log_in: LogIn, *, patience_seconds: float) -> Session:
        """A usable session: the present one, that of the login under way, or one from `log_in`.

        `log_in` gets the lease, under which it reserves its attempt and saves the session, and the session as it was
        left: in a state of `session.LOGGING_IN` when an earlier login ended in the middle, so that it probes first.

        Raises:
            LoginBlockedError: Only a person can help.
            LoginNotYetError: It is too early for the next login.
            LeaseHeldError: Another's login took longer than `patience_seconds`.
            Exception: Whatever `log_in` raises.
        """
        deadline = self._clock.monotonic() + patience_seconds
        with self._alone_in_this_process(account, patience_seconds):
            while True:
                session = self._present(account)
                if usable(session, self._clock.now()):
                    return session
                try:
                    with self._leased(account) as held:
                        return self._log_in(account, held, log_in)
                except LeaseHeldError:
                    if self._clock.monotonic() >= deadline:
                        raise
                self._waiter.wait(_LOOK_AGAIN_SECONDS)

    def _log_in(self, account: AccountId, held: Lease, log_in: LogIn) -> Session:
        # Another process may have logged in between our look and our lease.
        session = self._present(account)
        now = self._clock.now()
        if usable(session, now):
            return session
        if session.state is State.BLOCKED:
            raise LoginBlockedError(str(session.block_reason))
        if session.resume_at is not None and session.state in WAITING and not may_begin(session, now):
            wait = (session.resume_at - now).total_seconds()
            raise LoginNotYetError(allowed_at=session.resume_at, wait_seconds=wait)
        return log_in(held, session)

    def _present(self, account: AccountId) -> Session:
        with self._readings.reading() as connection:
            return store.load(connection, account, self._clock.now())

    @contextmanager
    def _alone_in_this_process(self, account: AccountId, patience_seconds: float) -> Iterator[None]:
        with self._locks_guard:
            lock = self._locks.setdefault(account, threading.Lock())
        if not lock.acquire(timeout=patience_seconds):
            raise LeaseHeldError
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def _leased(self, account: AccountId) -> Iterator[Lease]:
        holder = self._randomness.token()
        with self._transactions.transaction(durable=True) as tx:
            now = self._clock.now()
            held = leases.acquire(tx.connection, account, holder, now=now, life=self._lease_life)
        try:
            yield held
        finally:
            # Fenced off means that another holds it already: there is nothing to give back.
            with suppress(FencedOffError), self._transactions.transaction(durable=True) as tx:
                leases.release(tx.connection, held, now=self._clock.now())
