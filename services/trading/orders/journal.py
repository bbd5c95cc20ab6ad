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

    def __init__(self, transaction: Transaction, at: datetime, book_fill: BookFill) -> None:
        self.connection = transaction.connection
        self.at = at
        self.trace = traceparent()
        self.touched: dict[ClientOrderId, Order] = {}
        self.booked: list[Fill] = []
        self._transaction = transaction
        self._book_fill = book_fill

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

    def begin(self, step: Step) -> bool:
        """Write a new order; False, and nothing is changed, when one of that name is there."""
        first = replace(step, order=replace(step.order, version=1))
        if not store.add(self.connection, first):
            return False
        self._tell(first)
        return True

    def advance(self, order: Order, *news: News) -> Order:
        """Work news into an order, and into the one that it replaces."""
        steps = [Step(order=order)]
        for each in news:
            steps.append(machine.advance(steps[-1].order, each, self.at))
        for step in steps:
            for incident in step.incidents:
                self.incident(order.client_order_id, order.venue, incident.kind, incident.detail)
        after = steps[-1].order
        if after == order:
            return order
        whole = Step(
            order=replace(after, version=order.version + 1),
            transitions=tuple(transition for step in steps for transition in step.transitions),
            bookings=tuple(booking for step in steps for booking in step.bookings),
        )
        store.change(self.connection, order, whole, self.at)
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
        query = store.unless_there(self.connection, ORDER_INCIDENTS).returning(ORDER_INCIDENTS.c.kind)
        if self.connection.execute(query, row).scalar() is not None:
            self.record(OrderIncident(subject=subject, venue=venue, kind=kind, detail=said))

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
