"""Events that could not be handled, kept aside until a person decides."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, RowMapping, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.errors import ConflictError, NotFoundError
from services.kit.tables import DEAD_LETTERS
from telemetry import catalogue
from telemetry.emit.metrics import Metrics

UNREADABLE = "unreadable"
_MOST_TEXT = 64 * 1024


class NoSuchDeadLetterError(NotFoundError):
    """No event of that id lies among the consumer's dead letters."""

    code = "dead_letter_not_found"
    title = "There is no such dead letter"


class RedriveFailedError(ConflictError):
    """The event was handled again and failed again; it stays a dead letter."""

    code = "redrive_failed"
    title = "The event failed again"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event set aside.

    Attributes:
        consumer: Whose handler failed.
        event_id: The event's id, or the message's own id where the event could not be read.
        event_type: Its type, or `UNREADABLE`.
        envelope: What was received, as text.
        attempts: How often handling was tried.
        error: Class and redacted message of the last failure.
        died_at: When it was set aside, UTC.
    """

    consumer: str
    event_id: str
    event_type: str
    envelope: str
    attempts: int
    error: str
    died_at: datetime


class DeadLetters:
    """The table of dead letters, and the gauge that shows how many there are."""

    def __init__(self, database: Database, metrics: Metrics, clock: Clock) -> None:
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._consumers: set[str] = set()

    def declare(self, consumer: str) -> None:
        """Make a consumer known, so that its gauge shows 0 too."""
        self._consumers.add(consumer)
        self._metrics.declare(catalogue.DEAD_LETTERS, "consumer", (consumer,))

    def keep(  # noqa: PLR0913 -- a row's columns, all named
        self, *, consumer: str, event_id: str, event_type: str, envelope: str, attempts: int, error: str
    ) -> None:
        """Set an event aside; once more, with its last error, when it lies there already."""
        values = {
            "event_type": event_type,
            "envelope": envelope[:_MOST_TEXT] if event_type == UNREADABLE else envelope,
            "attempts": attempts,
            "error": error,
            "died_at": self._clock.now().timestamp(),
        }
        with self._database.transaction(durable=True) as connection:
            insert = postgres_insert if connection.dialect.name == "postgresql" else sqlite_insert
            statement = insert(DEAD_LETTERS).values(consumer=consumer, event_id=event_id, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=["consumer", "event_id"], set_=values))
        self.refresh()

    def get(self, consumer: str, event_id: str) -> DeadLetter:
        """One dead letter.

        Raises:
            NoSuchDeadLetterError: There is none.
        """
        where = (DEAD_LETTERS.c.consumer == consumer) & (DEAD_LETTERS.c.event_id == event_id)
        with self._database.reading() as connection:
            row = connection.execute(select(DEAD_LETTERS).where(where)).mappings().one_or_none()
        if row is None:
            raise NoSuchDeadLetterError(f"Consumer {consumer} has no dead letter {event_id}. List them to see which.")
        return _letter(row)

    def list(self, consumer: str | None = None, *, limit: int = 100) -> tuple[DeadLetter, ...]:
        """Dead letters, oldest first, of one consumer or of all."""
        query = select(DEAD_LETTERS).order_by(DEAD_LETTERS.c.died_at, DEAD_LETTERS.c.event_id).limit(limit)
        if consumer is not None:
            query = query.where(DEAD_LETTERS.c.consumer == consumer)
        with self._database.reading() as connection:
            return tuple(_letter(row) for row in connection.execute(query).mappings())

    def discard(self, consumer: str, event_id: str) -> None:
        """Throw a dead letter away for good.

        Raises:
            NoSuchDeadLetterError: There is none.
        """
        with self._database.transaction(durable=True) as connection:
            found = self.remove(connection, consumer, event_id)
        if not found:
            raise NoSuchDeadLetterError(f"Consumer {consumer} has no dead letter {event_id}. List them to see which.")
        self.refresh()

    def remove(self, connection: Connection, consumer: str, event_id: str) -> bool:
        """Take a dead letter off the table within a caller's transaction; whether there was one."""
        where = (DEAD_LETTERS.c.consumer == consumer) & (DEAD_LETTERS.c.event_id == event_id)
        return connection.execute(delete(DEAD_LETTERS).where(where)).rowcount == 1

    def failed_again(self, consumer: str, event_id: str, error: str) -> None:
        """Note another failed attempt."""
        where = (DEAD_LETTERS.c.consumer == consumer) & (DEAD_LETTERS.c.event_id == event_id)
        with self._database.transaction(durable=True) as connection:
            connection.execute(
                update(DEAD_LETTERS).where(where).values(attempts=DEAD_LETTERS.c.attempts + 1, error=error)
            )

    def refresh(self) -> None:
        """Read the gauge off the table."""
        query = select(DEAD_LETTERS.c.consumer, func.count()).group_by(DEAD_LETTERS.c.consumer)
        with self._database.reading() as connection:
            counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
        for consumer in self._consumers:
            self._metrics.gauge(catalogue.DEAD_LETTERS, consumer=consumer).set(counts.get(consumer, 0))


def _letter(row: RowMapping) -> DeadLetter:
    return DeadLetter(**{**row, "died_at": datetime.fromtimestamp(row["died_at"], UTC)})
