"""Leases, attempts and stored sessions on a real database."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from services.auth.errors import AttemptBudgetExhaustedError, FencedOffError, LeaseHeldError
from services.auth.sessions import attempts, lease, store
from services.auth.sessions.lease import Lease
from services.auth.sessions.session import Session, State, new_session
from services.auth.tables import LOGIN_ATTEMPTS
from services.contracts.auth import BlockReason, LoginFailure, LoginMethod
from services.kit.database import Database
from services.kit.database_errors import DatabaseBusyError
from tests.auth.support import ACCOUNT, OTHER, open_database
from tests.fakes.clock import FakeClock

LIFE = timedelta(seconds=60)


def _acquire(database: Database, clock: FakeClock, holder: str = "one") -> Lease:
    with database.transaction(durable=True) as connection:
        return lease.acquire(connection, ACCOUNT, holder, now=clock.now(), life=LIFE)


def _reserve(database: Database, clock: FakeClock, held: Lease, attempt: str) -> None:
    with database.transaction(durable=True) as connection:
        attempts.reserve(connection, held, attempt, LoginMethod.TOTP, clock.now())


def test_lease_when_free_then_it_is_taken_and_a_second_taker_is_refused(database: Database, clock: FakeClock) -> None:
    assert _acquire(database, clock).fence == 1
    with pytest.raises(LeaseHeldError):
        _acquire(database, clock, "two")


def test_lease_when_another_account_then_it_is_its_own(database: Database, clock: FakeClock) -> None:
    _acquire(database, clock)
    with database.transaction() as connection:
        assert lease.acquire(connection, OTHER, "two", now=clock.now(), life=LIFE).fence == 1


def test_lease_when_given_back_then_the_next_holder_has_a_greater_fence(database: Database, clock: FakeClock) -> None:
    held = _acquire(database, clock)
    with database.transaction() as connection:
        lease.release(connection, held, now=clock.now())
    assert _acquire(database, clock, "two").fence == 2


def test_lease_when_renewed_then_it_lasts_longer(database: Database, clock: FakeClock) -> None:
    held = _acquire(database, clock)
    clock.advance(59)
    with database.transaction() as connection:
        lease.renew(connection, held, now=clock.now(), life=LIFE)
    clock.advance(59)
    with pytest.raises(LeaseHeldError):
        _acquire(database, clock, "two")


def test_holder_when_its_lease_was_taken_over_then_everything_it_does_is_refused(
    database: Database, clock: FakeClock
) -> None:
    stale = _acquire(database, clock)
    clock.advance(60)
    fresh = _acquire(database, clock, "two")
    signed_out = new_session(clock.now())
    with pytest.raises(FencedOffError):
        _reserve(database, clock, stale, "late")
    for act in (
        lambda connection: store.save(connection, stale, signed_out),
        lambda connection: lease.renew(connection, stale, now=clock.now(), life=LIFE),
        lambda connection: lease.release(connection, stale, now=clock.now()),
    ):
        with pytest.raises(FencedOffError), database.transaction() as connection:
            act(connection)
    _reserve(database, clock, fresh, "mine")
    with database.reading() as connection:
        assert list(connection.execute(select(LOGIN_ATTEMPTS.c.attempt_id)).scalars()) == ["mine"]


def test_lease_when_it_ran_out_and_nobody_took_over_then_its_holder_may_finish(
    database: Database, clock: FakeClock
) -> None:
    held = _acquire(database, clock)
    clock.advance(3_600)
    _reserve(database, clock, held, "late but alone")


def test_lease_when_fifty_take_it_at_once_then_one_gets_it(database: Database, clock: FakeClock) -> None:
    got: list[str] = []
    barrier = threading.Barrier(50)

    def take(number: int) -> None:
        barrier.wait()
        try:
            _acquire(database, clock, f"caller {number}")
            got.append("lease")
        except (LeaseHeldError, DatabaseBusyError) as error:
            got.append(type(error).__name__)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got.count("lease") == 1
    assert len(got) == 50


def test_attempts_when_three_are_reserved_then_the_fourth_is_refused_with_the_time_to_wait(
    database: Database, clock: FakeClock
) -> None:
    held = _acquire(database, clock)
    for number in range(3):
        _reserve(database, clock, held, f"attempt {number}")
        clock.advance(60)
    with pytest.raises(AttemptBudgetExhaustedError) as refused:
        _reserve(database, clock, held, "attempt 3")
    assert refused.value.wait_seconds == 27 * 60
    assert refused.value.headers == {"Retry-After": "1620"}


def test_attempts_when_the_service_restarts_then_they_still_count(
    database: Database, clock: FakeClock, tmp_path: Path
) -> None:
    held = _acquire(database, clock)
    for number in range(3):
        _reserve(database, clock, held, f"attempt {number}")
    restarted = open_database(tmp_path / "auth.db")
    with pytest.raises(AttemptBudgetExhaustedError):
        _reserve(restarted, clock, held, "attempt 3")
    restarted.close()


def test_attempt_when_it_failed_then_it_is_not_given_back(database: Database, clock: FakeClock) -> None:
    held = _acquire(database, clock)
    for number in range(3):
        _reserve(database, clock, held, f"attempt {number}")
        with database.transaction() as connection:
            attempts.conclude(connection, f"attempt {number}", LoginFailure.BROKER_UNREACHABLE)
    with database.reading() as connection:
        assert attempts.left(connection, ACCOUNT, clock.now()).remaining == 0


def test_attempt_when_nothing_was_heard_of_it_then_it_is_listed_until_concluded(
    database: Database, clock: FakeClock
) -> None:
    held = _acquire(database, clock)
    for number in range(2):
        _reserve(database, clock, held, f"attempt {number}")
    with database.transaction() as connection:
        attempts.conclude(connection, "attempt 0", None)
        assert attempts.unfinished(connection, ACCOUNT) == ["attempt 1"]


def test_attempts_when_old_then_they_are_discarded_and_recent_ones_kept(database: Database, clock: FakeClock) -> None:
    held = _acquire(database, clock)
    _reserve(database, clock, held, "old")
    clock.advance(91 * 24 * 3_600)
    _reserve(database, clock, held, "recent")
    with database.transaction() as connection:
        assert attempts.discard_old(connection, clock.now()) == 1
        assert attempts.unfinished(connection, ACCOUNT) == ["recent"]


def test_session_when_stored_then_it_is_the_same_after_a_restart(database: Database, clock: FakeClock) -> None:
    held = _acquire(database, clock)
    now = clock.now()
    for session in (
        Session(State.ACTIVE, now, 1, 2, now + LIFE, now, now + LIFE * 2),
        Session(State.BLOCKED, now, 3, block_reason=BlockReason.CODES_REFUSED),
    ):
        with database.transaction(durable=True) as connection:
            store.save(connection, held, session)
        with database.reading() as connection:
            assert store.load(connection, ACCOUNT, now) == session


def test_session_when_never_stored_then_it_is_signed_out(database: Database, clock: FakeClock) -> None:
    with database.reading() as connection:
        assert store.load(connection, ACCOUNT, clock.now()) == new_session(clock.now())
