"""An event bus in memory that loses, delays and repeats what a test tells it to."""

from collections.abc import Callable, Iterable

from services.contracts.events import Envelope
from services.kit.bus import BusUnavailableError, Consumer
from services.kit.deliveries import Deliveries, Delivery, Outcome

Disturbance = Callable[[Envelope], None]


def undisturbed(_envelope: Envelope) -> None:
    return


class FakeSubscription:
    """Delivers what was published when a test says so."""

    def __init__(self, consumer: Consumer, deliveries: Deliveries) -> None:
        self.consumer = consumer
        self.stopped = False
        self._deliveries = deliveries

    async def stop(self) -> None:
        self.stopped = True

    def deliver(self, envelopes: Iterable[Envelope]) -> list[Outcome]:
        return [self.deliver_one(envelope) for envelope in envelopes]

    def deliver_one(self, envelope: Envelope, *, attempt: int = 1) -> Outcome:
        delivery = Delivery(envelope.model_dump_json().encode(), str(envelope.event_id), attempt)
        return self._deliveries.receive(self.consumer, delivery)


class FakeBus:
    """Keeps what was published, once per event id, as the stream does.

    Attributes:
        stored: What the stream would hold, in order.
        received: Every publish that arrived, repeated ones included.
        away: While true, nothing arrives.
        before: Called before an event is stored; what it raises, the publisher gets.
        after: Called after an event is stored: what it raises looks like a lost confirmation.
    """

    def __init__(self, deliveries: Deliveries | None = None) -> None:
        self.stored: list[Envelope] = []
        self.received: list[Envelope] = []
        self.away = False
        self.before: Disturbance = undisturbed
        self.after: Disturbance = undisturbed
        self.subscriptions: dict[str, FakeSubscription] = {}
        self._deliveries = deliveries
        self._known: set[str] = set()

    async def publish(self, envelope: Envelope) -> None:
        await self.ping()
        self.before(envelope)
        self.received.append(envelope)
        if envelope.event_id not in self._known:
            self._known.add(envelope.event_id)
            self.stored.append(envelope)
        self.after(envelope)

    async def subscribe(self, consumer: Consumer) -> FakeSubscription:
        assert self._deliveries is not None, "this fake bus was made for publishing only"
        self._deliveries.register(consumer)
        subscription = FakeSubscription(consumer, self._deliveries)
        self.subscriptions[consumer.name] = subscription
        return subscription

    async def ping(self) -> None:
        if self.away:
            raise BusUnavailableError("The fake event bus is away.")

    async def close(self) -> None:
        for subscription in self.subscriptions.values():
            await subscription.stop()
