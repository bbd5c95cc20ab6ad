"""An order as it stands: what was sent, what the venue said, its ledger of fills; the status follows from these."""

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

from services.contracts.orders import (
    ClientOrderId,
    IntentId,
    OrderStatus,
    OrderTicket,
    Price,
    VenueName,
    VenueOrderId,
)
from services.trading.orders.ledger import Ledger

_NOTHING: Final = Decimal(0)

UNSETTLED: Final = frozenset({OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})
"""Nobody knows yet whether the venue has the order."""

ABSENT: Final = frozenset({OrderStatus.NOT_SENT, OrderStatus.REJECTED, OrderStatus.NOT_FOUND_CONFIRMED})
"""The venue does not have the order, as far as we were told."""

ENDED: Final = ABSENT | {OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REPLACED}
"""Ways for an order to end other than being filled."""

PENDING: Final = frozenset({OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE})
"""A change was asked for and is not settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One attempt to get what an intent wants at one venue.

    Attributes:
        route: Counts the attempts from 0; a leg has the route of its entry.
        quantity: Shares, as the venue works them: the ticket's unless it said otherwise.
        standing: What is known of its life, fills and pending changes aside: SUBMITTING, UNKNOWN, OPEN, SUSPENDED or
            one of the ends.
        pending: PENDING_CANCEL or PENDING_REPLACE while such a change is not settled.
        pending_told: The venue itself has said that the change is pending.
        ledger: Its executions.
        announced: Shares that the venue has said to be filled; more than `filled` while executions are on their way.
        substatus: The venue's own word.
        reason: Why it stands as it does, in words; "" where the status says it all.
        sequence: Transitions so far.
        version: Writes so far; tells which of two copies is the newer one.
        changed_at: Of the last transition.
        told_at: The venue's time of the last news about it, None before the first.
        unknown_since: None unless it is unknown.
        not_found: How often in a row the venue said that it has no such order, since `not_found_since`.
        replaces, replaced_by: The neighbours in a chain of replacements.
        parent: The entry that this leg belongs to.
        reference_price: What the wish was made at, in dollars.
        traceparent: W3C trace context of the submit, "" outside a trace.
    """

    client_order_id: ClientOrderId
    intent_id: IntentId
    route: int
    venue: VenueName
    strategy: str
    ticket: OrderTicket
    quantity: Decimal
    standing: OrderStatus
    submitted_at: datetime
    changed_at: datetime
    pending: OrderStatus | None = None
    pending_since: datetime | None = None
    pending_told: bool = False
    ledger: Ledger = Ledger()  # noqa: RUF009 -- frozen, so that one empty ledger serves all
    announced: Decimal = _NOTHING
    venue_order_id: VenueOrderId | None = None
    substatus: str = ""
    reason: str = ""
    sequence: int = 0
    version: int = 0
    told_at: datetime | None = None
    unknown_since: datetime | None = None
    not_found: int = 0
    not_found_since: datetime | None = None
    replaces: ClientOrderId | None = None
    replaced_by: ClientOrderId | None = None
    parent: ClientOrderId | None = None
    reference_price: Price | None = None
    traceparent: str = ""

    def changed(self, **changes: Any) -> "Order":  # noqa: ANN401 -- values of its own fields
        """The order with other values in some of its fields, in a third of the time of `dataclasses.replace`.

        Raises:
            AttributeError: There is no such field.
        """
        after = object.__new__(Order)
        for put, value in zip(_PUT, _VALUES(self), strict=True):
            put(after, value)
        for name, value in changes.items():
            object.__setattr__(after, name, value)
        return after

    @property
    def status(self) -> OrderStatus:
        """How it stands; fills beat everything else that was said."""
        filled = self.filled
        if filled >= self.quantity:
            return OrderStatus.FILLED
        if self.standing is not OrderStatus.OPEN and self.standing is not OrderStatus.SUSPENDED:
            return self.standing
        if self.pending is not None:
            return self.pending
        if self.standing is OrderStatus.SUSPENDED:
            return OrderStatus.SUSPENDED
        return OrderStatus.PARTIAL if filled else OrderStatus.OPEN

    @property
    def filled(self) -> Decimal:
        """Shares in the ledger."""
        return self.ledger.filled

    @property
    def average_price(self) -> Decimal | None:
        """Mean price of its fills, in dollars; None before the first."""
        return self.ledger.average_price

    @property
    def missing(self) -> Decimal:
        """Shares that the venue says are filled and no execution has explained yet."""
        return max(_NOTHING, self.announced - self.filled)

    @property
    def settled(self) -> bool:
        """Whether it has ended and everything that the venue says is filled is booked."""
        return self.status.terminal and not self.missing

    @property
    def open_quantity(self) -> Decimal:
        """Shares that may still change the position: what has to be reserved for it. Unknown orders count whole."""
        return self.missing if self.status.terminal else self.quantity - self.filled

    @property
    def cancelable(self) -> bool:
        """Whether the venue can be asked to cancel it."""
        return self.venue_order_id is not None and not self.status.terminal and self.standing not in UNSETTLED

    @property
    def replaceable(self) -> bool:
        """Whether the venue can be asked for other terms: it works, and no change of it is pending."""
        return self.cancelable and self.pending is None


_NAMES: Final = tuple(each.name for each in fields(Order))
_VALUES: Final = attrgetter(*_NAMES)
_PUT: Final = tuple(vars(Order)[name].__set__ for name in _NAMES)  # the class is frozen, its slots are not
