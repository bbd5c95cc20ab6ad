"""The registry of accounts."""

from pathlib import Path

import pytest
from sqlalchemy import inspect

from services.auth.accounts import Account, Accounts, BadAccountError, MfaMethod, NoSuchAccountError
from services.auth.tables import METADATA
from services.contracts.auth import AccountId, Broker
from services.contracts.verdict import Environment
from services.kit.database import Database
from tests.auth.support import open_database
from tests.fakes.clock import FakeClock


def an_account(name: str = "robinhood-main", **changes: object) -> Account:
    values: dict[str, object] = {
        "broker": Broker.ROBINHOOD,
        "environment": Environment.LIVE,
        "mfa": MfaMethod.TOTP,
        "base_url": "https://api.example.com",
        "data": {"username": "trader"},
        **changes,
    }
    return Account(AccountId(name), **values)  # type: ignore[arg-type] # one helper for good and bad values


def test_get_when_an_account_was_put_then_it_comes_back_as_it_was(database: Database, clock: FakeClock) -> None:
    with database.transaction() as connection:
        Accounts().put(connection, an_account(), clock.now())
    with database.reading() as connection:
        assert Accounts().get(connection, AccountId("robinhood-main")) == an_account()


def test_put_when_the_account_is_known_then_it_is_changed(database: Database, clock: FakeClock) -> None:
    changed = an_account(mfa=MfaMethod.SMS, data={"username": "other"})
    with database.transaction() as connection:
        Accounts().put(connection, an_account(), clock.now())
        Accounts().put(connection, changed, clock.now())
    with database.reading() as connection:
        assert Accounts().all(connection) == [changed]


def test_all_when_there_are_several_then_they_come_by_name(database: Database, clock: FakeClock) -> None:
    with database.transaction() as connection:
        for name in ("b", "c", "a"):
            Accounts().put(connection, an_account(name), clock.now())
    with database.reading() as connection:
        assert [account.name for account in Accounts().all(connection)] == ["a", "b", "c"]


def test_get_when_nobody_registered_it_then_it_is_refused(database: Database) -> None:
    with database.reading() as connection, pytest.raises(NoSuchAccountError):
        Accounts().get(connection, AccountId("nobody"))


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a/b", "a" * 65, "a\n", "sightline"])
def test_account_when_its_name_has_another_form_then_it_is_refused(name: str) -> None:
    with pytest.raises(BadAccountError):
        an_account(name)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "ftp://a",
        "https://",
        "https://u:p@a",
        "https://a/?q=1",
        "https://a/",
        "https://a:99999",
        "https://[",
        "https://" + "a" * 200,
    ],
)
def test_account_when_its_url_cannot_be_right_then_it_is_refused(url: str) -> None:
    with pytest.raises(BadAccountError):
        an_account(base_url=url)


def test_account_when_its_data_are_too_many_then_it_is_refused() -> None:
    with pytest.raises(BadAccountError):
        an_account(data={str(number): "" for number in range(21)})


def test_migrations_when_run_then_they_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    database = open_database(tmp_path / "auth.db")
    with database.reading() as connection:
        found = inspect(connection)
        for name, table in METADATA.tables.items():
            assert {column["name"] for column in found.get_columns(name)} == set(table.columns.keys())
    database.close()
