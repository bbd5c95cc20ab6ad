"""The orders that work, in memory: what the gate looks at without asking the database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from services.contracts.market import Side, Symbol
from services.contracts.orders import ClientOrderId, VenueName
from services.trading.orders.order import Order

Line = tuple[VenueName, Symbol, Side]


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

    def view(self) -> WorkingView:
        """What works now."""
        raise NotImplementedError

    def orders(self, venue: VenueName | None = None) -> tuple[Order, ...]:
        """The working orders, at one venue or at all."""
        raise NotImplementedError

    def get(self, client_order_id: ClientOrderId) -> Order | None:
        """A working order."""
        raise NotImplementedError

    def submitted_since(self, moment: datetime) -> int:
        """How many orders were begun after `moment`, at most a minute ago: for limits of the order rate."""
        raise NotImplementedError
