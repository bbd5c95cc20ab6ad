"""Statements that run for every order or fact: their text is made once, and drivers run it without further ado.

SQLAlchemy Core takes several times as long to run a statement as SQLite itself. What is kept of it: it writes the text,
converts the values of types that need it, and errors come as it raises them.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Delete, Dialect, Insert, Select, Update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

_Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Made:
    """The statement for one kind of database and one set of parameters.

    Attributes:
        fixed: Parameters that the statement brings along.
        given, found: How to convert parameters and columns that need it.
    """

    text: str
    fixed: Mapping[str, Any]
    given: Mapping[str, _Convert]
    columns: tuple[str, ...]
    found: Mapping[str, _Convert]

    def bound(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as the driver takes them."""
        bound = {**self.fixed, **given}
        for name, convert in self.given.items():
            bound[name] = convert(bound[name])
        return bound


class Prepared:
    """A statement whose parameters are given by name: `bindparam`s, and columns of an insert or update.

    Args:
        statement: As SQLAlchemy builds it. Lists that grow with their values cannot be parameters.
    """

    def __init__(self, statement: Select[Any] | Insert | Update | Delete) -> None:
        self._statement = statement
        self._made: dict[tuple[str, ...], _Made] = {}

    def rows(self, connection: Connection, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run it; the rows that it finds or returns, by column."""
        made = self._for(connection, given)
        rows = [
            dict(zip(made.columns, row, strict=True))
            for row in run_text(connection, made.text, made.bound(given)).fetchall()
        ]
        for name, convert in made.found.items():
            for row in rows:
                row[name] = convert(row[name])
        return rows

    def run(self, connection: Connection, given: Mapping[str, Any]) -> int:
        """Run it; how many rows it changed."""
        made = self._for(connection, given)
        changed: int = run_text(connection, made.text, made.bound(given)).rowcount
        return changed

    def run_each(self, connection: Connection, given: Sequence[Mapping[str, Any]]) -> None:
        """Run it once for each set of parameters."""
        for each in given:
            self.run(connection, each)

    def _for(self, connection: Connection, given: Mapping[str, Any]) -> _Made:
        key = (connection.dialect.name, *given)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = _make(self._statement, connection.dialect, tuple(given))
        return made


def _make(statement: Select[Any] | Insert | Update | Delete, dialect: Dialect, names: Sequence[str]) -> _Made:
    writer = sqlite.dialect(paramstyle="named") if dialect.name == "sqlite" else dialect
    compiled = statement.compile(dialect=writer, column_keys=list(names))
    if not isinstance(compiled, SQLCompiler):
        raise TypeError("only statements that read or write rows can be prepared")
    columns = {str(name): column for name, column in statement.exported_columns.items()}
    given = {name: compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in compiled.params}
    found = {
        name: column.type.dialect_impl(dialect).result_processor(dialect, None) for name, column in columns.items()
    }
    return _Made(
        text=str(compiled),
        fixed={name: value for name, value in compiled.params.items() if name not in names},
        given={name: convert for name, convert in given.items() if convert is not None},
        columns=tuple(columns),
        found={name: convert for name, convert in found.items() if convert is not None},
    )


def run_text(connection: Connection, text: str, given: dict[str, Any]) -> Any:  # noqa: ANN401 -- a cursor of either kind
    """Run a statement in the driver's own words; errors come as SQLAlchemy raises them."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        return connection.exec_driver_sql(text, given)
    try:
        return driver.execute(text, given)
    except sqlite3.Error as error:
        raised = DBAPIError.instance(
            text, given, error, sqlite3.Error, hide_parameters=True, dialect=connection.dialect
        )
        raise raised from error
