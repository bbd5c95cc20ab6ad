"""Migrations: they build what `tables` describes, once, whoever starts first, and never on a newer database."""

import logging
import multiprocessing
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from services.kit.database import Database
from services.kit.database_errors import DatabaseNewerError
from services.kit.tables import METADATA

_OWN = '''"""A service's own table."""

import sqlalchemy as sa
from alembic import op

revision = "shelf_0001"
down_revision = None
branch_labels = ("shelf",)
depends_on = "kit_0001"


def upgrade() -> None:
    op.create_table("shelves", sa.Column("name", sa.String(20), primary_key=True))
'''
_LATER = (
    _OWN.replace('"shelf_0001"', '"kit_0002"')
    .replace("down_revision = None", 'down_revision = "kit_0001"')
    .replace('branch_labels = ("shelf",)', "branch_labels = None")
    .replace('depends_on = "kit_0001"', "depends_on = None")
    .replace("shelves", "later")
)
_BROKEN = _OWN.replace(
    "def upgrade() -> None:\n", 'def upgrade() -> None:\n    op.create_table("half", sa.Column("name", sa.Text))\n'
).replace('op.create_table("shelves"', 'raise RuntimeError("torn"); op.create_table("shelves"')


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    directory = tmp_path / "100% own versions"
    directory.mkdir()
    (directory / "shelf_0001_shelves.py").write_text(_OWN)
    return directory


@pytest.fixture(
    params=[
        pytest.param("sqlite"),
        pytest.param("postgresql", marks=[pytest.mark.needs("initdb", "postgres")]),
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shelf.db"
    postgres: str = request.getfixturevalue("postgres_url")
    return postgres


@pytest.fixture
def service(tmp_path: Path) -> str:
    return f"shelf_{abs(hash(str(tmp_path))):x}"


@pytest.fixture
def own(url: str, service: str, versions: Path) -> Iterator[Database]:
    database = Database(url, service=service, versions=[versions])
    yield database
    database.close()


def _tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names())


def _migrate(url: str, service: str, versions: Path, barrier: Barrier) -> None:
    database = Database(url, service=service, versions=[versions])
    barrier.wait(timeout=60)
    database.migrate()
    database.close()


def test_migrate_when_new_then_tables_are_those_described(url: str, service: str) -> None:
    database = Database(url, service=service)
    database.migrate()
    with database.reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA)
    database.close()
    assert differences == []


def test_migrate_when_service_has_its_own_then_both_are_built(own: Database) -> None:
    own.migrate()
    with own.reading() as connection:
        assert {"outbox", "shelves"} <= _tables(connection)


def test_migrate_when_repeated_then_nothing_changes(own: Database) -> None:
    own.migrate()
    with own.transaction() as connection:
        connection.execute(text("INSERT INTO shelves VALUES ('kept')"))
    own.migrate()
    with own.reading() as connection:
        assert connection.execute(text("SELECT name FROM shelves")).scalars().all() == ["kept"]


def test_migrate_when_the_kit_moves_on_later_then_it_is_followed(
    own: Database, url: str, service: str, versions: Path
) -> None:
    own.migrate()
    (versions / "kit_0002_later.py").write_text(_LATER)
    later = Database(url, service=service, versions=[versions])
    later.migrate()
    later.migrate()
    with later.reading() as connection:
        assert {"outbox", "shelves", "later"} <= _tables(connection)
    later.close()


def test_migrate_when_something_changes_then_said_once(own: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    own.migrate()
    own.migrate()
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.endswith("from nothing to shelf_0001")  # which depends on kit_0001


def test_migrate_when_several_processes_start_at_once_then_all_succeed(url: str, service: str, versions: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(4)
    processes = [spawn.Process(target=_migrate, args=(url, service, versions, barrier)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]


def test_migrate_when_database_is_newer_then_refused_with_words(own: Database) -> None:
    own.migrate()
    with own.transaction() as connection:
        connection.execute(text("INSERT INTO alembic_version VALUES ('kit_9999')"))
    with pytest.raises(DatabaseNewerError, match=r"kit_9999.*newer version") as caught:
        own.migrate()
    assert "sightline@" not in str(caught.value)


def test_migrate_when_a_step_fails_then_nothing_of_it_stays(url: str, service: str, versions: Path) -> None:
    (versions / "shelf_0001_shelves.py").write_text(_BROKEN)
    database = Database(url, service=service, versions=[versions])
    with pytest.raises(RuntimeError, match="torn"):
        database.migrate()
    with database.reading() as connection:
        assert _tables(connection) == set()
    database.close()


@pytest.mark.needs("initdb", "postgres")
def test_migrate_when_two_services_share_postgres_then_each_has_its_schema(postgres_url: str, service: str) -> None:
    databases = [Database(postgres_url, service=f"{service}_{name}") for name in ("one", "two")]
    for database in databases:
        database.migrate()
    with databases[0].transaction() as connection:
        connection.execute(text("INSERT INTO inbox VALUES ('c', 'e', 0)"))
    with databases[1].reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM inbox")).scalar() == 0
    for database in databases:
        database.close()
