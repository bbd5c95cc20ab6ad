"""The book against a venue of which everything may be lost, doubled, late or out of order, and crashes in between."""

import random
import shutil
import tempfile
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.contracts.market import Side
from services.contracts.orders import ClientOrderId, OrderStatus
from services.kit.database import Database
from services.trading.brokers.port import Accepted, CancelTaken, NotSent, OutcomeUnknown, Rejected, Snapshot
from services.trading.orders.order import Order
from tests.fakes.clock import FakeClock
from tests.trading.orders.support import ALPHA, VERSIONS, House, open_database, ticket
from tests.trading.orders.toy_venue import ToyVenue

_ABSENT = {OrderStatus.NOT_SENT, OrderStatus.REJECTED, OrderStatus.NOT_FOUND_CONFIRMED}
_PICK = st.integers(0, 1_000_000)
_home = Path(tempfile.mkdtemp(prefix="sightline-model-"))


@pytest.fixture(scope="module", autouse=True)
def _clean_up() -> object:
    yield
    shutil.rmtree(_home)


def _fresh_database() -> Database:
    """A copy of one that was migrated once: migrating takes longer than a run."""
    template = _home / "template.db"
    if not template.exists():
        open_database(template).close()
    path = Path(tempfile.mkdtemp(dir=_home)) / "trading.db"
    shutil.copy(template, path)
    return Database(f"sqlite:///{path}", service="trading", versions=(VERSIONS,))


class BookAndVenue(RuleBasedStateMachine):
    """A book, a venue, and the reference: for each order the shares that the book was told of, one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.database = _fresh_database()
        self.clock = FakeClock()
        self.house = House(self.database, self.clock)
        self.venue = ToyVenue(self.clock)
        self.names: list[ClientOrderId] = []
        self.in_flight: list[ClientOrderId] = []
        self.shares: dict[ClientOrderId, set[int]] = {}
        self.booked: dict[ClientOrderId, Decimal] = {}
        self.older_look: tuple[Snapshot, datetime] | None = None

    # --- submitting

    @rule(shares=st.integers(1, 12), side=st.sampled_from(Side), arrives=st.booleans())
    def submit(self, shares: int, side: Side, *, arrives: bool) -> None:
        order = self.house.begun(ticket(shares, side=side))
        self.names.append(order.client_order_id)
        self.in_flight.append(order.client_order_id)
        self.shares[order.client_order_id] = set()
        self.booked[order.client_order_id] = Decimal(0)
        if arrives:
            self.venue.take(order)

    @precondition(lambda self: self.in_flight)
    @rule(which=_PICK, lost=st.booleans())
    def answer(self, which: int, *, lost: bool) -> None:
        name = self.in_flight.pop(which % len(self.in_flight))
        arrived = name in self.venue.orders
        if lost:
            self.house.book.submit_answered(name, OutcomeUnknown("read timeout"))
        elif arrived:
            self._told(name)
            self.house.book.submit_answered(name, Accepted(self.venue.says(name)))
        else:
            outcome = NotSent("no connection") if which % 2 else Rejected("403", "no")
            self.house.book.submit_answered(name, outcome)

    # --- what the venue does

    @precondition(lambda self: self.venue.orders)
    @rule(which=_PICK, shares=st.integers(1, 8), price=st.integers(90, 110))
    def fill(self, which: int, shares: int, price: int) -> None:
        self.venue.fill(self._pick(which, list(self.venue.orders)), shares, price)

    @precondition(lambda self: self.venue.orders)
    @rule(which=_PICK)
    def end(self, which: int) -> None:
        self.venue.cancel(self._pick(which, list(self.venue.orders)))

    @precondition(lambda self: self.venue.orders)
    @rule(which=_PICK, arrives=st.booleans(), answered=st.booleans())
    def cancel(self, which: int, *, arrives: bool, answered: bool) -> None:
        name = self._pick(which, list(self.venue.orders))
        if not self.house.now(name).cancelable:
            return
        self.house.book.cancel_requested(name, "kim")
        done = arrives and self.venue.cancel(name)
        if answered:
            outcome = CancelTaken() if done else Rejected("422", "no") if arrives else NotSent("no connection")
            self.house.book.cancel_answered(name, outcome)
        else:
            self.house.book.cancel_answered(name, OutcomeUnknown("read timeout"))

    # --- the stream

    @precondition(lambda self: self.venue.frames)
    @rule(which=_PICK, again=st.booleans())
    def deliver(self, which: int, *, again: bool) -> None:
        index = which % len(self.venue.frames)
        update = self.venue.frames[index] if again else self.venue.frames.pop(index)
        if update.fill is not None and update.fill.client_order_id is not None:
            start, end = update.fill.cumulative - update.fill.quantity, update.fill.cumulative
            self.shares[update.fill.client_order_id] |= set(range(int(start), int(end)))
        self.house.streams(update.order, update.fill)

    @precondition(lambda self: self.venue.frames)
    @rule(which=_PICK)
    def lose(self, which: int) -> None:
        self.venue.frames.pop(which % len(self.venue.frames))

    # --- asking

    @rule(executions=st.booleans())
    def compare(self, *, executions: bool) -> None:
        self._compare(self.venue.snapshot(executions=executions), self.clock.now())

    @rule(executions=st.booleans())
    def look(self, *, executions: bool) -> None:
        self.older_look = (self.venue.snapshot(executions=executions), self.clock.now())

    @precondition(lambda self: self.older_look is not None)
    @rule()
    def compare_with_an_older_look(self) -> None:
        assert self.older_look is not None
        self._compare(*self.older_look)

    @precondition(lambda self: self.names)
    @rule(which=_PICK)
    def ask(self, which: int) -> None:
        name = self._pick(which, self.names)
        if name not in self.in_flight:
            self._ask(name)

    # --- time and crashes

    @rule(seconds=st.sampled_from([0.1, 3.0, 20.0, 70.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def crash(self) -> None:
        self.in_flight.clear()  # whoever waited for these answers is gone
        self.house.crash()

    # --- what has to hold at every moment

    @invariant()
    def what_is_booked_is_what_was_told(self) -> None:
        for name in self.names:
            order = self.house.now(name)
            assert order.filled == len(self.shares[name])
            assert self.booked[name] <= order.filled <= order.ticket.quantity
            self.booked[name] = order.filled

    @invariant()
    def the_position_is_what_is_booked(self) -> None:
        orders = [self.house.now(name) for name in self.names]
        assert self.house.position() == sum(order.ticket.side.sign * order.filled for order in orders)

    @invariant()
    def what_is_in_memory_is_what_is_stored(self) -> None:
        stored = {name: order for name in self.names if not (order := self.house.now(name)).settled}
        assert {order.client_order_id: order for order in self.house.book.working.unsettled()} == stored

    @invariant()
    def the_status_follows_from_the_fills(self) -> None:
        for name in self.names:
            order = self.house.now(name)
            assert (order.status is OrderStatus.FILLED) == (order.filled == order.ticket.quantity)

    @invariant()
    def nothing_happened_that_should_not(self) -> None:
        assert set(self.house.incidents()) <= {"late_fill"}

    def teardown(self) -> None:
        """Whatever was lost: once the venue can be asked, the book arrives at its truth."""
        self.crash()
        for _ in range(3):
            self.clock.advance(70)
            now = self.clock.now()
            for name in self._compare(self.venue.snapshot(executions=True), now):
                self._ask(name)
        for name in self.names:
            self._agrees(self.house.now(name))
        assert self.house.position() == self.venue.position
        assert self._compare(self.venue.snapshot(executions=True), self.clock.now()) == ()
        self.database.close()

    def _agrees(self, order: Order) -> None:
        toy = self.venue.orders.get(order.client_order_id)
        if toy is None:
            assert order.status in _ABSENT
        else:
            assert (order.status, order.filled) == (toy.status, toy.filled)
            assert abs(order.ledger.value - sum(f.quantity * f.price for f in toy.fills)) < Decimal("1E-6")

    def _compare(self, told: Snapshot, asked_at: datetime) -> tuple[ClientOrderId, ...]:
        for each in told.orders:
            ours = None if each.client_order_id is None else self.house.now(each.client_order_id)
            if ours is None or ours.status is OrderStatus.SUBMITTING or ours.submitted_at > asked_at:
                continue
            self.shares[ours.client_order_id] |= set(range(int(each.filled)))
        return self.house.book.reconcile(ALPHA, told, "interval", asked_at=asked_at).ask

    def _ask(self, name: ClientOrderId) -> None:
        if name in self.venue.orders:
            self._told(name)
            self.house.book.found(name, self.venue.says(name), asked_at=self.clock.now())
        else:
            self.house.book.not_found(name)

    def _told(self, name: ClientOrderId) -> None:
        self.shares[name] |= set(range(int(self.venue.orders[name].filled)))

    @staticmethod
    def _pick(which: int, names: list[ClientOrderId]) -> ClientOrderId:
        return names[which % len(names)]


def _walk(seed: int, steps: int) -> None:
    """Many steps in one run, where hypothesis would rather take many short ones."""
    chance = random.Random(seed)  # noqa: S311 -- a walk that can be taken again
    model = BookAndVenue()
    ways = _ways(model, chance)
    for _ in range(steps):
        open_ways = [(weight, act) for weight, needed, act in ways if needed()]
        weights, acts = zip(*open_ways, strict=True)
        chance.choices(acts, weights)[0]()
        _check(model)
    model.teardown()


def _ways(model: BookAndVenue, chance: random.Random) -> list[tuple[int, Callable[[], object], Callable[[], None]]]:
    """How often each thing is done, what there has to be for it, and doing it."""

    def number() -> int:
        return chance.randrange(1000)

    def often(share: float) -> bool:
        return chance.random() < share

    return [
        (3, _always, lambda: model.submit(chance.randint(1, 12), chance.choice(list(Side)), arrives=often(0.8))),
        (3, lambda: model.in_flight, lambda: model.answer(number(), lost=often(0.4))),
        (5, lambda: model.venue.orders, lambda: model.fill(number(), chance.randint(1, 8), chance.randint(90, 110))),
        (1, lambda: model.venue.orders, lambda: model.end(number())),
        (1, lambda: model.venue.orders, lambda: model.cancel(number(), arrives=often(0.7), answered=often(0.7))),
        (5, lambda: model.venue.frames, lambda: model.deliver(number(), again=often(0.3))),
        (1, lambda: model.venue.frames, lambda: model.lose(number())),
        (1, _always, lambda: model.compare(executions=often(0.5))),
        (1, _always, lambda: model.look(executions=often(0.5))),
        (1, lambda: model.older_look, model.compare_with_an_older_look),
        (1, lambda: model.names, lambda: model.ask(number())),
        (2, _always, lambda: model.wait(chance.choice([0.1, 3.0, 20.0, 70.0]))),
        (1, _always, model.crash),
    ]


def _always() -> bool:
    return True


def _check(model: BookAndVenue) -> None:
    model.what_is_booked_is_what_was_told()
    model.the_position_is_what_is_booked()
    model.what_is_in_memory_is_what_is_stored()
    model.the_status_follows_from_the_fills()
    model.nothing_happened_that_should_not()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_the_book_arrives_at_the_venues_truth(seed: int) -> None:
    _walk(seed, steps=100)


TestBookAndVenue = pytest.mark.slow(BookAndVenue.TestCase)
TestBookAndVenue.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
