"""Stating facts: an event is written with the state it reports, and spoken of only once both are committed."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Span
from sqlalchemy import Connection, insert, text

from services.contracts.events import Envelope, Event
from services.contracts.ids import EventId
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.envelopes import seal, to_json
from services.kit.ids import Ids, SystemIds
from services.kit.instruments import Instruments, Statement
from services.kit.observing import Telemetry
from services.kit.prepared import Prepared
from services.kit.tables import OUTBOX
from telemetry.emit.metric_children import current_exemplar

_ADD: Final = Prepared(insert(OUTBOX))


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event on its way into the outbox, with what telemetry will say of it, within the span that stated it."""

    envelope: Envelope
    written: str
    statement: Statement
    span: Span


class Transaction:
    """State and the facts about it, committed together or not at all.

    Attributes:
        connection: For the service's own statements.
        recorded: What was stated so far.
    """

    def __init__(self, connection: Connection, prepare: Callable[[Event], Recorded]) -> None:
        self.connection = connection
        self._prepare = prepare
        self.recorded: list[Recorded] = []
        self._written = 0

    def record(self, event: Event) -> EventId:
        """State a fact about this transaction's changes.

        Raises:
            InstrumentError: The event's type is not in the service's table of instruments.
            EnvelopeTooLargeError: The event is too large to travel.
        """
        recorded = self._prepare(event)
        self.recorded.append(recorded)
        return recorded.envelope.event_id

    def write_outbox(self) -> None:
        """Write what was recorded since the last call; the transaction does so as the last thing before its commit."""
        unwritten = self.recorded[self._written :]
        self._written = len(self.recorded)
        if unwritten:
            _hold_subjects(self.connection, {recorded.envelope.subject for recorded in unwritten})
            _ADD.run_each(self.connection, [_row(recorded) for recorded in unwritten])


class Facts:
    """Opens transactions in which facts can be recorded.

    Args:
        database: Holds the service's state and its outbox.
        instruments: What to log and measure for each event.
        telemetry: Where metrics go; log lines and span events go by the logger and the open span.
        clock: Stamps events.
        source: The service's name, as envelopes carry it.
        ids: Makes event ids; by default from `clock`.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self,
        database: Database,
        instruments: Instruments,
        telemetry: Telemetry,
        clock: Clock,
        source: str,
        *,
        ids: Ids | None = None,
    ) -> None:
        self._database = database
        self._instruments = instruments
        self._metrics = telemetry.metrics
        self._clock = clock
        self._source = source
        self._ids = ids or SystemIds(clock)
        self._listeners: list[Callable[[], None]] = []
        instruments.declare(telemetry.metrics)

    def after_commit(self, listener: Callable[[], None]) -> None:
        """Have `listener` called, in the committing thread, after each commit that recorded a fact."""
        self._listeners.append(listener)

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[Transaction]:
        """A transaction that commits at the end of the block and rolls back, facts included, when the block raises.

        Args:
            durable: As for `Database.transaction`.

        Raises:
            DatabaseError: As for `Database.transaction`.
        """
        with self._database.transaction(durable=durable) as connection:
            transaction = Transaction(connection, self._prepare)
            yield transaction
            transaction.write_outbox()
        for recorded in transaction.recorded:
            with _within(recorded.span):
                self._speak_of(recorded)
        if transaction.recorded:
            for listener in self._listeners:
                listener()

    def sync(self) -> None:
        """As `Database.sync`."""
        self._database.sync()

    def _prepare(self, event: Event) -> Recorded:
        # Whatever can fail fails here: after the commit nothing may be left to fail.
        statement = self._instruments.statement(event)
        envelope = seal(event, event_id=self._ids.event_id(), occurred_at=self._clock.now(), source=self._source)
        return Recorded(envelope, to_json(envelope), statement, trace.get_current_span())

    def _speak_of(self, recorded: Recorded) -> None:
        envelope, statement = recorded.envelope, recorded.statement
        exemplar = current_exemplar()
        for observation in statement.observations:
            observation.apply(self._metrics, exemplar)
        identity = {"event_type": envelope.event_type, "event_id": str(envelope.event_id)}
        room = envelope.event_type.partition(".")[0]
        logging.getLogger(f"facts.{room}").log(
            statement.level, "%s", statement.message, extra={"fields": {**identity, **statement.fields}}
        )
        trace.get_current_span().add_event(
            envelope.event_type,
            {"sightline.event.type": envelope.event_type, "sightline.event.id": str(envelope.event_id)},
        )


def _within(span: Span) -> AbstractContextManager[object]:
    """Whatever was current when a fact was stated, unless that has ended by now."""
    if not span.is_recording() or span is trace.get_current_span():
        return nullcontext()
    return trace.use_span(span, record_exception=False, set_status_on_exception=False)


def _row(recorded: Recorded) -> dict[str, object]:
    envelope = recorded.envelope
    return {
        "event_id": envelope.event_id,
        "event_type": envelope.event_type,
        "subject": envelope.subject,
        "recorded_at": envelope.occurred_at.timestamp(),
        "envelope": recorded.written,
    }


def _hold_subjects(connection: Connection, subjects: set[str]) -> None:
    """Let transactions about one subject commit in the order of their outbox positions.

    Postgres gives a position when a row is inserted, and another transaction may commit in between: the dispatcher
    would then publish the later fact first. A lock on each subject from here to the commit closes the gap; SQLite
    has one writer and needs none. Sorted, so that two transactions never wait for each other.
    """
    if connection.dialect.name == "postgresql":
        statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:subject, 1))")
        for subject in sorted(subjects):
            connection.execute(statement, {"subject": subject})
