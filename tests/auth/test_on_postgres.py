"""What depends on the database's locks, on a real Postgres too: there, unlike on SQLite, writers run side by side."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from services.auth.errors import AttemptBudgetExhaustedError, LeaseHeldError, VaultInitialisedError
from services.auth.secret import Secret
from services.auth.sessions import attempts, lease
from services.auth.totp import ledger
from services.auth.vault.rotation import WrappingKeyRotation
from services.contracts.auth import AccountId, CredentialKind, LoginMethod
from services.kit.database import Database
from tests.auth.support import ACCOUNT, OPERATOR, VERSIONS, House, integrity_problems, passphrase
from tests.fakes.clock import FakeClock

pytestmark = [pytest.mark.needs("initdb", "postgres")]

CALLERS = 16
LIFE = timedelta(seconds=60)


@pytest.fixture
def postgres(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    # A schema for each test: the server is shared.
    name = f"auth_{abs(hash(request.node.name))}"
    database = Database(postgres_url, service=name, versions=(VERSIONS,), connections=CALLERS)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def postgres_house(postgres: Database, clock: FakeClock) -> House:
    house = House(postgres, clock)
    house.vault.initialise(passphrase(), actor=OPERATOR)
    return house


def _at_once(act: Callable[[int], str]) -> list[str]:
    """What each of the callers got, all let go at the same moment; an error by its name."""
    got: list[str] = []
    barrier = threading.Barrier(CALLERS)

    def call(number: int) -> None:
        barrier.wait()
        try:
            got.append(act(number))
        except Exception as error:  # noqa: BLE001 -- whatever happens must show in the test's result
            got.append(type(error).__name__)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(got)


def test_step_when_claimed_by_many_at_once_then_one_gets_it(postgres: Database, clock: FakeClock) -> None:
    def claim(_: int) -> str:
        with postgres.transaction(durable=True) as connection:
            claimed = ledger.claim(connection, ACCOUNT, period_seconds=30, step=7, now=clock.now())
        return "claimed" if claimed else "spent"

    assert _at_once(claim) == ["claimed"] + ["spent"] * (CALLERS - 1)


def test_lease_when_taken_by_many_at_once_then_one_gets_it(postgres: Database, clock: FakeClock) -> None:
    def take(number: int) -> str:
        with postgres.transaction(durable=True) as connection:
            lease.acquire(connection, ACCOUNT, f"caller {number}", now=clock.now(), life=LIFE)
        return "a lease"

    assert _at_once(take) == [LeaseHeldError.__name__] * (CALLERS - 1) + ["a lease"]


def test_attempts_when_reserved_by_many_at_once_then_only_three_are_given(postgres: Database, clock: FakeClock) -> None:
    with postgres.transaction() as connection:
        held = lease.acquire(connection, ACCOUNT, "one", now=clock.now(), life=LIFE)

    def reserve(number: int) -> str:
        with postgres.transaction(durable=True) as connection:
            attempts.reserve(connection, held, f"attempt {number}", LoginMethod.TOTP, clock.now())
        return "an attempt"

    assert _at_once(reserve) == [AttemptBudgetExhaustedError.__name__] * (CALLERS - 3) + ["an attempt"] * 3


def test_vault_when_many_write_and_open_at_once_then_the_audit_trail_is_whole(postgres_house: House) -> None:
    vault = postgres_house.vault

    def use(number: int) -> str:
        account = AccountId(f"account-{number}")
        for turn in range(5):
            vault.put(account, CredentialKind.PASSWORD, Secret(f"{number} {turn}"), actor=OPERATOR)
            opened = vault.open(account, CredentialKind.PASSWORD, actor=OPERATOR, purpose="test")
            assert opened == Secret(f"{number} {turn}")
        return "done"

    assert _at_once(use) == ["done"] * CALLERS
    report = vault.verify_audit([vault.audit_head()])
    assert (report.problem, report.head.sequence) == ("", 1 + CALLERS * 10)


def test_secret_when_written_by_many_at_once_then_each_write_is_a_generation(postgres_house: House) -> None:
    vault = postgres_house.vault

    def write(number: int) -> str:
        return str(vault.put(ACCOUNT, CredentialKind.PASSWORD, Secret(str(number)), actor=OPERATOR))

    assert sorted(map(int, _at_once(write))) == list(range(1, CALLERS + 1))
    with postgres_house.database.reading() as connection:
        assert integrity_problems(connection, vault) == []


def test_vault_when_initialised_by_many_at_once_then_one_key_is_made(postgres: Database, clock: FakeClock) -> None:
    house = House(postgres, clock)

    def initialise(_: int) -> str:
        house.another_vault().initialise(passphrase(), actor=OPERATOR)
        return "initialised"

    assert _at_once(initialise) == [VaultInitialisedError.__name__] * (CALLERS - 1) + ["initialised"]
    house.vault.unseal([passphrase()], actor=OPERATOR)


def test_rotation_when_secrets_are_written_meanwhile_then_everything_opens_with_the_new_key(
    postgres_house: House,
) -> None:
    vault = postgres_house.vault
    new = passphrase(Secret("a wholly new passphrase"))

    def use(number: int) -> str:
        if number == 0:
            WrappingKeyRotation(vault, postgres_house.facts, postgres_house.clock).rotate(new, actor=OPERATOR)
            return "done"
        for turn in range(10):
            vault.put(AccountId(f"account-{number}"), CredentialKind.PASSWORD, Secret(str(turn)), actor=OPERATOR)
        return "done"

    assert _at_once(use) == ["done"] * CALLERS
    WrappingKeyRotation(vault, postgres_house.facts, postgres_house.clock).resume(actor=OPERATOR)
    restarted = postgres_house.another_vault()
    restarted.unseal([new], actor=OPERATOR)
    for number in range(1, CALLERS):
        opened = restarted.open(AccountId(f"account-{number}"), CredentialKind.PASSWORD, actor=OPERATOR, purpose="test")
        assert opened == Secret("9")
