"""One login for all who need it, and none where none may be."""

import threading
from datetime import timedelta

import pytest

from services.auth.errors import FencedOffError, LeaseHeldError, LoginBlockedError, LoginNotYetError
from services.auth.sessions import attempts, lease, machine, store
from services.auth.sessions.lease import Lease
from services.auth.sessions.session import Session, State, new_session
from services.auth.sessions.single_flight import LEASE_LIFE, SingleFlight
from services.contracts.auth import BlockReason, LoginMethod
from services.kit.database import Database
from services.kit.ids import SystemRandomness
from tests.auth.support import ACCOUNT, KeptFacts
from tests.fakes.clock import FakeClock

CALLERS = 50
PATIENCE_SECONDS = 60.0


class Broker:
    """Counts logins, and answers each as it is told."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock
        self.logins = 0
        self.found: list[State] = []
        self.answer = self.active
        self.meanwhile = list[None]  # nothing happens while the login is under way

    def active(self, session: Session) -> Session:
        now = self.clock.now()
        session = machine.advance(session, machine.Accepted(now))
        return machine.advance(session, machine.Verified(now, now + timedelta(minutes=30), now + timedelta(minutes=20)))

    def blocked(self, session: Session) -> Session:
        return machine.advance(session, machine.PasswordRefused(self.clock.now()))

    def away(self, session: Session) -> Session:
        now = self.clock.now()
        return machine.advance(session, machine.Unreachable(now, now + timedelta(seconds=30)))

    def log_in(self, held: Lease, session: Session) -> Session:
        self.found.append(session.state)
        now = self.clock.now()
        with self.database.transaction(durable=True) as connection:
            attempts.reserve(connection, held, f"attempt {self.logins}", LoginMethod.TOTP, now)
            session = machine.advance(new_session(now), machine.LoginBegun(now))
            store.save(connection, held, session)
        self.logins += 1
        self.meanwhile()
        session = self.answer(session)
        with self.database.transaction(durable=True) as connection:
            store.save(connection, held, session)
        return session


class AdvancingWaiter:
    """Lets the clock do the waiting."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def wait(self, seconds: float) -> None:
        self._clock.advance(seconds)


@pytest.fixture
def broker(database: Database, clock: FakeClock) -> Broker:
    return Broker(database, clock)


def _flight(database: Database, clock: FakeClock) -> SingleFlight:
    return SingleFlight(KeptFacts(database), database, clock, SystemRandomness(), AdvancingWaiter(clock))


def test_session_when_fifty_need_it_at_once_then_one_login_is_sent_and_all_get_its_session(
    database: Database, clock: FakeClock, broker: Broker
) -> None:
    flight, barrier = _flight(database, clock), threading.Barrier(CALLERS)
    got: list[Session] = []

    def need() -> None:
        barrier.wait()
        got.append(flight.session(ACCOUNT, broker.log_in, patience_seconds=PATIENCE_SECONDS))

    threads = [threading.Thread(target=need) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broker.logins == 1
    assert len(got) == CALLERS
    assert {session.state for session in got} == {State.ACTIVE}


def test_login_when_it_blocks_the_account_then_the_next_caller_sends_none(
    database: Database, clock: FakeClock, broker: Broker
) -> None:
    flight = _flight(database, clock)
    broker.answer = broker.blocked
    flight.session(ACCOUNT, broker.log_in, patience_seconds=PATIENCE_SECONDS)
    with pytest.raises(LoginBlockedError, match=BlockReason.PASSWORD_REFUSED):
        flight.session(ACCOUNT, broker.log_in, patience_seconds=PATIENCE_SECONDS)
    assert broker.logins == 1


def test_login_when_the_broker_was_away_then_the_next_one_waits_its_time(
    database: Database, clock: FakeClock, broker: Broker
) -> None:
    flight = _flight(database, clock)
    broker.answer = broker.away
    flight.session(ACCOUNT, broker.log_in, patience_seconds=PATIENCE_SECONDS)
    with pytest.raises(LoginNotYetError) as refused:
        flight.session(ACCOUNT, broker.log_in, patience_seconds=PATIENCE_SECONDS)
    assert refused.value.headers == {"Retry-After": "30"}
    clock.advance(30)
    flight.session(ACCOUNT, broker.log_in, patience_seconds=PATIENCE_SECONDS)
    assert broker.logins == 2


def test_session_when_it_expired_then_a_login_is_sent(database: Database, clock: FakeClock, broker: Broker) -> None:
    flight = _flight(database, clock)
    flight.session(ACCOUNT, broker.log_in, patience_seconds=PATIENCE_SECONDS)
    clock.advance(30 * 60)
    flight.session(ACCOUNT, broker.log_in, patience_seconds=PATIENCE_SECONDS)
    assert broker.logins == 2


def test_login_when_an_earlier_one_ended_in_the_middle_then_it_finds_the_state_that_one_left(
    database: Database, clock: FakeClock, broker: Broker
) -> None:
    now = clock.now()
    with database.transaction() as connection:
        held = lease.acquire(connection, ACCOUNT, "ended", now=now, life=LEASE_LIFE)
        begun = machine.advance(new_session(now), machine.LoginBegun(now))
        store.save(connection, held, machine.advance(begun, machine.Challenged(now, machine.Challenge.TOTP)))
    clock.advance(LEASE_LIFE.total_seconds())
    _flight(database, clock).session(ACCOUNT, broker.log_in, patience_seconds=PATIENCE_SECONDS)
    assert broker.found == [State.AWAITING_TOTP]


def test_caller_when_another_process_logs_in_then_it_waits_for_that_session(
    database: Database, clock: FakeClock, broker: Broker
) -> None:
    with database.transaction() as connection:
        held = lease.acquire(connection, ACCOUNT, "another process", now=clock.now(), life=LEASE_LIFE)

    class Finishing(AdvancingWaiter):
        def wait(self, seconds: float) -> None:
            super().wait(seconds)
            if broker.logins == 0:
                broker.log_in(held, new_session(clock.now()))

    flight = SingleFlight(KeptFacts(database), database, clock, SystemRandomness(), Finishing(clock))
    session = flight.session(ACCOUNT, broker.log_in, patience_seconds=PATIENCE_SECONDS)
    assert (session.state, broker.logins) == (State.ACTIVE, 1)


def test_caller_when_another_process_never_ends_then_it_gives_up_after_its_patience(
    database: Database, clock: FakeClock, broker: Broker
) -> None:
    with database.transaction() as connection:
        lease.acquire(connection, ACCOUNT, "another process", now=clock.now(), life=timedelta(hours=1))
    with pytest.raises(LeaseHeldError):
        _flight(database, clock).session(ACCOUNT, broker.log_in, patience_seconds=5)
    assert broker.logins == 0


def test_holder_when_paused_until_another_took_over_then_its_session_does_not_count(
    database: Database, clock: FakeClock, broker: Broker
) -> None:
    successor = Broker(database, clock)
    successor.logins = 1

    def pause() -> None:
        clock.advance(LEASE_LIFE.total_seconds())
        _flight(database, clock).session(ACCOUNT, successor.log_in, patience_seconds=PATIENCE_SECONDS)

    broker.meanwhile, broker.answer = pause, broker.blocked
    with pytest.raises(FencedOffError):
        _flight(database, clock).session(ACCOUNT, broker.log_in, patience_seconds=PATIENCE_SECONDS)
    with database.reading() as connection:
        assert store.load(connection, ACCOUNT, clock.now()).state is State.ACTIVE


def test_login_when_it_fails_with_an_error_then_the_lease_is_given_back(
    database: Database, clock: FakeClock, broker: Broker
) -> None:
    def fail(_lease: Lease, _session: Session) -> Session:
        raise RuntimeError("the adapter is broken")

    flight = _flight(database, clock)
    with pytest.raises(RuntimeError, match="adapter"):
        flight.session(ACCOUNT, fail, patience_seconds=PATIENCE_SECONDS)
    assert flight.session(ACCOUNT, broker.log_in, patience_seconds=PATIENCE_SECONDS).state is State.ACTIVE
