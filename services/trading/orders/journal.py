"""One transaction on the book: orders are changed by news, and what changed is written, booked and stated with it."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from services.contracts.events import Event
from services.contracts.orders import ClientOrderId, Fill, OrderStatus, Source, VenueName
from services.contracts.trading import OrderIncident, OrderIncidentKind
from services.kit.moments import microseconds
from services.trading.orders import machine, store
from services.trading.orders.draft import Step
from services.trading.orders.errors import OrderNotFoundError
from services.trading.orders.news import News, ReplaceAccepted, ReplaceFailed
from services.trading.orders.order import ABSENT, UNSETTLED, Order
from services.trading.orders.stating import fill_fact, transition_fact
from services.trading.orders.tables import ORDER_INCIDENTS
from services.trading.orders.transactions import Transaction
from services.trading.orders.working import Working
from telemetry.emit.propagation import traceparent

BookFill = Callable[[Connection, Fill], object]
"""Books a fill in the portfolio, within the transaction."""

_WORDS: Final = 400


class Journal:
    """The book within one transaction.

    Attributes:
        touched: The orders that were changed, as they will stand after the commit.
        booked: The fills that were booked.
        trace: W3C trace context of the work that the transaction is part of.
    """

    def __init__(self, transaction: Transaction, at: datetime, book_fill: BookFill, working: Working) -> None:
        self.connection = transaction.connection
        self.at = at
        self.trace = traceparent()
        self.touched: dict[ClientOrderId, Order] = {}
        self.booked: list[Fill] = []
        self._transaction = transaction
        self._book_fill = book_fill
        self._working = working

    def record(self, event: Event) -> None:
        """State a fact."""
        self._transaction.record(event)

    def get(self, client_order_id: ClientOrderId) -> Order:
        """An order, for changing it.

        Raises:
            OrderNotFoundError: There is no such order.
        """
        order = store.order(self.connection, client_order_id, to_change=True)
        if order is None:
            raise OrderNotFoundError(client_order_id)
        return order

    def known(self, client_order_id: ClientOrderId) -> Order | None:
        """An order, for changing it by what a venue tells, from memory where it is there; None when there is none.

        It may have been changed since: `advance` finds that out.
        """
        order = self.touched.get(client_order_id) or self._working.get(client_order_id)
        return order or store.order(self.connection, client_order_id, to_change=True)

    def begin(self, step: Step) -> bool:
        """Write a new order; False, and nothing is changed, when one of that name is there."""
        first = replace(step, order=step.order.changed(version=1))
        if not store.add(self.connection, first):
            return False
        self._tell(first)
        return True

    def advance(self, order: Order, *news: News) -> Order:
        """Work news into an order, and into the one that it replaces."""
        whole = self._worked(order, *news)
        if whole.order.version == order.version:
            self._tell_incidents(whole)
            self.touched[order.client_order_id] = whole.order
            return whole.order
        if not store.change(self.connection, order, whole, self.at):
            return self.advance(self.get(order.client_order_id), *news)  # it was changed since it was looked at
        self._tell_incidents(whole)
        self._tell(whole)
        self._tell_replaced(order, whole.order, news[-1].source)
        return whole.order

    def incident(self, subject: str, venue: VenueName, kind: OrderIncidentKind, detail: str) -> None:
        """State what should not happen, once however often it is told."""
        said = detail[:_WORDS]
        row = {
            "subject": subject,
            "kind": kind,
            "digest": hashlib.sha256(said.encode()).hexdigest()[:32],
            "venue": venue,
            "detail": said,
            "at_us": microseconds(self.at),
        }
        if store.unless_there(self.connection, ORDER_INCIDENTS, row):
            self.record(OrderIncident(subject=subject, venue=venue, kind=kind, detail=said))

    def _worked(self, order: Order, *news: News) -> Step:
        steps = [Step(order=order)]
        for each in news:
            steps.append(machine.advance(steps[-1].order, each, self.at))
        after = steps[-1].order
        # How recent the news was matters only beside news that are older still: memory is enough for that. After a
        # start the venue is asked, and what it answers is newer than what a stream brought before.
        changed = after.changed(told_at=order.told_at) != order
        return Step(
            order=after.changed(version=order.version + 1) if changed else after,
            transitions=tuple(transition for step in steps for transition in step.transitions),
            bookings=tuple(booking for step in steps for booking in step.bookings),
            incidents=tuple(incident for step in steps for incident in step.incidents),
        )

    def _tell_incidents(self, step: Step) -> None:
        for incident in step.incidents:
            self.incident(step.order.client_order_id, step.order.venue, incident.kind, incident.detail)

    def _tell(self, step: Step) -> None:
        order = step.order
        for transition in step.transitions:
            self.record(transition_fact(order, transition))
        for fill in step.fills:
            self._book_fill(self.connection, fill)
            self.record(fill_fact(order, fill, self.at))
        self.booked += step.fills
        self.touched[order.client_order_id] = order

    def _tell_replaced(self, before: Order, child: Order, source: Source) -> None:
        """What is learnt of a replacement settles the order that it replaces."""
        if child.replaces is None or before.standing not in UNSETTLED | ABSENT or child.standing in UNSETTLED:
            return
        replaced = self.get(child.replaces)
        if child.standing not in ABSENT:
            news = ReplaceAccepted(source=source, traceparent=self.trace, child=child.client_order_id)
            self.advance(replaced, news)
        elif replaced.status is OrderStatus.PENDING_REPLACE:
            self.advance(replaced, ReplaceFailed(source=source, traceparent=self.trace, reason=child.reason))
