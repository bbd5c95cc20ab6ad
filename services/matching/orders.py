"""Orders as the matching core works them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.contracts.market import Bar, OrderType, Side, Symbol, TimeInForce
from services.contracts.orders import VenueOrderId

STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
LIMITS: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Which orders belong together. All of them hold the same links.

    Attributes:
        entry: The order that the exits wait for, None for a pair of exits alone (OCO).
        target: The limit order that takes the profit.
        stop: The stop or stop-limit order that ends a loss.
    """

    entry: VenueOrderId | None
    target: VenueOrderId
    stop: VenueOrderId

    def renamed(self, old: VenueOrderId, new: VenueOrderId) -> "Links":
        """The same links with one order in another's place."""
        return Links(
            entry=new if self.entry == old else self.entry,
            target=new if self.target == old else self.target,
            stop=new if self.stop == old else self.stop,
        )


@dataclass(slots=True, kw_only=True)
class WorkingOrder:
    """One order. Whoever submits it sets the terms; all from `filled` on belongs to the `Matcher`, which changes it.

    The attributes are plain data, so that an order can be stored and given back to `Matcher.restore`.

    Attributes:
        quantity: Shares in all, filled ones included. An exit's quantity falls by what the other exit fills.
        filled: Shares filled so far.
        held: Shares of an exit that wait for the entry to fill.
        triggered: A stop whose price was reached: it is a market order from then on, a stop-limit a limit order.
        works_from: Only bars that start then or later can fill it; None for an exit that is held whole.
        sequence: Place in time priority.
        fees, raw_fees: Dollars charged so far; and what they would be without the minimum.
        links: The orders that it belongs together with.
    """

    order_id: VenueOrderId
    symbol: Symbol
    side: Side
    quantity: Decimal
    submitted_at: datetime
    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    filled: Decimal = _ZERO
    held: Decimal = _ZERO
    triggered: bool = False
    works_from: datetime | None = None
    sequence: int = 0
    fees: Decimal = _ZERO
    raw_fees: Decimal = _ZERO
    links: Links | None = None

    def __post_init__(self) -> None:
        if not self.quantity.is_finite() or self.quantity <= 0:
            raise ValueError("an order has a quantity above zero")
        _check_price(self.limit_price, f"{self.order_type} order, limit price", wanted=self.order_type in LIMITS)
        _check_price(self.stop_price, f"{self.order_type} order, stop price", wanted=self.order_type in STOPS)

    @property
    def open(self) -> Decimal:
        """Shares that can trade now."""
        return self.quantity - self.filled - self.held

    @property
    def done(self) -> bool:
        """Filled whole."""
        return self.filled == self.quantity

    @property
    def waits_for_stop(self) -> bool:
        """It is a stop whose price was not reached yet."""
        return self.stop_price is not None and not self.triggered

    @property
    def is_entry(self) -> bool:
        """Exits wait for its fills."""
        return self.links is not None and self.order_id == self.links.entry

    @property
    def is_exit(self) -> bool:
        """It is the target or the stop of a pair."""
        return self.links is not None and self.order_id != self.links.entry

    def works_in(self, bar: Bar) -> bool:
        """Whether it worked when the bar started; an order that comes later cannot trade in it."""
        return self.works_from is not None and self.works_from <= bar.start

    def reached_at(self, price: Decimal) -> bool:
        """Whether this price sets off the stop. Asked of stops only."""
        stop = self.stop_price
        return stop is not None and (price >= stop if self.side is Side.BUY else price <= stop)

    def takes(self, price: Decimal) -> bool:
        """Whether the order may trade at this price: at its limit or better; always, without a limit."""
        limit = self.limit_price
        return limit is None or (price <= limit if self.side is Side.BUY else price >= limit)


def _check_price(price: Decimal | None, what: str, *, wanted: bool) -> None:
    if wanted is (price is None):
        raise ValueError(f"{what}: {'missing' if wanted else 'not wanted'}")
    if price is not None and (not price.is_finite() or price <= 0):
        raise ValueError(f"{what}: not above zero")
