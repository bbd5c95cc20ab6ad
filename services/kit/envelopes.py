"""From an event to what travels, and back."""

from datetime import datetime
from typing import TypeVar

from services.contracts.events import Envelope, Event
from services.contracts.ids import EventId
from services.kit.errors import SightlineError
from telemetry.emit.propagation import traceparent

EventT = TypeVar("EventT", bound=Event)

MAX_ENVELOPE_BYTES = 512 * 1024  # half of what a NATS server takes by default, so that headers never decide


class EnvelopeTooLargeError(SightlineError):
    """The event holds more than a fact should."""

    code = "event_too_large"
    title = "The event is too large"


class EnvelopeMismatchError(SightlineError):
    """The envelope holds another event, or another version of it, than the one asked for."""

    code = "event_mismatch"
    title = "The event is another than expected"


def seal(event: Event, *, event_id: EventId, occurred_at: datetime, source: str) -> Envelope:
    """Put an event into its envelope, with the trace context of the current span."""
    return Envelope(
        event_id=event_id,
        event_type=event.event_type,
        version=event.version,
        subject=event.subject,
        occurred_at=occurred_at,
        source=source,
        traceparent=traceparent(),
        payload=event.model_dump(mode="json", exclude={"subject"}),
    )


def to_json(envelope: Envelope) -> str:
    """The envelope as it is stored and sent.

    Raises:
        EnvelopeTooLargeError: It is larger than `MAX_ENVELOPE_BYTES`.
    """
    written = envelope.model_dump_json()
    size_bytes = len(written.encode())
    if size_bytes > MAX_ENVELOPE_BYTES:
        raise EnvelopeTooLargeError(
            f"{envelope.event_type} takes {size_bytes} bytes, more than {MAX_ENVELOPE_BYTES}. Store what is large and"
            " put a reference to it into the event."
        )
    return written


def opened(envelope: Envelope, event: type[EventT]) -> EventT:
    """The event inside, checked against its class.

    Raises:
        EnvelopeMismatchError: Type or version differ.
        pydantic.ValidationError: The payload does not fit the class.
    """
    if (envelope.event_type, envelope.version) != (event.event_type, event.version):
        raise EnvelopeMismatchError(
            f"Expected {event.event_type} version {event.version}, got {envelope.event_type} version"
            f" {envelope.version}. Bring the producer and the consumer to the same release."
        )
    return event.model_validate({**envelope.payload, "subject": envelope.subject})
