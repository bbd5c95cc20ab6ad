"""Which committed facts a dispatcher may publish next, so that no subject's facts are published out of order."""

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, Select, func, select, update

from services.kit.database import Database
from services.kit.tables import OUTBOX


@dataclass(frozen=True, slots=True)
class Waiting:
    """A fact in the outbox. `recorded_at` is in Unix seconds."""

    position: int
    event_type: str
    subject: str
    recorded_at: float
    envelope: str


class Claim(Protocol):
    """Facts that this dispatcher may publish now, oldest first."""

    rows: Sequence[Waiting]
    full: bool
    """Whether more may be waiting than were claimed."""

    def finish(self, confirmed: Collection[int], published_at: float) -> None:
        """Mark the confirmed positions as published (Unix seconds) and give the others back."""


def claim(database: Database, *, at_most: int, without: Collection[str]) -> Claim:
    """Claim the oldest unpublished facts, leaving out those about the subjects in `without`."""
    if database.dialect == "postgresql":
        return _PostgresClaim(database, _oldest(at_most, without), at_most)
    return _SqliteClaim(database, _oldest(at_most, without), at_most)


class _SqliteClaim:
    """Reads without a lock: a lock would stop every writer while the bus is waited for.

    Two dispatchers of one file would both publish the same facts in the same order; the bus drops the second.
    """

    def __init__(self, database: Database, query: Select[tuple[object, ...]], at_most: int) -> None:
        self._database = database
        with database.reading() as connection:
            self.rows: Sequence[Waiting] = _rows(connection, query)
        self.full = len(self.rows) == at_most

    def finish(self, confirmed: Collection[int], published_at: float) -> None:
        if confirmed:
            with self._database.transaction() as connection:
                _mark(connection, confirmed, published_at)


class _PostgresClaim:
    """Holds row locks until it is finished; other dispatchers skip these rows.

    Skipping alone would let another dispatcher take a later fact about a subject whose earlier one is held here. So
    a row counts only when no earlier unpublished row of its subject exists outside the claim.
    """

    def __init__(self, database: Database, query: Select[tuple[object, ...]], at_most: int) -> None:
        with ExitStack() as stack:
            self._connection = stack.enter_context(database.transaction())
            found = _rows(self._connection, query.with_for_update(skip_locked=True))
            self.rows: Sequence[Waiting] = _next_in_line(self._connection, found)
            self.full = len(found) == at_most
            self._held = stack.pop_all()

    def finish(self, confirmed: Collection[int], published_at: float) -> None:
        with self._held:
            if confirmed:
                _mark(self._connection, confirmed, published_at)


def _oldest(at_most: int, without: Collection[str]) -> Select[tuple[object, ...]]:
    columns = (OUTBOX.c.position, OUTBOX.c.event_type, OUTBOX.c.subject, OUTBOX.c.recorded_at, OUTBOX.c.envelope)
    query = select(*columns).where(OUTBOX.c.published_at.is_(None))
    if without:
        query = query.where(OUTBOX.c.subject.not_in(without))
    # Never "after the last position seen": a position that was given earlier may be committed later.
    return query.order_by(OUTBOX.c.position).limit(at_most)


def _rows(connection: Connection, query: Select[tuple[object, ...]]) -> list[Waiting]:
    return [Waiting(**row) for row in connection.execute(query).mappings()]


def _next_in_line(connection: Connection, found: Sequence[Waiting]) -> list[Waiting]:
    if not found:
        return []
    query = (
        select(OUTBOX.c.subject, func.min(OUTBOX.c.position))
        .where(OUTBOX.c.published_at.is_(None))
        .where(OUTBOX.c.subject.in_({row.subject for row in found}))
        .where(OUTBOX.c.position.not_in([row.position for row in found]))
        .group_by(OUTBOX.c.subject)
    )
    held_elsewhere = {row[0]: row[1] for row in connection.execute(query)}
    return [row for row in found if row.position < held_elsewhere.get(row.subject, row.position + 1)]


def _mark(connection: Connection, confirmed: Collection[int], published_at: float) -> None:
    where = OUTBOX.c.position.in_(confirmed)
    connection.execute(update(OUTBOX).where(where).values(published_at=published_at))
