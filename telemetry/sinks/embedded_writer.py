"""What every sink of the embedded store shares: a transaction for a batch, an outcome for every error, upkeep."""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from telemetry.records import Outcome
from telemetry.sinks.clock import Clock
from telemetry.sinks.embedded_file import StoreFile, outcome_of
from telemetry.sinks.embedded_retention import Upkeep

T = TypeVar("T")


class Writer:
    """One sink's way to the file: a transaction per batch, then upkeep when it is due."""

    def __init__(self, file: StoreFile, upkeep: Upkeep, clock: Clock) -> None:
        self._file = file
        self._upkeep = upkeep
        self._clock = clock
        self._known_connection: sqlite3.Connection | None = None

    def write(
        self,
        prepare: Callable[[], T],
        store: Callable[[sqlite3.Connection, T], None],
        forget: Callable[[], object],
    ) -> Outcome:
        """Run `store` in a transaction on what `prepare` made before it: all others wait while the lock is held.

        `forget` drops what was remembered of a file that is no longer the same.
        """
        try:
            prepared = prepare()
            if self._file.is_fresh(self._known_connection):
                forget()
                self._known_connection = self._file.connection()
            with self._file.transaction() as connection:
                store(connection, prepared)
        except Exception as error:  # noqa: BLE001 -- the outcome says it; a sink never raises
            forget()
            return self._after(error)
        try:
            self._upkeep.run_if_due(self._file, self._clock.time_ns())
        except (sqlite3.Error, OSError):
            # The batch is stored; upkeep comes by again in a minute and a full disk shows in the next batch.
            self._file.close()
        return Outcome.DELIVERED

    def close(self) -> None:
        """Close the file; the next batch opens it again."""
        self._file.close()

    def _after(self, error: Exception) -> Outcome:
        outcome = outcome_of(error)
        locked = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
        if outcome is Outcome.RETRY and not locked:
            self._file.close()
        return outcome
