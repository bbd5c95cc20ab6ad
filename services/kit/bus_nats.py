"""The event bus on NATS JetStream."""

import asyncio

from nats.errors import BadHeaderError, BadSubjectError, MaxPayloadError
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError, ServerError, ServiceUnavailableError

from services.contracts.events import Envelope
from services.kit.bus import BusUnavailableError, Consumer, EventRefusedError
from services.kit.bus_connection import NatsConnection
from services.kit.bus_subscription import Channel, NatsSubscription
from services.kit.deliveries import Deliveries
from services.kit.envelopes import to_json
from services.kit.ids import Randomness, SystemRandomness
from services.kit.observing import Telemetry
from telemetry import catalogue
from telemetry.emit.propagation import TRACEPARENT

STREAM = "SIGHTLINE"
SUBJECT_ROOT = "sightline.events"
# Within this time the server itself drops a second message of the same id; the inbox does so for ever after.
_DUPLICATE_WINDOW_SECONDS = 300.0
_MAX_AGE_SECONDS = 14 * 24 * 3600.0
_MAX_BYTES = 1024**3  # half of what nats/nats.conf lets all streams take
_MAX_MESSAGE_BYTES = 1024**2


class NatsBus:
    """Publishes to and consumes from one JetStream stream that all services share.

    Args:
        url: `nats://host:port`.
        token: The server's token, or "" when it asks for none.
        service: Name of the service; part of the names of its durable consumers.
        deliveries: Handles what the consumers receive.
        telemetry: Where metrics go.
        randomness: For the times between attempts.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self,
        url: str,
        *,
        token: str,
        service: str,
        deliveries: Deliveries,
        telemetry: Telemetry,
        randomness: Randomness | None = None,
    ) -> None:
        self._service = service
        self._deliveries = deliveries
        self._randomness = randomness or SystemRandomness()
        self._subscriptions: list[NatsSubscription] = []
        self._connection = NatsConnection(
            url,
            token=token,
            name=service,
            prepare=_ensure_stream,
            connected=telemetry.metrics.gauge(catalogue.BUS_CONNECTED),
            randomness=self._randomness,
        )

    def start(self) -> None:
        """Begin to connect, in the background: a service starts whether the bus is there or not."""
        self._connection.start()

    async def wait_connected(self) -> None:
        """Return once the bus is there."""
        await self._connection.wait()

    async def publish(self, envelope: Envelope) -> None:
        """Return once the stream has stored the event on disk.

        Raises:
            BusUnavailableError: Try again later.
            EventRefusedError: Trying again does not help.
        """
        headers = {"Nats-Msg-Id": str(envelope.event_id)}
        if envelope.traceparent:
            headers[TRACEPARENT] = envelope.traceparent
        subject = f"{SUBJECT_ROOT}.{envelope.event_type}"
        body = to_json(envelope).encode()
        try:
            await self._connection.run(lambda stream: stream.publish(subject, body, headers=headers, stream=STREAM))
        except NatsTimeoutError as error:
            raise BusUnavailableError("The event bus did not confirm an event in time.") from error
        except (ServiceUnavailableError, ServerError) as error:
            raise BusUnavailableError(f"The event bus cannot store events now: {error.description}.") from error
        except (APIError, MaxPayloadError, BadSubjectError, BadHeaderError) as error:
            raise EventRefusedError(
                f"The event bus refuses {envelope.event_type} {envelope.event_id}: {error}"
            ) from error
        except (OSError, NatsError) as error:
            raise BusUnavailableError(f"The event bus failed: {type(error).__name__}.") from error

    async def subscribe(self, consumer: Consumer) -> NatsSubscription:
        """Start handling events, now or as soon as the bus is there, and go on across its outages."""
        await asyncio.to_thread(self._deliveries.register, consumer)
        channel = Channel(
            stream=STREAM,
            subjects=tuple(_subject(event_type) for event_type in consumer.event_types),
            durable=f"{self._service}_{consumer.name}",
        )
        subscription = NatsSubscription(
            consumer,
            channel,
            connection=self._connection,
            deliveries=self._deliveries,
            randomness=self._randomness,
        )
        self._subscriptions.append(subscription)
        subscription.start()
        return subscription

    async def ping(self) -> None:
        """Make sure that the stream answers; raises BusUnavailableError when it does not."""
        try:
            await self._connection.run(lambda stream: stream.stream_info(STREAM))
        except (OSError, NatsError) as error:
            raise BusUnavailableError(f"The event bus does not answer: {type(error).__name__}.") from error

    async def close(self) -> None:
        """Stop every subscription, then let go of the connection."""
        await asyncio.gather(*(subscription.stop() for subscription in self._subscriptions))
        await self._connection.close()


def _subject(event_type: str) -> str:
    room, _, last = event_type.rpartition(".")
    return f"{SUBJECT_ROOT}.{room}.>" if last == "*" else f"{SUBJECT_ROOT}.{event_type}"


async def _ensure_stream(stream: JetStreamContext) -> None:
    wanted = StreamConfig(
        name=STREAM,
        description="Facts stated by Sightline's services",
        subjects=[f"{SUBJECT_ROOT}.>"],
        storage=StorageType.FILE,
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        max_age=_MAX_AGE_SECONDS,
        max_bytes=_MAX_BYTES,
        max_msg_size=_MAX_MESSAGE_BYTES,
        duplicate_window=_DUPLICATE_WINDOW_SECONDS,
    )
    try:
        present = (await stream.stream_info(STREAM)).config
    except NotFoundError:
        await stream.add_stream(wanted)
        return
    names = ("subjects", "max_age", "max_bytes", "max_msg_size", "duplicate_window")
    if any(getattr(present, name) != getattr(wanted, name) for name in names):
        wanted.num_replicas = present.num_replicas
        await stream.update_stream(wanted)
