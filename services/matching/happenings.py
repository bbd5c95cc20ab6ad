"""What the matching core tells: one immutable fact each, in the order in which it happened."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from services.contracts.market import Side, Symbol
from services.contracts.orders import VenueOrderId


class CancelReason(StrEnum):
    """Why an order was canceled."""

    REQUESTED = "requested"
    NOT_IMMEDIATE = "not_immediate"  # what is left of an IOC order, or a FOK order that did not fill whole
    PARTNER_FILLED = "partner_filled"  # the other exit did the whole work
    PARTNER_ENDED = "partner_ended"  # another order of the group was canceled or expired
    ENTRY_ENDED = "entry_ended"  # the entry ended, and nothing that it bought is left to protect
    SPLIT = "split"  # less than a share is left of it after a reverse split


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    order_id: VenueOrderId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(_About):
    """The order works; an exit whose entry has not filled yet is held (see `LegActivated`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected(_About):
    """The order will not be worked, and nothing else changed: an order that it was to replace goes on working."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(_About):
    """A cancel or a replacement came for an order that does not work (any more)."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Triggered(_About):
    """A stop's price was reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled(_About):
    """An execution.

    Attributes:
        execution: Its number: counted up by one for each, over all symbols.
        quantity: Shares of this execution.
        price: In dollars, slippage included.
        fee: In dollars.
        cumulative: Shares of the order that are filled with it.
        done: The order is filled whole.
    """

    execution: int
    symbol: Symbol
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    cumulative: Decimal
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Canceled(_About):
    """The order works no more. What it filled before stays."""

    reason: CancelReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired(_About):
    """The order's time is up. What it filled before stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced(_About):
    """The order was taken out for another, which has its fills and the last place in time priority."""

    by: VenueOrderId


@dataclass(frozen=True, slots=True, kw_only=True)
class LegActivated(_About):
    """An exit works because its entry filled; told again whenever the entry fills more.

    Attributes:
        working: Shares that the exit works for now.
    """

    working: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Resized(_About):
    """An exit's quantity changed: the other exit filled a part, or the entry was replaced or ended half filled.

    Attributes:
        quantity: Shares in all, filled ones included.
    """

    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted(_About):
    """A split changed the terms of the order, its filled quantity included."""

    quantity: Decimal
    filled: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None


Happening = (
    Accepted
    | Rejected
    | Refused
    | Triggered
    | Filled
    | Canceled
    | Expired
    | Replaced
    | LegActivated
    | Resized
    | Adjusted
)
