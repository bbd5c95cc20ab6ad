"""Orders and fills as the paper broker keeps them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from services.contracts.market import OrderClass, OrderType, Side, Symbol, TimeInForce
from services.contracts.orders import VenueOrderId
from services.matching.orders import WorkingOrder

_ZERO: Final = Decimal(0)


class Status(StrEnum):
    """Alpaca's statuses: https://docs.alpaca.markets/docs/orders-at-alpaca#order-lifecycle."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"  # taken in while the market is closed
    NEW = "new"
    HELD = "held"  # a leg that waits for its entry
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    DONE_FOR_DAY = "done_for_day"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    STOPPED = "stopped"
    CALCULATED = "calculated"

    @property
    def ended(self) -> bool:
        """Whether nothing more is going to happen by itself."""
        return self in _ENDED


_ENDED: Final = frozenset({Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REPLACED, Status.REJECTED})


@dataclass(slots=True, kw_only=True)
class PaperOrder:
    """An order at the paper broker.

    Attributes:
        sequence: Counts the orders of a venue, in the order in which they came.
        notional: Dollars that the customer named in place of a quantity.
        filled: Shares.
        filled_value: Sum of shares times price, in dollars.
        parent: The order that this one is a leg of.
        work: What the matching works of it; None while the market is closed, once the order has ended, and for an
            order that only fills as it is told to.
        carried: Shares that `work` counts as filled and this order does not: those of the order that it replaced.
    """

    order_id: VenueOrderId
    account_id: str
    client_order_id: str
    sequence: int
    symbol: Symbol
    side: Side
    quantity: Decimal
    order_type: OrderType
    time_in_force: TimeInForce
    order_class: OrderClass
    status: Status
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    extended_hours: bool = False
    filled: Decimal = _ZERO
    filled_value: Decimal = _ZERO
    filled_at: datetime | None = None
    expired_at: datetime | None = None
    canceled_at: datetime | None = None
    failed_at: datetime | None = None
    replaced_at: datetime | None = None
    replaces: VenueOrderId | None = None
    replaced_by: VenueOrderId | None = None
    parent: VenueOrderId | None = None
    legs: tuple[VenueOrderId, ...] = ()
    work: WorkingOrder | None = None
    carried: Decimal = _ZERO

    @property
    def rest(self) -> Decimal:
        """Shares that are still to be had."""
        return max(self.quantity - self.filled, _ZERO)

    @property
    def working(self) -> bool:
        """Whether it can still trade by itself."""
        return not self.status.ended

    @property
    def average_price(self) -> Decimal | None:
        """Mean price of what is filled, in dollars with at most six decimals; None before the first fill."""
        return round(self.filled_value / self.filled, 6) if self.filled else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill.

    Attributes:
        sequence: Counts the executions of a venue.
        cumulative: Shares of the order that are filled with this one.
        leaves: Shares that remain then.
        position: Shares that the account holds then.
    """

    execution_id: str
    account_id: str
    order_id: VenueOrderId
    sequence: int
    symbol: Symbol
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    cumulative: Decimal
    leaves: Decimal
    position: Decimal
    at: datetime
