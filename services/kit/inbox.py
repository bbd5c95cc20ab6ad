"""Which events a consumer has handled: what makes a second delivery harmless."""

from sqlalchemy import Connection, delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from services.kit.tables import INBOX


def note(connection: Connection, *, consumer: str, event_id: str, handled_at: float) -> bool:
    """Note that the consumer handles the event in this transaction; False when it has handled it before.

    On Postgres, a second transaction that handles the same event waits here until the first has ended.

    Args:
        connection: In the transaction that holds the handler's effects.
        consumer: The consumer's name.
        event_id: The event's id.
        handled_at: Unix seconds.
    """
    insert = postgres_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = insert(INBOX).values(consumer=consumer, event_id=event_id, handled_at=handled_at)
    # The row comes back only when it was inserted; the row count of an insert is not told by every driver.
    inserted = connection.execute(statement.on_conflict_do_nothing().returning(INBOX.c.event_id))
    return inserted.first() is not None


def knows(connection: Connection, *, consumer: str, event_id: str) -> bool:
    """Whether the consumer has handled the event."""
    where = (INBOX.c.consumer == consumer) & (INBOX.c.event_id == event_id)
    return connection.execute(select(INBOX.c.event_id).where(where)).first() is not None


def prune(connection: Connection, *, before: float, at_most: int) -> int:
    """Forget events handled before a moment (Unix seconds), oldest first; returns how many."""
    key = tuple_(INBOX.c.consumer, INBOX.c.event_id)
    old = select(INBOX.c.consumer, INBOX.c.event_id).where(INBOX.c.handled_at < before)
    oldest = old.order_by(INBOX.c.handled_at).limit(at_most)
    return connection.execute(delete(INBOX).where(key.in_(oldest))).rowcount
