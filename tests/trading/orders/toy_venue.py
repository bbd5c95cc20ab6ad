"""A venue as simple as can be: it is the truth that the book has to arrive at, whatever is lost on the way."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from services.contracts.orders import ClientOrderId, ExecutionId, OrderStatus, VenueOrderId
from services.trading.brokers.port import Snapshot, Update, VenueFill, VenueOrder
from services.trading.orders.order import Order
from tests.fakes.clock import FakeClock
from tests.trading.orders.support import AAPL, snapshot


@dataclass
class ToyOrder:
    """What the venue has of one order."""

    order: Order
    updated_at: datetime
    fills: list[VenueFill] = field(default_factory=list)
    canceled: bool = False

    @property
    def filled(self) -> Decimal:
        return sum((fill.quantity for fill in self.fills), Decimal(0))

    @property
    def status(self) -> OrderStatus:
        if self.filled >= self.order.ticket.quantity:
            return OrderStatus.FILLED
        if self.canceled:
            return OrderStatus.CANCELED
        return OrderStatus.PARTIAL if self.filled else OrderStatus.OPEN

    @property
    def average(self) -> Decimal | None:
        value = sum((fill.quantity * fill.price for fill in self.fills), Decimal(0))
        return value / self.filled if self.fills else None


class ToyVenue:
    """Every change puts a frame into `frames`; who delivers them, and which, is up to the test."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._ticks = 0
        self.orders: dict[ClientOrderId, ToyOrder] = {}
        self.frames: list[Update] = []

    def take(self, order: Order) -> None:
        self.orders[order.client_order_id] = ToyOrder(order, self._now())
        self._tell(order.client_order_id)

    def fill(self, name: ClientOrderId, shares: int, price: int) -> None:
        """Trade some of what is left, also after a cancel: fills cross cancels."""
        toy = self.orders[name]
        quantity = min(Decimal(shares), toy.order.ticket.quantity - toy.filled)
        if quantity <= 0:
            return
        toy.updated_at = self._now()
        fill = VenueFill(
            execution_id=ExecutionId(f"{name}-e{len(toy.fills)}"),
            venue_order_id=_venue_id(name),
            client_order_id=name,
            symbol=AAPL,
            side=toy.order.ticket.side,
            quantity=quantity,
            price=Decimal(price),
            cumulative=toy.filled + quantity,
            executed_at=toy.updated_at,
        )
        toy.fills.append(fill)
        self._tell(name, fill)

    def cancel(self, name: ClientOrderId) -> bool:
        """Whether there was something to cancel."""
        toy = self.orders[name]
        if toy.status in {OrderStatus.FILLED, OrderStatus.CANCELED}:
            return False
        toy.canceled, toy.updated_at = True, self._now()
        self._tell(name)
        return True

    def says(self, name: ClientOrderId) -> VenueOrder:
        toy = self.orders[name]
        return VenueOrder(
            client_order_id=name,
            venue_order_id=_venue_id(name),
            symbol=AAPL,
            side=toy.order.ticket.side,
            quantity=toy.order.ticket.quantity,
            status=toy.status,
            substatus=toy.status.value,
            filled=toy.filled,
            average_price=toy.average,
            updated_at=toy.updated_at,
        )

    def snapshot(self, *, executions: bool) -> Snapshot:
        """Everything; without `executions` only the counts tell what is filled."""
        fills = tuple(fill for toy in self.orders.values() for fill in toy.fills) if executions else ()
        orders = tuple(self.says(name) for name in self.orders)
        return snapshot(orders, fills, at=self._clock.now(), positions={"AAPL": self.position})

    @property
    def position(self) -> Decimal:
        return sum((toy.order.ticket.side.sign * toy.filled for toy in self.orders.values()), Decimal(0))

    def _tell(self, name: ClientOrderId, fill: VenueFill | None = None) -> None:
        self.frames.append(Update(order=self.says(name), fill=fill))

    def _now(self) -> datetime:
        # Two changes at one moment still come one after the other.
        self._ticks += 1
        return self._clock.now() + timedelta(microseconds=self._ticks)


def _venue_id(name: ClientOrderId) -> VenueOrderId:
    return VenueOrderId(f"toy:{name}")
