"""The whole order path in front of a venue: the real desk on the real book, and a second venue in memory."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from services.contracts.orders import ClientOrderId, OrderIntent, OrderStatus
from services.contracts.trading import OrderIncident
from services.kit.database import Database
from services.trading.brokers.port import UpdateListener
from services.trading.desk.owner import LEASE_LIFE
from services.trading.orders.order import Order
from tests.fakes.broker import FakeBroker
from tests.trading.conformance.rig import NAME, Adapter, AtVenue, Rig
from tests.trading.desk.support import DeskHouse
from tests.trading.orders.support import open_database

_WAIT_SECONDS = 15.0


class Bench(DeskHouse):
    """A desk whose first venue is the one under test. Its second venue, "beta", is away unless a test wants it."""

    def __init__(self, database: Database, rig: Rig) -> None:
        self.rig = rig
        self.second = FakeBroker("beta")
        brokers = (rig.adapter, self.second)
        super().__init__(database, brokers=brokers, clock=rig.side.clock)  # type: ignore[arg-type]  # the house takes fakes
        self._stream: _StreamThread | None = None
        self._successor: Bench | None = None

    def start(self) -> "Bench":
        """Log in, take over, connect the stream and reconcile; only the venue under test is ready after that."""
        self.renew()
        self.made.leader.tick()
        self._stream = _StreamThread(self.rig.adapter, self.made.listeners[NAME])
        self.wait_for(lambda: self.desk.state().venues[0].stream_connected, "the stream connects")
        self.settle()
        return self

    def stop(self) -> None:
        """End the process, as a crash would: nothing is tidied up. The one that came after it ends, too."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.stop()
        if self._successor is not None:
            self._successor.stop()

    def after_a_crash(self) -> "Bench":
        """Another process on the same database, at the same venue."""
        self.stop()
        self.clock.advance(2 * LEASE_LIFE.total_seconds())
        self._successor = Bench(self.database, self.rig)
        return self._successor.start()

    def connect_second(self) -> None:
        """Make the second venue ready, too."""
        listener = self.made.listeners[self.second.name]
        self.second._listener = listener
        listener.connected()
        self.settle()

    def advance(self, seconds: float) -> None:
        """Let time pass for us and for the venue; leases and verdicts are renewed."""
        self.clock.advance(seconds)
        self.made.leader.tick()
        self.renew()

    def reconcile(self) -> None:
        """Compare with the venue, now."""
        self.desk.reconcile(NAME)

    def place(self, intent: OrderIntent) -> Order:
        """Submit; the order at the venue under test, after what the stream had to tell by then."""
        placed = self.desk.submit(intent)
        assert placed.denial is None, placed.denial
        assert placed.orders[0].venue == NAME
        return placed.orders[0]

    def order(self, order: Order) -> Order:
        """The order as it stands now."""
        return self.book.get(order.client_order_id)

    def wait_for_status(self, order: Order, status: OrderStatus) -> Order:
        """Wait until our books say so."""
        self.wait_for(lambda: self.order(order).status is status, f"the order is {status}")
        return self.order(order)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for what comes by the stream."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"it never happened: {what}"
            time.sleep(0.005)

    def at_venue(self, name: ClientOrderId | None = None) -> list[AtVenue]:
        """What the venue has: everything, or by one name."""
        return [each for each in self.rig.side.orders() if name in {None, each.name}]

    def booked(self, order: Order) -> list[Decimal]:
        """The fills in the ledger of an order, in shares."""
        told = self.book.history(order.client_order_id).fills
        return [each.fill.quantity for each in told if each.fill.quantity]

    def position(self) -> Decimal:
        """Shares of AAPL by our own books."""
        held = (each.position for each in self.desk.positions())
        return sum((each.quantity for each in held if each.symbol == "AAPL" and each.venue == NAME), Decimal(0))

    def incidents(self) -> set[str]:
        """The kinds of incidents that were stated."""
        return {str(fact.kind) for fact in self.said(OrderIncident)}


class _StreamThread:
    """Runs an adapter's stream in an event loop of its own."""

    def __init__(self, adapter: Adapter, listener: UpdateListener) -> None:
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._run(adapter, listener))
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._task,))
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(_WAIT_SECONDS)
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    async def _run(self, adapter: Adapter, listener: UpdateListener) -> None:
        try:
            await adapter.stream(listener)
        except asyncio.CancelledError:
            return


@contextmanager
def bench_at(rig: Rig, directory: Path) -> Iterator[Bench]:
    """A bench that is ready; whichever process runs at the end is stopped."""
    database = open_database(directory / "trading.db")
    bench = Bench(database, rig).start()
    try:
        yield bench
    finally:
        bench.stop()
        database.close()
