"""A service in a process of its own, for tests that kill it: `python -m tests.kit.line_process ROLE JSON`.

The producer commits facts and publishes them; the consumer handles them. Each can be told to kill itself, with no
chance to clean up, at one exact point.
"""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from opentelemetry import trace
from sqlalchemy import text

from services.contracts.events import Envelope
from services.kit.bus import Consumer, Publisher
from services.kit.bus_nats import NatsBus
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.dead_letters import DeadLetters
from services.kit.deliveries import Deliveries, Delivery, Outcome
from services.kit.facts import Facts, Transaction
from services.kit.instruments import Instruments
from services.kit.outbox import OutboxDispatcher, Pace
from telemetry.emit.metrics import Metrics
from tests.kit.ledger import TABLE, EntryPosted

SUBJECTS = 7


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What the process is to do.

    Attributes:
        facts: How many facts the producer commits.
        dies: Where it kills itself: "" (never), "after_commit", "before_publish", "after_publish" or "before_answer".
        dies_at: At the how-manieth passing of that point.
        notes: The consumer appends a line here for each delivery that it recognised as a duplicate.
    """

    database_url: str
    service: str
    nats_url: str
    token: str
    facts: int = 0
    dies: str = ""
    dies_at: int = 0
    notes: str = ""


class _Telemetry:
    def __init__(self) -> None:
        self.metrics = Metrics(_Clock())

    def tracer(self, name: str, /) -> trace.Tracer:
        return trace.NoOpTracerProvider().get_tracer(name)


class _Clock:
    def time_ns(self) -> int:
        return 0


class _Trap:
    """Ends the process the moment it has been passed often enough."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._passed = 0

    def passing(self, point: str) -> None:
        if point == self._orders.dies:
            self._passed += 1
            if self._passed == self._orders.dies_at:
                os.kill(os.getpid(), signal.SIGKILL)


class _TrappedBus:
    def __init__(self, bus: Publisher, trap: _Trap) -> None:
        self._bus = bus
        self._trap = trap

    async def publish(self, envelope: Envelope) -> None:
        self._trap.passing("before_publish")
        await self._bus.publish(envelope)
        self._trap.passing("after_publish")


class _TrappedDeliveries(Deliveries):
    trap: _Trap
    notes: Path

    def receive(self, consumer: Consumer, delivery: Delivery) -> Outcome:
        outcome = super().receive(consumer, delivery)
        if outcome is Outcome.DUPLICATE:
            with self.notes.open("a") as notes:
                notes.write(f"{delivery.message_id}\n")
        self.trap.passing("before_answer")
        return outcome


def _commit(facts: Facts, database: Database, count: int) -> None:
    with database.reading() as connection:
        first = connection.execute(text("SELECT count(*) FROM outbox")).scalar_one()
    for number in range(first, first + count):
        with facts.transaction() as transaction:
            transaction.record(EntryPosted(subject=f"book{number % SUBJECTS}", number=number))


async def _produce(orders: Orders, facts: Facts, database: Database, bus: NatsBus, telemetry: _Telemetry) -> None:
    trap = _Trap(orders)
    dispatcher = OutboxDispatcher(
        database, _TrappedBus(bus, trap), telemetry, SystemClock(), pace=Pace(batch_events=20, poll_seconds=0.05)
    )
    facts.after_commit(dispatcher.wake)
    facts.after_commit(lambda: trap.passing("after_commit"))
    dispatcher.start()
    await asyncio.to_thread(_commit, facts, database, orders.facts)
    waiting = 1
    while waiting:
        await asyncio.sleep(0.02)
        with database.reading() as connection:
            waiting = connection.execute(text("SELECT count(*) FROM outbox WHERE published_at IS NULL")).scalar_one()
    await dispatcher.stop()


def _take_effect(transaction: Transaction, envelope: Envelope) -> None:
    values = {"number": envelope.payload["number"], "subject": envelope.subject}
    transaction.connection.execute(text("INSERT INTO effects (number, subject) VALUES (:number, :subject)"), values)


async def _consume(bus: NatsBus) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await bus.subscribe(Consumer(name="books", event_types=("ledger.*",), handler=_take_effect, ack_wait_seconds=0.6))
    await stopping.wait()


async def _main(role: str, orders: Orders) -> None:
    telemetry = _Telemetry()
    clock = SystemClock()
    database = Database(orders.database_url, service=orders.service)
    facts = Facts(database, Instruments(TABLE), telemetry, clock, "ledger")
    deliveries = _TrappedDeliveries(facts, DeadLetters(database, telemetry.metrics, clock), telemetry, clock)
    deliveries.trap = _Trap(orders)
    deliveries.notes = Path(orders.notes)
    bus = NatsBus(orders.nats_url, token=orders.token, service="ledger", deliveries=deliveries, telemetry=telemetry)
    bus.start()
    if role == "producer":
        await _produce(orders, facts, database, bus, telemetry)
    else:
        await _consume(bus)
    await bus.close()
    database.close()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Orders(**json.loads(sys.argv[2]))))
