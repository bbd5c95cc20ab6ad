"""The database locked or full: a clear refusal each time, and no secret or code that is not accounted for."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from services.auth.errors import AuthError
from services.auth.secret import Secret
from services.auth.sessions import attempts, lease
from services.auth.totp import ledger
from services.auth.totp.clock_offset import ClockWatch
from services.auth.totp.issuer import CodeIssuer, StoppableWaiter
from services.auth.totp.seeds import TotpSeed
from services.contracts.auth import CredentialKind, LoginMethod
from services.kit.database import Database
from services.kit.database_errors import DatabaseBusyError, DatabaseError, DatabaseFullError
from tests.auth.support import ACCOUNT, OPERATOR, SEED, VERSIONS, House, open_database, passphrase
from tests.fakes.clock import FakeClock


class Hardship:
    """A house on a database that gives up soon, filled before hard times come."""

    def __init__(self, path: Path) -> None:
        open_database(path).close()
        self.path = path
        self.clock = FakeClock()
        url = f"sqlite:///{path}"
        self.database = Database(url, service="auth", versions=(VERSIONS,), busy_timeout_seconds=0.05)
        self.house = House(self.database, self.clock)
        vault = self.house.vault
        vault.initialise(passphrase(), actor=OPERATOR)
        vault.put(ACCOUNT, CredentialKind.PASSWORD, Secret("hunter2"), actor=OPERATOR)
        vault.put(ACCOUNT, CredentialKind.TOTP_SEED, TotpSeed.from_text(SEED).to_vault(), actor=OPERATOR)
        with self.database.transaction() as connection:
            self.held = lease.acquire(connection, ACCOUNT, "one", now=self.clock.now(), life=timedelta(seconds=60))

    def open(self) -> object:
        return self.house.vault.open(ACCOUNT, CredentialKind.PASSWORD, actor="flow", purpose="login")

    def put(self) -> object:
        return self.house.vault.put(ACCOUNT, CredentialKind.PASSWORD, Secret("x" * 50_000), actor=OPERATOR)

    def code(self) -> object:
        waiter = StoppableWaiter(Event())
        issuer = CodeIssuer(self.house.vault, self.house.facts, self.clock, waiter=waiter, correction=ClockWatch())
        return issuer.issue(ACCOUNT, actor="flow", purpose="login")

    def reserve(self) -> None:
        with self.database.transaction(durable=True) as connection:
            now = self.clock.now()
            attempts.reserve(connection, self.held, f"attempt at {now}", LoginMethod.TOTP, now)


@pytest.fixture
def hardship(tmp_path: Path) -> Iterator[Hardship]:
    made = Hardship(tmp_path / "auth.db")
    yield made
    made.database.close()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


ACTS: list[Callable[[Hardship], object]] = [Hardship.open, Hardship.put, Hardship.code, Hardship.reserve]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_anything_when_the_database_is_locked_then_it_is_refused_and_works_afterwards(
    hardship: Hardship, act: Callable[[Hardship], object]
) -> None:
    with _locked(hardship.path), pytest.raises(DatabaseBusyError) as refused:
        act(hardship)
    assert refused.value.status_code == 503
    act(hardship)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_anything_when_the_disk_is_full_then_it_is_refused(
    hardship: Hardship, act: Callable[[Hardship], object]
) -> None:
    with hardship.database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE ballast (bytes BLOB)")
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DatabaseFullError) as refused:  # noqa: PT012 -- the free bytes of the last pages go first
        for _ in range(5_000):
            act(hardship)
            hardship.clock.advance(24 * 3_600)
    assert refused.value.status_code == 503
    assert "hunter2" not in str(refused.value)


def test_code_when_the_commit_fails_then_none_is_given_out_and_its_step_is_still_free(hardship: Hardship) -> None:
    with _locked(hardship.path), pytest.raises(DatabaseError):
        hardship.code()
    with hardship.database.reading() as connection:
        assert ledger.last_step(connection, ACCOUNT, period_seconds=30) is None


def test_vault_when_its_tables_are_gone_then_no_error_tells_a_secret(hardship: Hardship) -> None:
    with hardship.database.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE audit")
    with pytest.raises(Exception, match="audit") as failed:
        hardship.open()
    assert not isinstance(failed.value, AuthError)
    shown = f"{failed.value!r} {failed.value} {failed.value.__cause__!r} {failed.value.__context__!r}"
    assert "hunter2" not in shown
