"""A venue in memory whose every answer a test can script. It takes each order unless told otherwise."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

from services.contracts.market import Instrument, OrderClass, OrderType, Symbol, TimeInForce
from services.contracts.orders import (
    ClientOrderId,
    ExecutionId,
    OrderStatus,
    OrderTicket,
    VenueName,
    VenueOrderId,
)
from services.trading.brokers.port import (
    Accepted,
    CancelOutcome,
    CancelTaken,
    Capabilities,
    Change,
    Rejected,
    Snapshot,
    SubmitOutcome,
    Update,
    UpdateListener,
    VenueAccount,
    VenueClock,
    VenueFill,
    VenueOrder,
    VenuePosition,
    VenueUnavailableError,
)

EVERYTHING = Capabilities(
    live_orders=True,
    idempotent_submit=True,
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    order_classes=frozenset(OrderClass),
)
MORNING = datetime(2026, 3, 2, 15, tzinfo=UTC)

BeforeSubmit = Callable[[ClientOrderId, OrderTicket], None]

_WORKING = frozenset({OrderStatus.OPEN, OrderStatus.PARTIAL, OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE})


class FakeBroker:
    """Implements `Broker`, `Streaming`, `BulkCancel` and `Measured`.

    Scripting: `answer_submits`, `answer_cancels` and `answer_replaces` queue outcomes, one for each call; without one
    the venue takes the call. `away` makes every question raise. `fill`, `cancel_at_venue` and `expire` are what the
    venue does by itself; they are told to whoever streams unless `mute`. `before_submit` runs inside `submit`, before
    the venue looks at the order: to look at what is stored by then, or to wait.

    Attributes:
        submitted, canceled, replaced, asked: The calls, in the order in which they came.
        orders: What the venue has, by client order id.
        away: Why no question is answered; "" answers them.
        mute: News is kept to itself, as by a stream that is connected and says nothing.
        cancels_wait: A cancel that is taken leaves the order working (PENDING_CANCEL) until `cancel_at_venue`.
    """

    def __init__(self, name: str = "fake", *, capabilities: Capabilities = EVERYTHING) -> None:
        self._name = VenueName(name)
        self._capabilities = capabilities
        self.submitted: list[tuple[ClientOrderId, OrderTicket]] = []
        self.canceled: list[VenueOrderId] = []
        self.replaced: list[tuple[VenueOrderId, ClientOrderId, Change]] = []
        self.asked: list[ClientOrderId] = []
        self.snapshots_since: list[datetime] = []
        self.restarts: list[str] = []
        self.bulk_cancels = 0
        self.orders: dict[ClientOrderId, VenueOrder] = {}
        self.foreign: list[VenueOrder] = []
        self.fills: list[VenueFill] = []
        self.positions: dict[Symbol, VenuePosition] = {}
        self.instruments: dict[Symbol, Instrument | None] = {}
        self.account = VenueAccount(cash=Decimal(100_000), equity=Decimal(100_000), buying_power=Decimal(200_000))
        self.clock = VenueClock(
            at=MORNING, is_open=True, next_open=MORNING + timedelta(days=1), next_close=MORNING + timedelta(hours=6)
        )
        self.skew_seconds = 0.0
        self.away = ""
        self.mute = False
        self.cancels_wait = False
        self.before_submit: BeforeSubmit = _nothing
        self.rate_limit_left: int | None = None
        self.stream_age_seconds: float | None = None
        self.streaming = asyncio.Event()
        self._submit_answers: deque[tuple[SubmitOutcome, bool]] = deque()
        self._cancel_answers: deque[CancelOutcome] = deque()
        self._replace_answers: deque[tuple[SubmitOutcome, bool]] = deque()
        self._ids = count(1)
        self._listener: UpdateListener | None = None

    @property
    def name(self) -> VenueName:
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    # --- scripting

    def answer_submits(self, *outcomes: SubmitOutcome, arrived: bool = False) -> None:
        """Queue answers. With `arrived` the venue has the order all the same, as when only the answer was lost."""
        self._submit_answers.extend((outcome, arrived) for outcome in outcomes)

    def answer_cancels(self, *outcomes: CancelOutcome) -> None:
        """Queue answers; none but `CancelTaken` cancels anything."""
        self._cancel_answers.extend(outcomes)

    def answer_replaces(self, *outcomes: SubmitOutcome, arrived: bool = False) -> None:
        """Queue answers; with `arrived` the replacement is made all the same."""
        self._replace_answers.extend((outcome, arrived) for outcome in outcomes)

    def fill(self, client_order_id: ClientOrderId, shares: object, price: object, *, execution: str = "") -> VenueFill:
        """Trade a part of an order, in whatever state it is, and tell of it."""
        order = self.orders[client_order_id]
        quantity, at_price = Decimal(str(shares)), Decimal(str(price))
        filled = order.filled + quantity
        average = ((order.average_price or Decimal(0)) * order.filled + at_price * quantity) / filled
        status = OrderStatus.FILLED if filled >= order.quantity else OrderStatus.PARTIAL
        news = VenueFill(
            execution_id=ExecutionId(execution or f"{self._name}-exec-{next(self._ids)}"),
            venue_order_id=order.venue_order_id,
            client_order_id=client_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=at_price,
            cumulative=filled,
            executed_at=self.clock.at,
        )
        self.fills.append(news)
        self._hold(order.symbol, order.side.sign * quantity, at_price)
        self._become(replace(order, filled=filled, average_price=average), status, news)
        return news

    def cancel_at_venue(self, client_order_id: ClientOrderId) -> None:
        """End an order with what it has, and tell of it."""
        self._become(self.orders[client_order_id], OrderStatus.CANCELED)

    def expire(self, client_order_id: ClientOrderId) -> None:
        """End an order at the close of its day, and tell of it."""
        self._become(self.orders[client_order_id], OrderStatus.EXPIRED)

    def tell(self, order: VenueOrder, fill: VenueFill | None = None, raw: str = "{}") -> None:
        """Put a frame on the stream as it is, again or out of order."""
        if self._listener is not None and not self.mute:
            self._listener.frame(raw)
            self._listener.update(Update(order=order, fill=fill), raw)

    def tell_garbage(self, raw: str, problem: str = "not understood") -> None:
        """Put a frame on the stream that nobody understands."""
        if self._listener is not None:
            self._listener.frame(raw)
            self._listener.unreadable(raw, problem)

    def break_stream(self, reason: str = "connection reset") -> None:
        """Lose the stream and connect it again."""
        if self._listener is not None:
            self._listener.disconnected(reason)
            self._listener.connected()

    # --- Broker

    def submit(self, client_order_id: ClientOrderId, ticket: OrderTicket) -> SubmitOutcome:
        self.submitted.append((client_order_id, ticket))
        self.before_submit(client_order_id, ticket)
        outcome, arrived = self._submit_answers.popleft() if self._submit_answers else (None, True)
        if isinstance(outcome, Accepted):
            self.orders[client_order_id] = outcome.order
            return outcome
        if arrived and client_order_id not in self.orders:
            self.orders[client_order_id] = self._new_order(client_order_id, ticket)
        return outcome or Accepted(self.orders[client_order_id])

    def cancel(self, venue_order_id: VenueOrderId) -> CancelOutcome:
        self.canceled.append(venue_order_id)
        outcome = self._cancel_answers.popleft() if self._cancel_answers else None
        if outcome is not None and not isinstance(outcome, CancelTaken):
            return outcome
        order = self._by_venue_id(venue_order_id)
        if order is None:
            return Rejected("40410000", "order not found")
        if order.status not in _WORKING:
            return Rejected("42210000", f"order is already {order.substatus}")
        self._become(order, OrderStatus.PENDING_CANCEL if self.cancels_wait else OrderStatus.CANCELED)
        return CancelTaken()

    def cancel_all(self) -> CancelOutcome:
        self.bulk_cancels += 1
        outcome = self._cancel_answers.popleft() if self._cancel_answers else CancelTaken()
        if isinstance(outcome, CancelTaken):
            for order in [each for each in self.orders.values() if each.status in _WORKING]:
                self._become(order, OrderStatus.PENDING_CANCEL if self.cancels_wait else OrderStatus.CANCELED)
        return outcome

    def replace(
        self, venue_order_id: VenueOrderId, new_client_order_id: ClientOrderId, change: Change
    ) -> SubmitOutcome:
        self.replaced.append((venue_order_id, new_client_order_id, change))
        outcome, arrived = self._replace_answers.popleft() if self._replace_answers else (None, True)
        order = self._by_venue_id(venue_order_id)
        if outcome is None and (order is None or order.status not in _WORKING):
            return Rejected("42210000", "order is not open")
        if arrived and order is not None:
            self._replace(order, new_client_order_id, change)
        return outcome or Accepted(self.orders[new_client_order_id])

    def find(self, client_order_id: ClientOrderId) -> VenueOrder | None:
        self.asked.append(client_order_id)
        self._be_there()
        return self.orders.get(client_order_id)

    def snapshot(self, since: datetime) -> Snapshot:
        self.snapshots_since.append(since)
        self._be_there()
        return Snapshot(
            orders=(*self.orders.values(), *self.foreign),
            fills=tuple(fill for fill in self.fills if fill.executed_at >= since),
            positions=tuple(position for position in self.positions.values() if position.quantity),
            account=self.account,
            clock=self.clock,
            skew_seconds=self.skew_seconds,
        )

    def instrument(self, symbol: Symbol) -> Instrument | None:
        self._be_there()
        return self.instruments.get(symbol, Instrument(symbol=symbol))

    # --- Streaming

    async def stream(self, listener: UpdateListener) -> None:
        self._listener, self.stream_age_seconds = listener, 0.0
        await asyncio.to_thread(listener.connected)
        self.streaming.set()
        try:
            await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            self._listener, self.stream_age_seconds = None, None
            self.streaming.clear()

    def restart(self, reason: str) -> None:
        self.restarts.append(reason)
        self.mute = False
        self.break_stream(reason)

    # --- the venue's inside

    def _be_there(self) -> None:
        if self.away:
            raise VenueUnavailableError(self.away)

    def _new_order(self, client_order_id: ClientOrderId, ticket: OrderTicket) -> VenueOrder:
        return VenueOrder(
            client_order_id=client_order_id,
            venue_order_id=VenueOrderId(f"{self._name}-{next(self._ids)}"),
            symbol=ticket.symbol,
            side=ticket.side,
            quantity=ticket.quantity,
            status=OrderStatus.OPEN,
            substatus="new",
            filled=Decimal(0),
            average_price=None,
            updated_at=self.clock.at,
            order_type=ticket.order_type,
            limit_price=ticket.limit_price,
            stop_price=ticket.stop_price,
        )

    def _replace(self, order: VenueOrder, name: ClientOrderId, change: Change) -> None:
        child = replace(
            order,
            client_order_id=name,
            venue_order_id=VenueOrderId(f"{self._name}-{next(self._ids)}"),
            quantity=change.quantity or order.quantity - order.filled,
            filled=Decimal(0),
            average_price=None,
            limit_price=change.limit_price or order.limit_price,
            stop_price=change.stop_price or order.stop_price,
            replaces=order.venue_order_id,
        )
        self._become(replace(order, replaced_by=child.venue_order_id), OrderStatus.REPLACED)
        self._become(child, OrderStatus.OPEN)

    def _become(self, order: VenueOrder, status: OrderStatus, fill: VenueFill | None = None) -> None:
        assert order.client_order_id is not None
        changed = replace(order, status=status, substatus=status.value, updated_at=self.clock.at)
        self.orders[order.client_order_id] = changed
        self.tell(changed, fill)

    def _hold(self, symbol: Symbol, shares: Decimal, price: Decimal) -> None:
        held = self.positions.get(symbol)
        quantity = (held.quantity if held else Decimal(0)) + shares
        self.positions[symbol] = VenuePosition(
            symbol=symbol, quantity=quantity, average_price=price, market_price=price
        )

    def _by_venue_id(self, venue_order_id: VenueOrderId) -> VenueOrder | None:
        return next((order for order in self.orders.values() if order.venue_order_id == venue_order_id), None)


def _nothing(_client_order_id: ClientOrderId, _ticket: OrderTicket) -> None:
    """What runs before a submit unless a test sets something."""
