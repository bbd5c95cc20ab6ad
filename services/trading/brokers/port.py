"""What trading asks of a venue, and what it hears back. One adapter for each broker's protocol.

An adapter translates and nothing else: it retries no order, keeps no order state, and decides nothing. What it cannot
make sense of it hands on as `OutcomeUnknown` or as an unreadable frame; it never guesses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol, runtime_checkable

from services.contracts.market import Instrument, OrderClass, OrderType, Side, Symbol, TimeInForce
from services.contracts.orders import (
    ClientOrderId,
    ExecutionId,
    OrderStatus,
    OrderTicket,
    VenueName,
    VenueOrderId,
)
from services.kit.errors import UnavailableError


class VenueUnavailableError(UnavailableError):
    """The venue did not answer a question. Nothing is known from that, and nothing was changed by it."""

    code = "venue_unavailable"
    title = "The venue does not answer"


class VenueRefusesKeysError(VenueUnavailableError):
    """The venue answered that it does not take our keys, or we have none that may be sent there."""

    code = "venue_refuses_keys"
    title = "The venue does not take the keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a venue can do, declared by its adapter.

    Attributes:
        live_orders: Orders may go there at all; False for research sources.
        idempotent_submit: A second submit with the same client order id is refused, not executed.
        client_order_id_length: Longest client order id that it takes, in characters.
    """

    live_orders: bool
    idempotent_submit: bool
    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    order_classes: frozenset[OrderClass]
    replace: bool = True
    shorting: bool = True
    client_order_id_length: int = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """How an order stands at the venue, as it said.

    Attributes:
        client_order_id: Ours; None for an order that somebody else placed there.
        status: Of OPEN, PARTIAL, FILLED, CANCELED, EXPIRED, REJECTED, REPLACED, PENDING_CANCEL, PENDING_REPLACE,
            SUSPENDED; None when the venue used a word that the adapter does not know.
        substatus: The venue's own word.
        filled: Shares filled so far.
        average_price: Mean price of these, None before the first.
        replaced_by, replaces: The neighbours in a chain of replacements.
        legs: The dependent orders of a bracket, where the venue tells them.
        parent: The venue's id of the entry that this leg belongs to, where the venue tells it.
    """

    client_order_id: ClientOrderId | None
    venue_order_id: VenueOrderId
    symbol: Symbol
    side: Side
    quantity: Decimal
    status: OrderStatus | None
    substatus: str
    filled: Decimal
    average_price: Decimal | None
    updated_at: datetime
    order_type: OrderType | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    replaced_by: VenueOrderId | None = None
    replaces: VenueOrderId | None = None
    reason: str = ""
    legs: tuple["VenueOrder", ...] = ()
    parent: VenueOrderId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFill:
    """One execution as the venue told it.

    Attributes:
        quantity: Shares of this execution.
        cumulative: Shares of the order that are filled with it. The ledger tells by it what it has booked before,
            whichever way an execution comes and under whichever id.
    """

    execution_id: ExecutionId
    venue_order_id: VenueOrderId
    client_order_id: ClientOrderId | None
    symbol: Symbol
    side: Side
    quantity: Decimal
    price: Decimal
    cumulative: Decimal
    executed_at: datetime
    fee: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePosition:
    """What the account holds; negative when short."""

    symbol: Symbol
    quantity: Decimal
    average_price: Decimal
    market_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAccount:
    """The account's money, in dollars.

    Attributes:
        buying_power: What new positions may cost.
        blocked: The venue takes no new orders from this account.
    """

    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    blocked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueClock:
    """The venue's own time, and whether its market is open."""

    at: datetime
    is_open: bool
    next_open: datetime
    next_close: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that reconciliation compares, read one after the other: orders before fills before positions.

    Attributes:
        orders: All that are open, and those that changed since the moment asked for. Venues list by submission: an
            older order that ended without a fill since then may be missing, and has to be asked for by `find`.
        fills: All since the moment asked for.
        skew_seconds: How far the venue's clock is ahead of ours, at most; the round trip is allowed for.
    """

    orders: tuple[VenueOrder, ...]
    fills: tuple[VenueFill, ...]
    positions: tuple[VenuePosition, ...]
    account: VenueAccount
    clock: VenueClock
    skew_seconds: float


# --- what becomes of a call that changes something


@dataclass(frozen=True, slots=True)
class Accepted:
    """The venue has the order; also when it says that it had this client order id before."""

    order: VenueOrder


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue answered and definitely will not do it.

    Attributes:
        code: The venue's own, or "http-403" where it sent none.
        reason: Its words, shortened.
        unauthorised: It does not take our keys: that says nothing about the order, and the next one fares no better.
        venue_side: The reason lies with the venue and not with the order: too many calls, maintenance, or an account
            that is blocked as a whole. Another venue may well take the order.
    """

    code: str
    reason: str
    unauthorised: bool = False
    venue_side: bool = False


@dataclass(frozen=True, slots=True)
class NotSent:
    """Provably nothing left this machine: no connection, or the rate budget was used up before the first byte."""

    reason: str


@dataclass(frozen=True, slots=True)
class OutcomeUnknown:
    """Something was sent and no answer that can be trusted came back."""

    reason: str


SubmitOutcome = Accepted | Rejected | NotSent | OutcomeUnknown


@dataclass(frozen=True, slots=True)
class CancelTaken:
    """The venue will try to cancel. Whether it did comes by the stream or by reconciliation."""


CancelOutcome = CancelTaken | Rejected | NotSent | OutcomeUnknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a replacement changes; None leaves a term as it is."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


# --- the stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One frame of the stream, understood.

    Attributes:
        order: How the order stands now; `client_order_id` may be a foreign one.
        fill: The execution that the frame tells of, None for other news.
    """

    order: VenueOrder
    fill: VenueFill | None


@dataclass(frozen=True, slots=True)
class Told:
    """A frame as it came, and what it tells of an order; None when it is about the stream itself."""

    raw: str
    update: Update | None


class UpdateListener(Protocol):
    """Hears a venue's stream; what it raises is logged and ends nothing.

    Calls come one after the other from a thread of the venue's own, never from the event loop's, so they may block.
    """

    def connected(self) -> None:
        """The stream stands and is authenticated: reconcile, since something may have been missed."""

    def disconnected(self, reason: str) -> None:
        """The stream is gone; it is being built up again."""

    def updates(self, told: Sequence[Told]) -> None:
        """Frames came that were all understood, in this order. When it raises, nothing of them was taken in.

        They are then told one by one, by `frame` and `update`.
        """

    def frame(self, raw: str) -> None:
        """A frame came; called before anything tries to understand it."""

    def update(self, update: Update, raw: str) -> None:
        """The frame was understood."""

    def unreadable(self, raw: str, problem: str) -> None:
        """The frame was not understood; it must be kept, and the next one is handled all the same."""


class Broker(Protocol):
    """A venue that orders can go to. Methods but `stream` block and are called from threads.

    Attributes:
        name: The account that it trades, as auth calls it.
        capabilities: What it can do.
    """

    @property
    def name(self) -> VenueName: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def submit(self, client_order_id: ClientOrderId, ticket: OrderTicket) -> SubmitOutcome:
        """Send an order, once. Raises nothing for what the venue or the network does."""

    def cancel(self, venue_order_id: VenueOrderId) -> CancelOutcome:
        """Ask for a cancel; may be sent again when nothing is heard."""

    def replace(
        self, venue_order_id: VenueOrderId, new_client_order_id: ClientOrderId, change: Change
    ) -> SubmitOutcome:
        """Ask for other terms, once. `Accepted` holds the order that takes the place of the old one."""

    def find(self, client_order_id: ClientOrderId) -> VenueOrder | None:
        """The order of that name, None when the venue says that it has none. Raises `VenueUnavailableError`."""

    def snapshot(self, since: datetime) -> Snapshot:
        """Everything to compare with. Raises `VenueUnavailableError`."""

    def instrument(self, symbol: Symbol) -> Instrument | None:
        """What the venue says of a symbol, None when it does not know it. Raises `VenueUnavailableError`."""


class Streaming(Protocol):
    """The other half of a venue: its news."""

    async def stream(self, listener: UpdateListener) -> None:
        """Listen until cancelled; a stream that is lost is built up again, with a growing wait in between."""

    def restart(self, reason: str) -> None:
        """Give up the present connection, which has been mute, and build it up again. From any thread."""


@runtime_checkable
class BulkCancel(Protocol):
    """What a venue may offer beside: one call that ends whatever works. The kill switch uses it where it is there."""

    def cancel_all(self) -> CancelOutcome:
        """Ask for a cancel of every open order of the account, ours or not; may be sent again."""


@runtime_checkable
class Measured(Protocol):
    """What an adapter may tell of itself beside, for gauges and readiness."""

    @property
    def rate_limit_left(self) -> int | None:
        """Calls that the venue takes in the present window; None when it has not said."""

    @property
    def stream_age_seconds(self) -> float | None:
        """Since a frame or an answer to a ping was heard; None while no stream stands."""
