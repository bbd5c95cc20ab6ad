"""A durable JetStream pull consumer, run until it is stopped."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from services.kit.backoff import delay_seconds
from services.kit.bus import BusUnavailableError, Consumer
from services.kit.bus_connection import NatsConnection
from services.kit.deliveries import Deliveries, Delivery, Outcome, StateAwayError
from services.kit.ids import Randomness

# How long one request for messages stays open at the server; also how long stopping may take when nothing comes.
_FETCH_SECONDS = 1.0
_HEARTBEATS_PER_ACK_WAIT = 3
_TROUBLE_SECONDS = 1.0

_log = logging.getLogger("services.kit.bus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """Where a consumer's messages come from."""

    stream: str
    subjects: tuple[str, ...]
    durable: str


class NatsSubscription:
    """Pulls messages for one consumer and answers them by how handling ended.

    An ordered consumer lets the server hand out one message at a time (`max_ack_pending` 1). Lanes per subject within
    the process would be faster, but cannot keep the order when a process dies: the server hands its unanswered
    messages out again only after the acknowledgement wait, and later ones about the same subject before. The same
    limit keeps the order across several processes of a service.
    """

    def __init__(
        self,
        consumer: Consumer,
        channel: Channel,
        *,
        connection: NatsConnection,
        deliveries: Deliveries,
        randomness: Randomness,
    ) -> None:
        self._consumer = consumer
        self._channel = channel
        self._connection = connection
        self._deliveries = deliveries
        self._randomness = randomness
        self._stopping = asyncio.Event()
        self._handling: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to pull, in the background."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"consumer {self._consumer.name}")

    async def stop(self) -> None:
        """Take no new message, finish those being handled, and return."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        try:
            while await self._connected():
                await self._pull_while_connected()
        finally:
            if self._handling:
                await asyncio.wait(self._handling)

    async def _connected(self) -> bool:
        """Wait for a connection; False once stopping."""
        await _first(self._connection.wait(), self._stopping.wait())
        return not self._stopping.is_set()

    async def _pull_while_connected(self) -> None:
        try:
            pull = await self._connection.run(self._bind)
            while not self._stopping.is_set():
                await self._pull_once(pull)
        except BusUnavailableError:
            # The connection says so in the log, once; the next one brings the messages again.
            return
        except (OSError, NatsError) as error:  # the library raises Python's own TimeoutError, an OSError, as well
            _log.warning("consumer %s binds anew after %s: %s", self._consumer.name, type(error).__name__, error)
            await self._pause(_TROUBLE_SECONDS)

    async def _pull_once(self, pull: JetStreamContext.PullSubscription) -> None:
        if len(self._handling) >= self._slots:
            await asyncio.wait(self._handling, return_when=asyncio.FIRST_COMPLETED)
            return
        try:
            # One at a time: a pull of several keeps the first one back until all are there or its time is over.
            messages = await self._connection.run(lambda _: pull.fetch(1, timeout=_FETCH_SECONDS))
        except NatsTimeoutError:
            return
        for message in messages:
            task = asyncio.get_running_loop().create_task(self._deliver(message))
            self._handling.add(task)
            task.add_done_callback(self._handling.discard)

    @property
    def _slots(self) -> int:
        return 1 if self._consumer.ordered else self._consumer.max_in_flight

    async def _bind(self, stream: JetStreamContext) -> JetStreamContext.PullSubscription:
        channel = self._channel
        config = ConsumerConfig(
            name=channel.durable,
            durable_name=channel.durable,
            deliver_policy=DeliverPolicy.ALL,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=self._consumer.ack_wait_seconds,
            max_ack_pending=self._slots,
            max_deliver=-1,
            filter_subjects=list(channel.subjects),
        )
        await stream.add_consumer(channel.stream, config)
        return await stream.pull_subscribe_bind(durable=channel.durable, stream=channel.stream)

    async def _deliver(self, message: Msg) -> None:
        heart = asyncio.get_running_loop().create_task(self._keep_alive(message))
        try:
            outcome = await self._receive(message)
        except Exception:  # noqa: BLE001 -- one message must not end the loop; it is logged and comes again
            _log.exception("consumer %s could not take a message; it comes again", self._consumer.name)
            outcome = Outcome.RETRIED
        finally:
            heart.cancel()
        await self._answer(message, outcome)

    async def _receive(self, message: Msg) -> Outcome:
        delivery = Delivery(
            body=message.data,
            message_id=(message.headers or {}).get("Nats-Msg-Id") or f"sequence {message.metadata.sequence.stream}",
            attempt=message.metadata.num_delivered,
        )
        failures = 0
        while True:
            try:
                return await asyncio.to_thread(self._deliveries.receive, self._consumer, delivery)
            except StateAwayError as error:
                # Held here rather than given back: an outage of the database must not use up the attempts.
                failures += 1
                if failures == 1:
                    _log.warning("consumer %s waits for its database: %s", self._consumer.name, error)
                await self._pause(self._delay_seconds(failures))
                if self._stopping.is_set():
                    return Outcome.RETRIED

    async def _keep_alive(self, message: Msg) -> None:
        while True:
            await asyncio.sleep(self._consumer.ack_wait_seconds / _HEARTBEATS_PER_ACK_WAIT)
            try:
                await message.in_progress()
            except NatsError as error:
                _log.debug("no sign of life to the bus: %s", error)

    async def _answer(self, message: Msg, outcome: Outcome) -> None:
        try:
            match outcome:
                case Outcome.HANDLED | Outcome.DUPLICATE:
                    await message.ack()
                case Outcome.RETRIED:
                    await message.nak(delay=self._delay_seconds(message.metadata.num_delivered))
                case Outcome.DEAD_LETTERED:
                    await message.term()
        except (OSError, NatsError) as error:
            # The server hands the message out again and the inbox recognises it.
            _log.debug("answer %s did not reach the bus: %s", outcome, error)

    async def _pause(self, seconds: float) -> None:
        await _first(asyncio.sleep(seconds), self._stopping.wait())

    def _delay_seconds(self, failures: int) -> float:
        consumer = self._consumer
        return delay_seconds(
            failures,
            self._randomness,
            first_seconds=consumer.first_retry_seconds,
            most_seconds=consumer.most_retry_seconds,
        )


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when one of `waits` has ended; the others are given up."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
