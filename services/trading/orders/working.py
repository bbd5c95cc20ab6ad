"""The orders that work, in memory: what the gate looks at without asking the database."""

import threading
from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from services.contracts.market import Side, Symbol
from services.contracts.orders import ClientOrderId, IntentId, OrderStatus, VenueName
from services.trading.orders.order import Order

Line = tuple[VenueName, Symbol, Side]

_NOTHING: Final = Decimal(0)
_ENDED_KEPT: Final = 10_000  # transactions that overtake each other are seconds apart
_TIMES_KEPT: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingView:
    """One consistent look.

    Attributes:
        reserved: Shares that may still be filled, by venue, symbol and side. Orders of one intent stand for each
            other: a target and its stop, or an order and its replacement, count once, with the larger.
        open_orders: How many orders work.
        unknown: Symbols in which some order is unknown, at whichever venue.
    """

    reserved: Mapping[Line, Decimal]
    open_orders: int
    unknown: frozenset[Symbol]


class Working:
    """Updated after each commit. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: dict[ClientOrderId, Order] = {}
        self._by_intent: dict[IntentId, dict[ClientOrderId, Order]] = {}
        self._shares: dict[IntentId, dict[Line, Decimal]] = {}
        self._reserved: dict[Line, Decimal] = {}
        self._live: set[ClientOrderId] = set()
        self._unknown: dict[ClientOrderId, Symbol] = {}
        self._ended: OrderedDict[ClientOrderId, int] = OrderedDict()
        self._times: list[datetime] = []
        self._view: WorkingView | None = None

    def view(self) -> WorkingView:
        """What works now."""
        with self._lock:
            if self._view is None:
                self._view = self._look()
            return self._view

    def orders(self, venue: VenueName | None = None) -> tuple[Order, ...]:
        """The working orders, at one venue or at all."""
        return tuple(order for order in self.unsettled(venue) if not order.status.terminal)

    def unsettled(self, venue: VenueName | None = None) -> tuple[Order, ...]:
        """The working orders, and those that have ended and whose executions have not all been told."""
        with self._lock:
            return tuple(order for order in self._orders.values() if venue in {None, order.venue})

    def get(self, client_order_id: ClientOrderId) -> Order | None:
        """An order, None unless it is unsettled."""
        with self._lock:
            return self._orders.get(client_order_id)

    def submitted_since(self, moment: datetime) -> int:
        """How many orders were begun after `moment`: for limits of the order rate. Looks back a minute over a start."""
        with self._lock:
            return len(self._times) - bisect_right(self._times, moment)

    def load(self, orders: Iterable[Order], times: Iterable[datetime]) -> None:
        """Begin anew with what the database holds: another process may have worked on it meanwhile."""
        with self._lock:
            for index in (self._orders, self._by_intent, self._shares, self._reserved, self._unknown, self._ended):
                index.clear()
            self._live.clear()
            self._view = None
            self._times = sorted(times)
            for order in orders:
                self._take(order)

    def begun(self, order: Order) -> None:
        """Count an order that is about to be sent."""
        with self._lock:
            insort(self._times, order.submitted_at)
            if len(self._times) > _TIMES_KEPT:
                del self._times[: _TIMES_KEPT // 2]

    def put(self, order: Order) -> None:
        """Take over what was committed. A copy that a later one has overtaken is left aside."""
        with self._lock:
            known = self._orders.get(order.client_order_id)
            newest = self._ended.get(order.client_order_id, 0) if known is None else known.version
            if order.version > newest:
                self._take(order)
            elif known is not None and order.version == newest and _told_later(order, known):
                self._orders[order.client_order_id] = order
                self._by_intent[order.intent_id][order.client_order_id] = order

    def _take(self, order: Order) -> None:
        if order.settled:
            self._forget(order)
        else:
            self._ended.pop(order.client_order_id, None)
            self._orders[order.client_order_id] = order
            self._by_intent.setdefault(order.intent_id, {})[order.client_order_id] = order
        self._count(order)
        self._reserve(order.intent_id)
        self._view = None

    def _forget(self, order: Order) -> None:
        self._orders.pop(order.client_order_id, None)
        family = self._by_intent.get(order.intent_id, {})
        family.pop(order.client_order_id, None)
        if not family:
            self._by_intent.pop(order.intent_id, None)
        self._ended[order.client_order_id] = order.version
        if len(self._ended) > _ENDED_KEPT:
            self._ended.popitem(last=False)

    def _count(self, order: Order) -> None:
        name, status = order.client_order_id, order.status
        self._live.discard(name)
        self._unknown.pop(name, None)
        if not status.terminal:
            self._live.add(name)
        if status is OrderStatus.UNKNOWN:
            self._unknown[name] = order.ticket.symbol

    def _reserve(self, intent_id: IntentId) -> None:
        shares: dict[Line, Decimal] = {}
        family = self._by_intent.get(intent_id, {})
        for order in family.values():
            line = (order.venue, order.ticket.symbol, order.ticket.side)
            shares[line] = max(shares.get(line, _NOTHING), _may_fill(order, family))
        for line, quantity in self._shares.pop(intent_id, {}).items():
            self._reserved[line] = self._reserved.get(line, _NOTHING) - quantity
        if family:
            self._shares[intent_id] = shares
        for line, quantity in shares.items():
            self._reserved[line] = self._reserved.get(line, _NOTHING) + quantity

    def _look(self) -> WorkingView:
        self._reserved = {line: quantity for line, quantity in self._reserved.items() if quantity}
        return WorkingView(
            reserved=MappingProxyType(dict(self._reserved)),
            open_orders=len(self._live),
            unknown=frozenset(self._unknown.values()),
        )


def _told_later(order: Order, known: Order) -> bool:
    return order.told_at is not None and (known.told_at is None or order.told_at > known.told_at)


def _may_fill(order: Order, family: Mapping[ClientOrderId, Order]) -> Decimal:
    """A leg comes to life with its entry's fills."""
    entry = None if order.parent is None else family.get(order.parent)
    return order.open_quantity if entry is None else min(order.open_quantity, entry.filled)
