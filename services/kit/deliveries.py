"""What happens to one delivered message: handled once, tried again, or set aside. Knows nothing of the bus."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter

from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from pydantic import ValidationError

from services.contracts.events import Envelope
from services.kit import inbox
from services.kit.bus import Consumer, ConsumerError
from services.kit.clock import Clock
from services.kit.database_errors import DatabaseFullError, DatabaseUnreachableError
from services.kit.dead_letters import UNREADABLE, DeadLetter, DeadLetters, NoSuchDeadLetterError, RedriveFailedError
from services.kit.facts import Facts
from services.kit.observing import Telemetry
from telemetry import catalogue
from telemetry.emit.propagation import TRACEPARENT, extract
from telemetry.emit.redaction import Redactor

# A message that was delivered this much more often than it may fail has ended its process each time.
_DELIVERIES_BEYOND_FAILURES = 3
_MOST_ERROR_TEXT = 2000

_log = logging.getLogger("services.kit.deliveries")


class Outcome(StrEnum):
    """How a delivery ended; values of the outcome label of EVENTS_CONSUMED."""

    HANDLED = "handled"
    DUPLICATE = "duplicate"
    RETRIED = "retried"
    DEAD_LETTERED = "dead_lettered"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as the bus hands it over.

    Attributes:
        body: JSON of an envelope, if all is well.
        message_id: The bus' own id of it, for what cannot be read.
        attempt: Which delivery this is, from 1.
    """

    body: bytes
    message_id: str
    attempt: int


class StateAwayError(Exception):
    """The consumer's database is away or full, so the delivery could not even be tried."""


class Deliveries:
    """Receives messages for consumers, and keeps what could not be handled."""

    def __init__(self, facts: Facts, dead_letters: DeadLetters, telemetry: Telemetry, clock: Clock) -> None:
        self._facts = facts
        self._letters = dead_letters
        self._metrics = telemetry.metrics
        self._tracer = telemetry.tracer("services.kit.deliveries")
        self._clock = clock
        self._redactor = Redactor()
        self._consumers: dict[str, Consumer] = {}

    def register(self, consumer: Consumer) -> None:
        """Make a consumer known before its first delivery.

        Raises:
            ConsumerError: There is one of that name already.
            DatabaseError: The dead letters that are there cannot be counted.
        """
        if consumer.name in self._consumers:
            raise ConsumerError(f"Two consumers are named {consumer.name}. Give one another name.")
        self._consumers[consumer.name] = consumer
        for metric in (catalogue.EVENTS_CONSUMED, catalogue.EVENT_HANDLING_DURATION, catalogue.EVENT_LAG):
            self._metrics.declare(metric, "consumer", (consumer.name,))
        self._letters.declare(consumer.name)
        self._letters.refresh()

    def receive(self, consumer: Consumer, delivery: Delivery) -> Outcome:
        """Handle a delivery. Blocks; to be called in a thread.

        Raises:
            StateAwayError: The database is away: the delivery is to be received again later.
        """
        try:
            outcome = self._receive(consumer, delivery)
        except (DatabaseUnreachableError, DatabaseFullError) as error:
            raise StateAwayError(str(error)) from error
        self._metrics.counter(catalogue.EVENTS_CONSUMED, consumer=consumer.name, outcome=outcome.value).inc()
        return outcome

    def dead_letters(self, consumer: str | None = None, *, limit: int = 100) -> tuple[DeadLetter, ...]:
        """Dead letters, oldest first, of one consumer or of all."""
        return self._letters.list(consumer, limit=limit)

    def discard(self, consumer: str, event_id: str) -> None:
        """Throw a dead letter away; raises NoSuchDeadLetterError when there is none."""
        self._letters.discard(consumer, event_id)

    def redrive(self, consumer: str, event_id: str) -> None:
        """Handle a dead letter again, now; once handled it is one no more.

        Later events about the same subject may have been handled meanwhile.

        Raises:
            NoSuchDeadLetterError: There is none, or this service has no such consumer.
            RedriveFailedError: It failed again, or cannot be read.
        """
        known = self._consumers.get(consumer)
        if known is None:
            raise NoSuchDeadLetterError(f"This service has no consumer {consumer}.")
        letter = self._letters.get(consumer, event_id)
        try:
            envelope = Envelope.model_validate_json(letter.envelope)
        except ValidationError as error:
            raise RedriveFailedError(f"Dead letter {event_id} holds no event that can be read. Discard it.") from error
        try:
            self._handle(known, envelope, from_dead_letters=True)
        except Exception as error:
            text = self._describe(error)
            self._letters.failed_again(consumer, event_id, text)
            raise RedriveFailedError(f"Event {event_id} failed again: {text}") from error
        self._letters.refresh()

    def _receive(self, consumer: Consumer, delivery: Delivery) -> Outcome:
        try:
            envelope = Envelope.model_validate_json(delivery.body)
        except ValidationError as error:
            return self._set_unreadable_aside(consumer, delivery, error)
        with self._consumer_span(consumer, envelope, delivery) as span:
            outcome = self._attempt(consumer, envelope, delivery)
            span.set_attribute("sightline.outcome", outcome.value)
            if outcome in {Outcome.RETRIED, Outcome.DEAD_LETTERED}:
                span.set_status(Status(StatusCode.ERROR))
            return outcome

    def _attempt(self, consumer: Consumer, envelope: Envelope, delivery: Delivery) -> Outcome:
        if delivery.attempt > consumer.max_attempts + _DELIVERIES_BEYOND_FAILURES:
            return self._give_up(consumer, envelope, delivery)
        lag_seconds = (self._clock.now() - envelope.occurred_at).total_seconds()
        self._metrics.histogram(catalogue.EVENT_LAG, consumer=consumer.name).observe(max(lag_seconds, 0.0))
        try:
            first = self._handle(consumer, envelope)
        except (DatabaseUnreachableError, DatabaseFullError):
            raise
        except Exception as error:  # noqa: BLE001 -- whatever a handler raises decides about its event alone
            return self._failed(consumer, envelope, delivery, error)
        return Outcome.HANDLED if first else Outcome.DUPLICATE

    def _handle(self, consumer: Consumer, envelope: Envelope, *, from_dead_letters: bool = False) -> bool:
        with self._facts.transaction(durable=consumer.durable) as transaction:
            connection = transaction.connection
            now = self._clock.now().timestamp()
            first = inbox.note(connection, consumer=consumer.name, event_id=envelope.event_id, handled_at=now)
            if from_dead_letters:
                self._letters.remove(connection, consumer.name, envelope.event_id)
            if first:
                started = perf_counter()
                try:
                    consumer.handler(transaction, envelope)
                finally:
                    duration = self._metrics.histogram(catalogue.EVENT_HANDLING_DURATION, consumer=consumer.name)
                    duration.observe(perf_counter() - started)
        return first

    def _failed(self, consumer: Consumer, envelope: Envelope, delivery: Delivery, error: Exception) -> Outcome:
        text = self._describe(error)
        about = "consumer %s failed on %s %s, attempt %d of %d: %s"
        values = (consumer.name, envelope.event_type, envelope.event_id, delivery.attempt, consumer.max_attempts, text)
        if delivery.attempt < consumer.max_attempts:
            _log.warning(about, *values)
            return Outcome.RETRIED
        self._keep(consumer, envelope, delivery, text)
        _log.error(about + "; set aside as a dead letter", *values, exc_info=error)
        return Outcome.DEAD_LETTERED

    def _give_up(self, consumer: Consumer, envelope: Envelope, delivery: Delivery) -> Outcome:
        with self._facts.transaction() as transaction:
            if inbox.knows(transaction.connection, consumer=consumer.name, event_id=envelope.event_id):
                return Outcome.DUPLICATE
        text = f"delivered {delivery.attempt} times and never answered: handling it seems to end the process"
        self._keep(consumer, envelope, delivery, text)
        _log.error("consumer %s sets %s %s aside: %s", consumer.name, envelope.event_type, envelope.event_id, text)
        return Outcome.DEAD_LETTERED

    def _keep(self, consumer: Consumer, envelope: Envelope, delivery: Delivery, error: str) -> None:
        self._letters.keep(
            consumer=consumer.name,
            event_id=envelope.event_id,
            event_type=envelope.event_type,
            envelope=envelope.model_dump_json(),
            attempts=delivery.attempt,
            error=error,
        )

    def _set_unreadable_aside(self, consumer: Consumer, delivery: Delivery, error: ValidationError) -> Outcome:
        # Pydantic's own text quotes the input; places and kinds of the faults are enough.
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'message'}: {fault['type']}" for fault in error.errors()[:5]
        )
        self._letters.keep(
            consumer=consumer.name,
            event_id=delivery.message_id[:36],
            event_type=UNREADABLE,
            envelope=self._redactor.text(delivery.body.decode(errors="replace").replace("\x00", "")),
            attempts=delivery.attempt,
            error=f"not an event: {faults}",
        )
        _log.error("consumer %s sets message %s aside: not an event: %s", consumer.name, delivery.message_id, faults)
        return Outcome.DEAD_LETTERED

    @contextmanager
    def _consumer_span(self, consumer: Consumer, envelope: Envelope, delivery: Delivery) -> Iterator[Span]:
        # The consumer's span continues the trace in which the fact was stated.
        context = extract({TRACEPARENT: envelope.traceparent} if envelope.traceparent else {})
        attributes: dict[str, str | int] = {
            "messaging.system": "nats",
            "messaging.operation.name": "process",
            "messaging.message.id": envelope.event_id,
            "sightline.consumer": consumer.name,
            "sightline.event.type": envelope.event_type,
            "sightline.event.id": envelope.event_id,
            "sightline.attempt": delivery.attempt,
        }
        name = f"process {envelope.event_type}"
        with self._tracer.start_as_current_span(
            name, context=context, kind=SpanKind.CONSUMER, attributes=attributes
        ) as span:
            yield span

    def _describe(self, error: Exception) -> str:
        return self._redactor.text(f"{type(error).__name__}: {error}")[:_MOST_ERROR_TEXT]
