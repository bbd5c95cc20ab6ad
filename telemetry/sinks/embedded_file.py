"""A connection to the embedded store that heals itself: after a fork, and when the file is replaced."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry.records import Outcome
from telemetry.sinks.embedded_schema import StoreVersionError, open_for_writing

_REFUSED = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


class StoreFile:
    """One writer's connection, opened when it is first needed. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._opened_by = 0
        self._inode = 0
        self._inherited: list[sqlite3.Connection] = []

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock, commit at the end, roll back on any error. Raises what SQLite and the OS raise."""
        connection = self.connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def connection(self) -> sqlite3.Connection:
        """The open connection, opened anew where the old one is of no use any more."""
        if self._connection is not None:
            if self._opened_by != os.getpid():
                # Closing a connection that was opened before a fork could unlink the parent's log; it is only kept.
                self._inherited.append(self._connection)
                self._connection = None
            elif self._inode != self._inode_now():
                self.close()
        if self._connection is None:
            self._connection = open_for_writing(self._path)
            self._opened_by = os.getpid()
            self._inode = self._inode_now()
        return self._connection

    def is_fresh(self, connection: sqlite3.Connection | None) -> bool:
        """Whether the connection differs from the one given: what was remembered of that file is void."""
        return self.connection() is not connection

    def close(self) -> None:
        """Close; the next use opens again."""
        if self._connection is not None and self._opened_by == os.getpid():
            self._connection.close()
        self._connection = None

    def _inode_now(self) -> int:
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return 0


def outcome_of(error: Exception) -> Outcome:
    """What an error means for the batch: try again for whatever may pass, reject what no attempt can store."""
    if isinstance(error, sqlite3.Error):
        too_big = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_TOOBIG
        return Outcome.REJECTED if too_big or isinstance(error, _REFUSED) else Outcome.RETRY
    if isinstance(error, OSError | StoreVersionError):
        return Outcome.RETRY
    return Outcome.REJECTED
