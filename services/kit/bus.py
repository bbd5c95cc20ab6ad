"""The event bus as services see it: publish an envelope, consume event types."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from services.contracts.events import Envelope
from services.kit.errors import SightlineError, StartError, UnavailableError
from services.kit.facts import Transaction

Handler = Callable[[Transaction, Envelope], None]
"""Brings about what an event means, within the transaction it is handed; runs in a thread of its own."""

_CONSUMER_NAME = re.compile(r"^[a-z][a-z0-9_-]{0,63}$")
_EVENT_TYPE = re.compile(r"^[a-z]+(\.[a-z][a-z_]*)*(\.\*)?$")


class BusUnavailableError(UnavailableError):
    """The bus is away or did not confirm in time. What was to be published may or may not have arrived."""

    code = "bus_unavailable"
    title = "The event bus is away"


class EventRefusedError(SightlineError):
    """The bus is there and will not take this event."""

    code = "event_refused"
    title = "The event bus refuses the event"


class ConsumerError(StartError):
    """A consumer is described in a way that cannot work."""

    code = "consumer_invalid"
    title = "A consumer is not right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Who handles which events, and how patiently.

    Attributes:
        name: Unique within the service: lower-case letters, digits, "-" and "_".
        event_types: What to consume, such as "alerting.alert_received", or "alerting.*" for all of a room.
        handler: Its effects and the note that the event was handled are one transaction, so each event takes effect
            once however often it is delivered. An exception rolls everything back and has the event delivered again.
        max_attempts: Deliveries after which a failing event is set aside as a dead letter.
        ordered: Facts about one subject are handled in the order in which they happened; one at a time, and a
            failing one holds the others up until it succeeds or is set aside. Otherwise up to `max_in_flight` are
            handled at once, in no order.
        max_in_flight: For a consumer that is not ordered.
        durable: Effects survive a power cut, as for `Database.transaction`.
        ack_wait_seconds: After how long the bus delivers an event again when its consumer fell silent; an ordered
            consumer stands still that long after a crash. A handler may take longer: the bus is told that work goes
            on.
        first_retry_seconds: Wait after the first failure; doubles with each further one.
        most_retry_seconds: The longest wait.
    """

    name: str
    event_types: tuple[str, ...]
    handler: Handler
    max_attempts: int = 5
    ordered: bool = True
    max_in_flight: int = 16
    durable: bool = False
    ack_wait_seconds: float = 5.0
    first_retry_seconds: float = 0.5
    most_retry_seconds: float = 60.0

    def __post_init__(self) -> None:
        if not _CONSUMER_NAME.match(self.name):
            raise ConsumerError(f"A consumer's name is lower-case letters, digits, - and _; {self.name!r} is not.")
        if not self.event_types or not all(_EVENT_TYPE.match(event_type) for event_type in self.event_types):
            raise ConsumerError(f"Consumer {self.name} needs event types such as 'alerting.alert_received'.")
        if self.max_attempts < 1 or self.max_in_flight < 1 or self.ack_wait_seconds <= 0:
            raise ConsumerError(f"Consumer {self.name}: attempts, messages in flight and waits must be positive.")


class Subscription(Protocol):
    """A running consumer."""

    async def stop(self) -> None:
        """Take no new event, finish those being handled, and return."""


class Publisher(Protocol):
    """Takes events to whoever consumes them."""

    async def publish(self, envelope: Envelope) -> None:
        """Return once the bus has stored the event; publishing it again with the same id is recognised.

        Raises:
            BusUnavailableError: Try again later.
            EventRefusedError: Trying again does not help.
        """


class Bus(Publisher, Protocol):
    """The event bus."""

    async def subscribe(self, consumer: Consumer) -> Subscription:
        """Start handling events, now or as soon as the bus is there, and go on across its outages."""

    async def ping(self) -> None:
        """Make sure that the bus is there.

        Raises:
            BusUnavailableError: It is not.
        """

    async def close(self) -> None:
        """Stop every subscription, then let go of the connection."""
