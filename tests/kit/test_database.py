"""The database on SQLite: modes, durability, and errors that say what to do."""

import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError

from services.kit.database import Database
from services.kit.database_errors import (
    DatabaseBusyError,
    DatabaseError,
    DatabaseFullError,
    DatabaseReadOnlyError,
    DatabaseUnreachableError,
    DatabaseUrlError,
)


@pytest.fixture
def notes(database: Database) -> Database:
    with database.transaction() as connection:
        connection.execute(text("CREATE TABLE notes (name TEXT PRIMARY KEY)"))
    return database


def _names(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.execute(text("SELECT name FROM notes ORDER BY name")).scalars())


def _add(connection: Connection, name: str) -> None:
    connection.execute(text("INSERT INTO notes VALUES (:name)"), {"name": name})


def _pragma(connection: Connection, name: str) -> object:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def _modes(directory: Path) -> Iterator[int]:
    return (stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir())


def test_commit_when_block_ends_then_others_see_it(notes: Database) -> None:
    with notes.transaction() as connection:
        _add(connection, "kept")
    assert _names(notes) == ["kept"]


def test_rollback_when_block_raises_then_nothing_is_kept(notes: Database) -> None:
    def fail() -> None:
        with notes.transaction() as connection:
            _add(connection, "lost")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert _names(notes) == []


def test_create_when_new_then_files_are_private(notes: Database, tmp_path: Path) -> None:
    with notes.transaction() as connection:
        _add(connection, "open, so that the write-ahead log exists")
        modes = set(_modes(tmp_path / "db"))
    assert (modes, stat.S_IMODE((tmp_path / "db").stat().st_mode)) == ({0o600}, 0o700)


def test_open_when_file_was_readable_by_all_then_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "wide.db"
    path.touch(mode=0o644)
    database = Database(f"sqlite:///{path}", service="ledger")
    database.ping()
    database.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_transaction_when_durability_alternates_then_synchronous_follows(
    database: Database,
    durable: bool,  # noqa: FBT001 -- a parameter of the table above
    synchronous: int,
) -> None:
    with database.transaction(durable=not durable):
        pass
    with database.transaction(durable=durable) as connection:
        assert _pragma(connection, "synchronous") == synchronous


@pytest.mark.parametrize(("name", "value"), [("journal_mode", "wal"), ("foreign_keys", 1), ("busy_timeout", 1000)])
def test_transaction_when_open_then_pragma_is_set(database: Database, name: str, value: object) -> None:
    with database.transaction() as connection:
        assert _pragma(connection, name) == value


def test_write_when_reading_then_refused(notes: Database) -> None:
    with pytest.raises(DatabaseReadOnlyError, match="cannot be written"), notes.reading() as connection:
        _add(connection, "smuggled")


def test_read_when_a_writer_is_busy_then_it_does_not_wait(notes: Database) -> None:
    with notes.transaction() as connection:
        _add(connection, "unfinished")
        assert _names(notes) == []


def test_begin_when_another_process_writes_then_busy_in_plain_words(notes: Database, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "db" / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusyError, match="locked by another writer"), notes.transaction():
        pass
    other.close()


def test_begin_when_inside_another_transaction_then_error_says_so(notes: Database) -> None:
    with notes.transaction(), pytest.raises(DatabaseBusyError, match="inside another"), notes.transaction():
        pass


def test_write_when_many_threads_then_all_are_kept(notes: Database) -> None:
    def write(number: int) -> None:
        with notes.transaction() as connection:
            _add(connection, f"{number:02}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_names(notes)) == 20


def test_write_when_no_page_is_left_then_full_in_plain_words(notes: Database) -> None:
    def fill() -> None:
        with notes.transaction() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {_pragma(connection, 'page_count')}")
            for number in range(1000):
                _add(connection, f"{number:0500}")

    with pytest.raises(DatabaseFullError, match="Free some space"):
        fill()


def test_write_when_constraint_fails_then_sqlalchemys_error_without_values(notes: Database) -> None:
    with notes.transaction() as connection:
        _add(connection, "canary")
    with pytest.raises(IntegrityError) as caught, notes.transaction() as connection:
        _add(connection, "canary")
    assert "canary" not in str(caught.value)


def test_statement_when_wrong_then_sqlalchemys_error(database: Database) -> None:
    with pytest.raises(OperationalError, match="no such table"), database.reading() as connection:
        connection.execute(text("SELECT * FROM nowhere"))


def test_ping_when_file_is_no_database_then_plain_words(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("no database at all, only some text that is long enough to be taken for a header of one")
    database = Database(f"sqlite:///{path}", service="ledger")
    with pytest.raises(DatabaseError, match="damaged or no database"):
        database.ping()
    database.close()


def test_ping_when_directory_is_a_file_then_plain_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    database = Database(f"sqlite:///{tmp_path}/file/ledger.db", service="ledger")
    with pytest.raises(DatabaseError, match="Check its directory"):
        database.ping()
    database.close()


def test_ping_when_postgres_is_away_then_no_password_in_words(free_port: Callable[[], int]) -> None:
    port = free_port()
    database = Database(f"postgresql://user:canary-pass@127.0.0.1:{port}/name", service="ledger")
    with pytest.raises(DatabaseUnreachableError, match=f"127.0.0.1:{port}/name cannot be reached") as caught:
        database.ping()
    assert "canary-pass" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "canary://", "mysql://u:canary@h/d", "sqlite://", "sqlite:///:memory:", "canary"])
def test_make_when_url_is_useless_then_words_without_the_url(url: str) -> None:
    with pytest.raises(DatabaseUrlError, match=r"Use sqlite:///") as caught:
        Database(url, service="ledger")
    assert "u:canary" not in str(caught.value)
