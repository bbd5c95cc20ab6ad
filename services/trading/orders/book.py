"""The book of orders: every order with its fills, on the database, and the facts about them.

What is told of an order is worked in by the state machine, in one transaction with its fills, its positions and the
facts that tell of it. What works is held in memory as well (`working`), so that the gate asks no database.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import insert

from services.contracts.market import Symbol
from services.contracts.orders import (
    ClientOrderId,
    DenyReason,
    ExecutionId,
    OrderIntent,
    OrderStatus,
    Source,
    VenueName,
)
from services.contracts.trading import OrderDenied
from services.kit.clock import Clock
from services.kit.moments import microseconds
from services.trading.brokers.port import (
    Accepted,
    CancelOutcome,
    Change,
    Snapshot,
    SubmitOutcome,
    Told,
    Update,
    VenueOrder,
)
from services.trading.orders import frames, machine, store
from services.trading.orders.errors import OrderNotFoundError, OrderNotWorkingError, RouteNotProvenError
from services.trading.orders.frames import Retention
from services.trading.orders.hearing import Hearing
from services.trading.orders.journal import BookFill, Journal
from services.trading.orders.news import (
    Busted,
    CancelRequested,
    NotFound,
    Patience,
    ReplaceRequested,
    SubmitUnknown,
)
from services.trading.orders.order import Order
from services.trading.orders.position_drift import PositionDrift
from services.trading.orders.reading import BookReader, Wanted
from services.trading.orders.reconcile import Held, Reconciler, ReconcileReport
from services.trading.orders.stream import StreamBook, Within
from services.trading.orders.tables import DENIALS
from services.trading.orders.transactions import Readings, Transactions
from services.trading.orders.translate import changed, of_cancel, of_submit
from services.trading.orders.working import Working
from telemetry.emit.propagation import traceparent

__all__ = ["BookFill", "Held", "OrderBook", "PositionDrift", "ReconcileReport", "Wanted"]

_WORDS: Final = 400
_PROVEN: Final = frozenset({OrderStatus.NOT_SENT, OrderStatus.REJECTED, OrderStatus.CANCELED})
_RATE_MEMORY: Final = timedelta(seconds=60)


class OrderBook(BookReader):
    """Every order. Methods block and may be called from any thread.

    Unless said otherwise they raise `DatabaseError` when the database is away, and then nothing has changed.

    Args:
        facts: Opens transactions and states facts.
        database: For reading.
        clock: Time.
        book_fill: Books a fill in the portfolio, in the same transaction.
        held: What the portfolio says is held at a venue.
        patience: When "no such order" is believed.
        retention: How long raw frames and denials are kept.

    Attributes:
        working: The orders that work, in memory, as of the last commit.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self,
        facts: Transactions,
        database: Readings,
        clock: Clock,
        *,
        book_fill: BookFill,
        held: Held,
        patience: Patience | None = None,
        retention: Retention | None = None,
    ) -> None:
        self.working = Working()
        super().__init__(database)
        self._facts = facts
        self._clock = clock
        self._book_fill = book_fill
        self._patience = patience or Patience()
        self._retention = retention or Retention()
        self._reconciler = Reconciler(self._writing, database, clock, self.working, held)
        self._stream = StreamBook(self._writing)
        self._after_booking: list[Callable[[set[tuple[VenueName, Symbol]]], None]] = []

    def after_booking(self, listener: Callable[[set[tuple[VenueName, Symbol]]], None]) -> None:
        """Have `listener` told which positions a commit has changed, before `working` knows of the commit."""
        self._after_booking.append(listener)

    # --- submitting

    def begin(self, intent: OrderIntent, venue: VenueName, route: int, *, durable: bool = True) -> tuple[Order, bool]:
        """Write the intent and its order down for good, before anything is sent.

        Returns the order, and whether it is new: an order of this intent and route that exists is returned as it is,
        and must not be sent again. When it is not `durable`, `secure` has to be called before anything is sent: outside
        of locks, so that one flush of the disk serves all who wait.

        Raises:
            RouteNotProvenError: An earlier order of the intent may still trade, or has fills.
        """
        with self._writing(durable=durable) as journal:
            step = machine.begin(intent, venue, route, journal.at, traceparent=traceparent() or intent.traceparent)
            if route:
                _require_proof(store.of_intent(journal.connection, intent.intent_id), route)
            store.add_intent(journal.connection, intent, journal.at)
            new = journal.begin(step)
            name = step.order.client_order_id
            order = journal.touched[name] if new else journal.get(name)
        if new:
            self.working.begun(order)
        return order, new

    def secure(self) -> None:
        """Return when all that was begun before would survive a power cut."""
        self._facts.sync()

    def deny(self, intent: OrderIntent, reason: DenyReason, detail: str) -> None:
        """Note that an intent was refused."""
        ticket = intent.ticket
        row = {
            "intent_id": intent.intent_id,
            "intent": intent.model_dump_json(),
            "reason": reason,
            "detail": detail[:_WORDS],
        }
        fact = OrderDenied(
            subject=intent.intent_id,
            strategy=intent.strategy,
            symbol=ticket.symbol,
            side=ticket.side,
            quantity=ticket.quantity,
            reason=reason,
            detail=detail[:_WORDS],
        )
        with self._writing() as journal:
            journal.connection.execute(insert(DENIALS).values(row | {"denied_at_us": microseconds(journal.at)}))
            journal.record(fact)

    def submit_answered(self, client_order_id: ClientOrderId, outcome: SubmitOutcome) -> Order:
        """Work in what became of a submit, or of a replacement by the name of the child.

        Raises:
            OrderNotFoundError: There is no such order.
        """
        with self._writing() as journal:
            order = journal.known(client_order_id)
            if order is None:
                raise OrderNotFoundError(client_order_id)
            if isinstance(outcome, Accepted):
                hearing = Hearing(journal, order.venue, Source.SUBMIT, asked_at=order.submitted_at)
                return hearing.told(order, outcome.order)
            return journal.advance(order, of_submit(outcome, journal.trace))

    # --- changing

    def cancel_requested(self, client_order_id: ClientOrderId, actor: str) -> Order:
        """Note that a cancel is about to be asked for; asking again is fine.

        Raises:
            OrderNotFoundError: There is no such order.
            OrderNotWorkingError: It has ended, or nobody knows whether the venue has it.
        """
        with self._writing() as journal:
            order = journal.get(client_order_id)
            if not order.cancelable:
                raise OrderNotWorkingError(order)
            news = CancelRequested(source=Source.OPERATOR, traceparent=journal.trace, reason=f"{actor} asked to cancel")
            return journal.advance(order, news)

    def cancel_answered(self, client_order_id: ClientOrderId, outcome: CancelOutcome) -> Order:
        """Work in what became of the request.

        Raises:
            OrderNotFoundError: There is no such order.
        """
        with self._writing() as journal:
            order = journal.get(client_order_id)
            news = of_cancel(outcome, journal.trace)
            return order if news is None else journal.advance(order, news)

    def replace_requested(self, client_order_id: ClientOrderId, change: Change, actor: str) -> Order:
        """Write down, for good, the order that is to take the place of this one; returns it. Durable.

        A quantity in `change` counts what is filled already, as the order's own does. The new order is for the rest:
        its ticket's quantity is what the venue has to be asked for, always, since venues do not take off what the old
        order has filled.

        Raises:
            OrderNotFoundError: There is no such order.
            OrderNotWorkingError: It has ended, is not known to the venue, a change of it is pending, or nothing would
                be left to fill.
            ValueError: The terms do not fit the order's type.
        """
        with self._writing(durable=True) as journal:
            order = journal.get(client_order_id)
            rest = (order.quantity if change.quantity is None else change.quantity) - order.filled
            if not order.replaceable or rest <= 0:
                raise OrderNotWorkingError(order)
            news = ReplaceRequested(
                source=Source.OPERATOR, traceparent=journal.trace, reason=f"{actor} asked for other terms"
            )
            journal.advance(order, news)
            route = 1 + max(each.route for each in store.of_intent(journal.connection, order.intent_id))
            step = machine.succeed(
                order, changed(order.ticket, change, rest), route, journal.at, traceparent=journal.trace
            )
            journal.begin(step)
            child = journal.touched[step.order.client_order_id]
        self.working.begun(child)
        return child

    def replace_answered(self, child: ClientOrderId, outcome: SubmitOutcome) -> Order:
        """Work in what became of the replacement, for the child and for the order it replaces; returns the child.

        Raises:
            OrderNotFoundError: There is no such order.
        """
        return self.submit_answered(child, outcome)

    def bust(self, client_order_id: ClientOrderId, execution_id: ExecutionId, reason: str) -> Order:
        """Take an execution back, as the venue did.

        Raises:
            OrderNotFoundError: There is no such order.
        """
        with self._writing() as journal:
            order = journal.get(client_order_id)
            news = Busted(source=Source.OPERATOR, traceparent=journal.trace, execution_id=execution_id, reason=reason)
            return journal.advance(order, news)

    # --- the stream

    def updates(self, venue: VenueName, told: Sequence[Told], within: Within) -> None:
        """Keep frames and work them in, in one transaction, each update `within` what belongs to it.

        What one of them raises undoes all, and is raised.
        """
        self._stream.updates(venue, told, within)

    def frame(self, venue: VenueName, raw: str) -> int:
        """Keep a raw frame before anything tries to understand it; returns its number."""
        return self._stream.frame(venue, raw)

    def update(self, venue: VenueName, update: Update, raw: str) -> None:
        """Work in a frame. When that fails the frame is quarantined and an incident stated; the next one is handled."""
        self._stream.update(venue, update, raw)

    def unreadable(self, venue: VenueName, raw: str, problem: str) -> None:
        """Quarantine a frame that was not understood."""
        self._stream.unreadable(venue, raw, problem)

    # --- asking

    def found(self, client_order_id: ClientOrderId, order: VenueOrder, *, asked_at: datetime) -> Order:
        """Work in the venue's answer to a question that was asked at `asked_at`.

        Raises:
            OrderNotFoundError: There is no such order.
        """
        with self._writing() as journal:
            known = journal.get(client_order_id)
            hearing = Hearing(journal, known.venue, Source.RECONCILIATION, asked_at=asked_at)
            return hearing.told(known, order)

    def not_found(self, client_order_id: ClientOrderId) -> Order:
        """Work in one "no such order"; see `Patience` for when it is believed.

        Raises:
            OrderNotFoundError: There is no such order in our books either.
        """
        with self._writing() as journal:
            order = journal.get(client_order_id)
            news = NotFound(source=Source.RECONCILIATION, traceparent=journal.trace, patience=self._patience)
            return journal.advance(order, news)

    def reconcile(self, venue: VenueName, snapshot: Snapshot, trigger: str, *, asked_at: datetime) -> ReconcileReport:
        """Compare with what the venue said; `asked_at` is when the snapshot began. Orders sent since are left alone.

        An order that nobody has an answer about yet (SUBMITTING) is left alone as well.
        """
        return self._reconciler.compare(venue, snapshot, trigger, asked_at)

    def reconcile_failed(self, venue: VenueName, trigger: str, reason: str) -> None:
        """State that a venue could not be compared with."""
        self._reconciler.failed(venue, trigger, reason)

    def recover(self) -> list[Order]:
        """At the start: load what works, and make unknown what was being submitted when the process ended.

        Returns the orders that are unknown now. Reads no order that has ended.
        """
        now = self._clock.now()
        with self._database.reading() as connection:
            orders = store.unsettled(connection)
            times = store.submitted_after(connection, now - _RATE_MEMORY)
        self.working.load(orders, times)
        for order in orders:
            if order.status is OrderStatus.SUBMITTING:
                with self._writing() as journal:
                    reason = "the process ended before an answer came"
                    news = SubmitUnknown(source=Source.RECOVERY, traceparent=journal.trace, reason=reason)
                    journal.advance(journal.get(order.client_order_id), news)
        return self.unknown()

    # --- looking after it

    def unknown(self, venue: VenueName | None = None) -> list[Order]:
        """Orders of which nobody knows whether the venue has them."""
        return [order for order in self.working.orders(venue) if order.status is OrderStatus.UNKNOWN]

    def prune(self) -> int:
        """Forget raw frames, denials and comparisons that are past their retention; returns how many rows went."""
        return frames.prune(self._facts, self._clock.now(), self._retention)

    @contextmanager
    def _writing(self, *, durable: bool = False) -> Iterator[Journal]:
        with self._facts.transaction(durable=durable) as transaction:
            journal = Journal(transaction, self._clock.now(), self._book_fill, self.working)
            yield journal
        keys = {(fill.venue, fill.symbol) for fill in journal.booked}
        if keys:
            for tell in self._after_booking:
                tell(keys)
        for order in journal.touched.values():
            self.working.put(order)
        self._reconciler.booked(journal.booked, journal.at)


def _require_proof(orders: list[Order], route: int) -> None:
    for order in orders:
        if order.route != route and (order.status not in _PROVEN or order.filled or order.missing):
            raise RouteNotProvenError(order)
