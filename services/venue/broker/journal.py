"""Writes changes down before anybody hears of them: many requests share one commit, and each waits for its own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from services.kit.database import Database
from services.kit.database_errors import DatabaseError
from services.kit.errors import SightlineError
from services.venue.broker import storing
from services.venue.broker.storing import Rows

_log = logging.getLogger("services.venue.broker")
Then = Callable[[], None]


@dataclass(slots=True)
class _Entry:
    rows: Rows
    then: Then
    written: "asyncio.Future[None]"


class Journal:
    """The one writer of a venue's tables.

    A commit is safe from the end of the process, not from a power cut; a paper broker needs no more. While one
    commit runs in a thread, what comes in is gathered for the next.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Entry] = []
        self._unwritten: Rows = {}
        self._last: asyncio.Future[None] | None = None
        self._something = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write as long as the block runs, and what is left at its end."""
        stopping = asyncio.Event()
        task = asyncio.create_task(self._run(stopping))
        try:
            yield
        finally:
            stopping.set()
            self._something.set()
            await task

    async def write(self, rows: Rows, then: Then) -> None:
        """Return once the rows are stored; `then` was called just before, in the order of the calls of `write`.

        Raises:
            DatabaseError: They are not stored. They are tried again with those that come next.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Entry(rows, then, written))
        self._last = written
        self._something.set()
        await written

    async def settled(self) -> None:
        """Return once everything that was handed in so far is stored. Raises `DatabaseError`."""
        if self._last is not None and not self._last.done():
            await asyncio.shield(self._last)

    async def _run(self, stopping: asyncio.Event) -> None:
        while self._waiting or not stopping.is_set():
            await self._something.wait()
            self._something.clear()
            entries, self._waiting = self._waiting, []
            if entries:
                await self._commit(entries)

    async def _commit(self, entries: Sequence[_Entry]) -> None:
        for entry in entries:
            storing.merge(self._unwritten, entry.rows)
        try:
            await asyncio.to_thread(self._store, self._unwritten)
        except (SightlineError, SQLAlchemyError) as error:
            told = error if isinstance(error, SightlineError) else DatabaseError("The database refused a row.")
            _log.error("the paper broker cannot store what happened: %s", told.detail, exc_info=error)
            for entry in entries:
                _settle(entry, told)
            return
        self._unwritten = {}
        for entry in entries:
            entry.then()
            _settle(entry, None)

    def _store(self, rows: Rows) -> None:
        with self._database.transaction() as connection:
            storing.write(connection, rows)


def _settle(entry: _Entry, error: SightlineError | None) -> None:
    if entry.written.done():  # the request that waited for it was cancelled
        return
    if error is None:
        entry.written.set_result(None)
    else:
        entry.written.set_exception(error)
