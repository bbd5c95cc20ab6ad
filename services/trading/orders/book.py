"""The book of orders: every order with its fills, on the database, and the facts about them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection

from services.contracts.market import Side, Symbol
from services.contracts.orders import (
    ClientOrderId,
    DenyReason,
    ExecutionId,
    Fill,
    IntentId,
    OrderIntent,
    OrderStatus,
    VenueName,
)
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.facts import Facts
from services.trading.brokers.port import CancelOutcome, Change, Snapshot, SubmitOutcome, Update, VenueOrder
from services.trading.orders.news import Patience
from services.trading.orders.order import Order
from services.trading.orders.working import Working

BookFill = Callable[[Connection, Fill], object]
"""Books a fill in the portfolio, within the transaction."""

Held = Callable[[Connection, VenueName], Mapping[Symbol, Decimal]]
"""What our ledger says that a venue holds; negative when short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionDrift:
    """A venue holds something else than our fills come to. Shares, negative when short."""

    symbol: Symbol
    ours: Decimal
    theirs: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileReport:
    """What a comparison with a venue found.

    Attributes:
        orders: How many were compared.
        differences: How many things were not as we had them.
        ask: Orders that the caller has to ask the venue about by their client order id, handing the answer to `found`
            or `not_found`: the venue did not list them, or nobody knows whether it has them.
        foreign: Orders at the venue that are not ours.
        positions: Where its positions are not what our fills come to.
    """

    venue: VenueName
    trigger: str
    orders: int
    differences: int
    ask: tuple[ClientOrderId, ...]
    foreign: tuple[VenueOrder, ...]
    positions: tuple[PositionDrift, ...]
    seconds: float


class OrderBook:
    """Every order. Methods block and may be called from any thread.

    Unless said otherwise they raise `DatabaseError` when the database is away, and then nothing has changed.

    Args:
        facts: Opens transactions and states facts.
        database: For reading.
        clock: Time.
        book_fill: Books a fill in the portfolio, in the same transaction.
        held: What the portfolio says is held at a venue.
        patience: When "no such order" is believed.

    Attributes:
        working: The orders that work, in memory, as of the last commit.
    """

    def __init__(
        self,
        facts: Facts,
        database: Database,
        clock: Clock,
        *,
        book_fill: BookFill,
        held: Held,
        patience: Patience | None = None,
    ) -> None:
        self.working: Working
        raise NotImplementedError

    # --- submitting

    def begin(self, intent: OrderIntent, venue: VenueName, route: int) -> tuple[Order, bool]:
        """Write the intent and its order down for good, before anything is sent. Durable.

        Returns the order, and whether it is new: an order of this intent and route that exists is returned as it is,
        and must not be sent again.

        Raises:
            RouteNotProvenError: An earlier order of the intent may still work, or has fills.
        """
        raise NotImplementedError

    def deny(self, intent: OrderIntent, reason: DenyReason, detail: str) -> None:
        """Note that an intent was refused."""
        raise NotImplementedError

    def submit_answered(self, client_order_id: ClientOrderId, outcome: SubmitOutcome) -> Order:
        """Work in what became of a submit."""
        raise NotImplementedError

    # --- changing

    def cancel_requested(self, client_order_id: ClientOrderId, actor: str) -> Order:
        """Note that a cancel is about to be asked for; asking again is fine.

        Raises:
            OrderNotFoundError: There is no such order.
            OrderNotWorkingError: It has ended, or nobody knows whether the venue has it.
        """
        raise NotImplementedError

    def cancel_answered(self, client_order_id: ClientOrderId, outcome: CancelOutcome) -> Order:
        """Work in what became of the request."""
        raise NotImplementedError

    def replace_requested(self, client_order_id: ClientOrderId, change: Change, actor: str) -> Order:
        """Write down, for good, the order that is to take the place of this one; returns it. Durable.

        Raises:
            OrderNotFoundError: There is no such order.
            OrderNotWorkingError: It has ended, is not known to the venue, or a change of it is pending.
        """
        raise NotImplementedError

    def replace_answered(self, child: ClientOrderId, outcome: SubmitOutcome) -> Order:
        """Work in what became of the replacement, for the child and for the order it replaces; returns the child."""
        raise NotImplementedError

    # --- the stream

    def frame(self, venue: VenueName, raw: str) -> int:
        """Keep a raw frame before anything tries to understand it; returns its number."""
        raise NotImplementedError

    def update(self, venue: VenueName, update: Update, raw: str) -> None:
        """Work in a frame. When that fails the frame is quarantined and an incident stated; the next one is handled."""
        raise NotImplementedError

    def unreadable(self, venue: VenueName, raw: str, problem: str) -> None:
        """Quarantine a frame that was not understood."""
        raise NotImplementedError

    # --- asking

    def found(self, client_order_id: ClientOrderId, order: VenueOrder, *, asked_at: datetime) -> Order:
        """Work in the venue's answer to a question that was asked at `asked_at`."""
        raise NotImplementedError

    def not_found(self, client_order_id: ClientOrderId) -> Order:
        """Work in one "no such order"; see `Patience` for when it is believed."""
        raise NotImplementedError

    def reconcile(self, venue: VenueName, snapshot: Snapshot, trigger: str, *, asked_at: datetime) -> ReconcileReport:
        """Compare with what the venue said; `asked_at` is when the snapshot began. Orders sent since are left alone.

        An order that nobody has an answer about yet (SUBMITTING) is left alone as well.
        """
        raise NotImplementedError

    def reconcile_failed(self, venue: VenueName, trigger: str, reason: str) -> None:
        """State that a venue could not be compared with."""
        raise NotImplementedError

    def recover(self) -> list[Order]:
        """At the start: load what works, and make unknown what was being submitted when the process ended."""
        raise NotImplementedError

    def bust(self, client_order_id: ClientOrderId, execution_id: ExecutionId, reason: str) -> Order:
        """Take an execution back, as the venue did."""
        raise NotImplementedError

    # --- reading

    def get(self, client_order_id: ClientOrderId) -> Order:
        """One order.

        Raises:
            OrderNotFoundError: There is no such order.
        """
        raise NotImplementedError

    def intent(self, intent_id: IntentId) -> OrderIntent | None:
        """What was wanted, None when the id is not known."""
        raise NotImplementedError

    def of_intent(self, intent_id: IntentId) -> list[Order]:
        """The orders of an intent by their route, legs and replacements included; empty when there is none."""
        raise NotImplementedError

    def unknown(self, venue: VenueName | None = None) -> list[Order]:
        """Orders of which nobody knows whether the venue has them."""
        raise NotImplementedError

    def listing(
        self,
        *,
        status: OrderStatus | None = None,
        venue: VenueName | None = None,
        strategy: str | None = None,
        symbol: Symbol | None = None,
        side: Side | None = None,
        working: bool = False,
        before: datetime | None = None,
        limit: int = 100,
    ) -> list[Order]:
        """Orders, the newest first; `before` is the `submitted_at` of the last one of the page before."""
        raise NotImplementedError

    def prune(self) -> int:
        """Forget raw frames, denials and comparisons that are past their retention; returns how many rows went."""
        raise NotImplementedError
