"""Connections to the embedded store for readers: a few, reused, unable to write, stopped when a question takes long."""

import queue
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telemetry.query.errors import BackendAwayError, QueryTimeoutError
from telemetry.sinks.embedded_schema import StoreVersionError, open_for_reading

_STEPS_BETWEEN_LOOKS = 10_000  # of SQLite's virtual machine: well under a millisecond
_KEPT = 4


class ReadPool:
    """Read-only connections, one user at a time each. Safe for many threads."""

    def __init__(self, path: Path, *, timeout_seconds: float) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._idle: queue.LifoQueue[tuple[int, sqlite3.Connection]] = queue.LifoQueue(_KEPT)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the store. Raises BackendAwayError or QueryTimeoutError for what goes wrong."""
        try:
            inode = self._path.stat().st_ino
        except OSError as error:
            raise BackendAwayError(
                f"there is no telemetry store at {self._path} ({error.strerror}): "
                "it appears with the first telemetry of a service that writes to it"
            ) from error
        try:
            connection = self._take(inode)
        except (sqlite3.Error, StoreVersionError) as error:
            raise BackendAwayError(f"the telemetry store {self._path} cannot be opened: {error}") from error
        deadline = time.monotonic() + self._timeout_seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS_BETWEEN_LOOKS)
        try:
            connection.execute("BEGIN")
            yield connection
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            connection.close()
            raise self._explained(error) from error
        except BaseException:
            connection.close()
            raise
        self._give_back(inode, connection)

    def close(self) -> None:
        """Close idle connections."""
        while True:
            try:
                _, connection = self._idle.get_nowait()
            except queue.Empty:
                return
            connection.close()

    def _take(self, inode: int) -> sqlite3.Connection:
        while True:
            try:
                opened_on, connection = self._idle.get_nowait()
            except queue.Empty:
                return open_for_reading(self._path)
            if opened_on == inode:
                return connection
            connection.close()

    def _give_back(self, inode: int, connection: sqlite3.Connection) -> None:
        try:
            self._idle.put_nowait((inode, connection))
        except queue.Full:
            connection.close()

    def _explained(self, error: sqlite3.Error) -> QueryTimeoutError | BackendAwayError:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return QueryTimeoutError(
                f"no answer within {self._timeout_seconds:g} s: ask for a smaller window or a more exact filter"
            )
        return BackendAwayError(f"the telemetry store {self._path} cannot be read: {error}")
