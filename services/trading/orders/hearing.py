"""What a venue tells, sorted in: which order of ours it means, and what to do with one that we do not know."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from services.contracts.orders import ClientOrderId, IntentId, OrderStatus, Source, VenueName
from services.contracts.trading import OrderIncidentKind
from services.trading.brokers.port import VenueFill, VenueOrder
from services.trading.orders import machine, store
from services.trading.orders.journal import Journal
from services.trading.orders.news import ReplaceAccepted
from services.trading.orders.order import Order
from services.trading.orders.translate import relative, to_execution, to_report, venue_made

_OUR_NAME: Final = re.compile(r"^(?P<intent>sl-[0-9a-f]{26})\.(?P<route>\d{1,6})$")


class Hearing:
    """What one venue tells within one transaction.

    Args:
        journal: The transaction.
        venue: Who tells.
        source: How we came to hear it.
        asked_at: Our time of the question; None when it came by itself.
    """

    def __init__(self, journal: Journal, venue: VenueName, source: Source, *, asked_at: datetime | None = None) -> None:
        self._journal = journal
        self._venue = venue
        self._source = source
        self._asked_at = asked_at

    def meant(self, told: VenueOrder) -> Order | None:
        """Our order that the venue means, by our name for it or by its own; one that it made for us is taken in.

        None when it is none of ours.

        Raises:
            ValueError: The venue tells of an order that no ticket describes.
        """
        return self._known(told) or self._of_kin(told) or self._orphan(told)

    def told(self, order: Order, told: VenueOrder, fills: Iterable[VenueFill] = ()) -> Order:
        """Work in how the order stands: its executions first, since they explain what is filled; then its legs."""
        journal = self._journal
        executions = [to_execution(fill, self._source, traceparent=journal.trace) for fill in fills]
        report = to_report(told, self._source, asked_at=self._asked_at, traceparent=journal.trace)
        order = journal.advance(order, *executions, replace(report, replaced_by=self._successor(order, told)))
        for leg in told.legs:
            known = self._known(leg) or self._adopted(leg, order, replaces=False)
            if known is not None:
                self.told(known, leg)
        return order

    def _known(self, told: VenueOrder) -> Order | None:
        connection = self._journal.connection
        order = self._journal.known(venue_made(told, self._venue))
        if order is not None and order.venue == self._venue:
            return order
        return store.order_at(connection, self._venue, told.venue_order_id)

    def _of_kin(self, told: VenueOrder) -> Order | None:
        for name, replaces in ((told.parent, False), (told.replaces, True)):
            kin = None if name is None else store.order_at(self._journal.connection, self._venue, name)
            if kin is not None:
                return self._adopted(told, kin, replaces=replaces)
        return None

    def _adopted(self, told: VenueOrder, kin: Order, *, replaces: bool) -> Order | None:
        journal = self._journal
        order = relative(told, kin, journal.at, traceparent=journal.trace, replaces=replaces)
        journal.begin(machine.adopt(order, self._source, traceparent=journal.trace))
        if replaces:
            news = ReplaceAccepted(source=self._source, traceparent=journal.trace, child=order.client_order_id)
            journal.advance(kin, news)
        return self._known(told)

    def _orphan(self, told: VenueOrder) -> Order | None:
        """An order under a name of ours that we never wrote down: another program sends, or our books were lost."""
        name = None if told.client_order_id is None else _OUR_NAME.match(told.client_order_id)
        if told.client_order_id is None or name is None:
            return None
        journal = self._journal
        intent = store.intent(journal.connection, IntentId(name["intent"]))
        known = "its intent is" if intent else "nor is its intent"
        detail = f"{told.side} {told.quantity} {told.symbol} ({told.substatus}) is not in our books, {known}"
        journal.incident(told.client_order_id, self._venue, OrderIncidentKind.ORPHAN, detail)
        if intent is None:
            return None
        step = machine.begin(intent, self._venue, int(name["route"]), journal.at, traceparent=journal.trace)
        found = replace(step.order, standing=OrderStatus.OPEN, venue_order_id=told.venue_order_id)
        journal.begin(machine.adopt(found, self._source, traceparent=journal.trace))
        return self._known(told)

    def _successor(self, order: Order, told: VenueOrder) -> ClientOrderId | None:
        if told.status is not OrderStatus.REPLACED or order.replaced_by is not None:
            return None
        connection = self._journal.connection
        family = store.of_intent(connection, order.intent_id)
        named = [each for each in family if told.replaced_by is not None and each.venue_order_id == told.replaced_by]
        candidates = named or [each for each in family if each.replaces == order.client_order_id]
        return candidates[-1].client_order_id if candidates else None
