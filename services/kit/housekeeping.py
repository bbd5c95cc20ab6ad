"""Keeps the event tables small, and says how much waits in them."""

from dataclasses import dataclass

from sqlalchemy import delete, func, select

from services.kit import inbox
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.tables import OUTBOX

_DAY_SECONDS = 24 * 3600.0
# Short transactions: on SQLite each holds up every other writer.
_ROWS_AT_A_TIME = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long events are remembered once they are done with.

    Attributes:
        published_seconds: Published facts, kept to look at.
        handled_seconds: Handled event ids. Must be longer than the bus keeps a message (14 days), or a late second
            delivery would take effect again.
    """

    published_seconds: float = 7 * _DAY_SECONDS
    handled_seconds: float = 30 * _DAY_SECONDS


def pending(database: Database) -> tuple[int, float | None]:
    """How many facts wait to be published, and when the oldest was recorded (Unix seconds; None: there is none)."""
    waiting = OUTBOX.c.published_at.is_(None)
    oldest = select(OUTBOX.c.recorded_at).where(waiting).order_by(OUTBOX.c.position).limit(1)
    with database.reading() as connection:
        count = connection.execute(select(func.count()).select_from(OUTBOX).where(waiting)).scalar_one()
        return count, connection.execute(oldest).scalar()


def prune(database: Database, clock: Clock, retention: Retention) -> int:
    """Forget what is past its retention; returns how many rows went."""
    now = clock.now().timestamp()
    removed = 0
    while count := _prune_outbox(database, now - retention.published_seconds):
        removed += count
    while count := _prune_inbox(database, now - retention.handled_seconds):
        removed += count
    return removed


def _prune_outbox(database: Database, before: float) -> int:
    old = select(OUTBOX.c.position).where(OUTBOX.c.published_at < before).limit(_ROWS_AT_A_TIME)
    with database.transaction() as connection:
        return connection.execute(delete(OUTBOX).where(OUTBOX.c.position.in_(old))).rowcount


def _prune_inbox(database: Database, before: float) -> int:
    with database.transaction() as connection:
        return inbox.prune(connection, before=before, at_most=_ROWS_AT_A_TIME)
