"""Statements that are made once behave as SQLAlchemy's own, on either database."""

from datetime import date

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from services.kit.database import Database
from services.kit.database_errors import DatabaseReadOnlyError
from services.kit.prepared import Prepared

METADATA = MetaData()
NOTES = Table(
    "notes",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("name", String(16), nullable=False, unique=True),
    Column("day", Date),
    Column("kept", Boolean, nullable=False),
)
ADD = Prepared(insert(NOTES).returning(NOTES.c.number))
ALL = Prepared(select(NOTES).order_by(NOTES.c.name))
DAY = date(2026, 3, 2)


@pytest.fixture(params=["database", pytest.param("postgres_database", marks=pytest.mark.needs("initdb", "postgres"))])
def notes(request: pytest.FixtureRequest) -> Database:
    opened: Database = request.getfixturevalue(request.param)
    with opened.transaction() as connection:
        METADATA.create_all(connection)
    return opened


def _rows(notes: Database) -> list[dict[str, object]]:
    with notes.reading() as connection:
        return ALL.rows(connection, {})


def test_rows_when_columns_have_types_then_values_come_back_as_they_were_given(notes: Database) -> None:
    with notes.transaction() as connection:
        (added,) = ADD.rows(connection, {"name": "a", "day": DAY, "kept": True})
    assert _rows(notes) == [{"number": added["number"], "name": "a", "day": DAY, "kept": True}]
    assert _rows(notes)[0]["kept"] is True


def test_rows_when_values_are_missing_then_they_are_none(notes: Database) -> None:
    with notes.transaction() as connection:
        ADD.rows(connection, {"name": "a", "day": None, "kept": False})
    assert [(row["day"], row["kept"]) for row in _rows(notes)] == [(None, False)]


def test_run_when_rows_fit_then_it_tells_how_many(notes: Database) -> None:
    change = Prepared(update(NOTES).where(NOTES.c.name == bindparam("of")))
    with notes.transaction() as connection:
        Prepared(insert(NOTES)).run_each(connection, [{"name": name, "kept": True} for name in "abc"])
        assert change.run(connection, {"of": "b", "kept": False}) == 1
        assert change.run(connection, {"of": "z", "kept": False}) == 0
    assert [row["kept"] for row in _rows(notes)] == [True, False, True]


def test_run_when_the_statement_has_values_of_its_own_then_they_count(notes: Database) -> None:
    gone = Prepared(delete(NOTES).where(NOTES.c.kept.is_(False), NOTES.c.name == "b"))
    with notes.transaction() as connection:
        Prepared(insert(NOTES)).run_each(connection, [{"name": name, "kept": False} for name in "abc"])
        assert gone.run(connection, {}) == 1
    assert [row["name"] for row in _rows(notes)] == ["a", "c"]


def test_run_when_names_differ_from_call_to_call_then_each_set_has_its_own_text(notes: Database) -> None:
    add = Prepared(insert(NOTES))
    with notes.transaction() as connection:
        add.run(connection, {"name": "a", "kept": True})
        add.run(connection, {"name": "b", "day": DAY, "kept": True})
    assert [row["day"] for row in _rows(notes)] == [None, DAY]


def test_run_when_a_rule_of_the_table_is_broken_then_the_error_is_sqlalchemys_and_shows_no_values(
    notes: Database,
) -> None:
    def add_twice() -> None:
        with notes.transaction() as connection:
            for _ in range(2):
                ADD.rows(connection, {"name": "confidential", "kept": True})

    with pytest.raises(IntegrityError) as raised:
        add_twice()
    assert "hide_parameters" in str(raised.value)
    assert _rows(notes) == []


def test_run_when_nothing_may_be_written_then_the_error_is_in_plain_words(notes: Database) -> None:
    with pytest.raises(DatabaseReadOnlyError), notes.reading() as connection:
        ADD.rows(connection, {"name": "smuggled", "kept": True})
