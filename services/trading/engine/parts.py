"""What strategies at work stand on, handed in by whoever wires it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from services.contracts.orders import ClientOrderId, OrderIntent
from services.kit.clock import Clock
from services.trading.desk.views import DeskState, Placement
from services.trading.engine.market_time import BarCalendar, MarketTime
from services.trading.marketdata.port import Timeframe
from services.trading.orders.order import Order
from services.trading.orders.transactions import Readings, Transactions


class Orders(Protocol):
    """The way out: `services.trading.desk.desk.Desk` is one. Every method may be called from any thread and blocks."""

    def submit(self, intent: OrderIntent) -> Placement:
        """Send what is wanted, once."""

    def cancel(self, client_order_id: ClientOrderId, actor: str) -> Order:
        """Ask the venue to cancel."""

    def look(self, client_order_id: ClientOrderId) -> None:
        """Ask the venue how an order stands, and work the answer in."""

    def state(self) -> DeskState:
        """How trading and each venue stand; from memory alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineParts:
    """What every strategy shares.

    Attributes:
        facts: Transactions that the owner's fence guards.
        time: As the bars have it.
        calendars: By length of bar.
    """

    orders: Orders
    facts: Transactions
    database: Readings
    clock: Clock
    time: MarketTime
    calendars: Mapping[Timeframe, BarCalendar]
