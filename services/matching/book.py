"""What the matching core keeps: the orders of one symbol with the state of its market, and the register of all."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from services.contracts.market import Bar, Symbol
from services.contracts.orders import VenueOrderId
from services.matching.orders import WorkingOrder


class BarOverlapError(ValueError):
    """A bar starts before the last one of its symbol has ended."""

    def __init__(self, bar: Bar, until: datetime) -> None:
        super().__init__(
            f"the bar of {bar.symbol} at {bar.start} starts before the last one ended, at {until}: "
            "feed bars in order, each once"
        )
        self.bar = bar


class DuplicateOrderError(ValueError):
    """An order was submitted under the id of one that works or comes with it."""

    def __init__(self, order_id: VenueOrderId) -> None:
        super().__init__(f"there is an order {order_id} already: each needs an id of its own")


@dataclass(slots=True)
class Book:
    """One symbol.

    Attributes:
        orders: Those that work, in time priority; exits that are held whole are not among them.
        last: The last price.
        until: When the last bar ended.
        left: Shares that may trade yet out of the last bar's volume; None for no limit.
        reopens: After a halt, bars that start earlier fill nothing.
    """

    orders: dict[VenueOrderId, WorkingOrder] = field(default_factory=dict)
    last: Decimal | None = None
    until: datetime | None = None
    left: Decimal | None = None
    halted: bool = False
    reopens: datetime | None = None

    def turn_to(self, bar: Bar, participation: Decimal | None) -> None:
        """Take in what the bar says of the market.

        Raises:
            BarOverlapError: The last bar had not ended yet.
        """
        if self.until is not None and bar.start < self.until:
            raise BarOverlapError(bar, self.until)
        self.until = bar.start + timedelta(seconds=bar.seconds)
        self.last = bar.close
        self.left = None if participation is None else whole_shares(participation * bar.volume)
        if self.reopens is not None and bar.start >= self.reopens:
            self.reopens = None

    @property
    def price_at_hand(self) -> Decimal | None:
        """The price at which an order can trade between two bars; None in a halt and before the bar that ends it."""
        return None if self.halted or self.reopens is not None else self.last


class Register:
    """All orders by id, the books, and the two counters that make the order of events."""

    def __init__(self, first_execution: int) -> None:
        self.orders: dict[VenueOrderId, WorkingOrder] = {}
        self._books: dict[Symbol, Book] = {}
        self._next_execution = first_execution
        self._next_place = 1

    def book(self, symbol: Symbol) -> Book:
        """The symbol's book; a new one at first."""
        book = self._books.get(symbol)
        if book is None:
            book = self._books[symbol] = Book()
        return book

    def check_new(self, *orders: WorkingOrder) -> None:
        """Raise `DuplicateOrderError` if an id is in use, by an order that works or twice among these."""
        seen: set[VenueOrderId] = set()
        for order in orders:
            if order.order_id in self.orders or order.order_id in seen:
                raise DuplicateOrderError(order.order_id)
            seen.add(order.order_id)

    def add(self, order: WorkingOrder) -> None:
        """Know a new order from now on, in the last place."""
        self.orders[order.order_id] = order
        order.sequence = self._place()

    def work(self, order: WorkingOrder, at: datetime) -> None:
        """Let a known order trade in bars that start at `at` or later, in the last place."""
        order.works_from = at
        order.sequence = self._place()
        self.book(order.symbol).orders[order.order_id] = order

    def take_back(self, order: WorkingOrder) -> None:
        """Know an order as it stands, in its own place."""
        self.check_new(order)
        self.orders[order.order_id] = order
        self._next_place = max(self._next_place, order.sequence + 1)
        if order.works_from is not None:
            self.book(order.symbol).orders[order.order_id] = order

    def drop(self, order: WorkingOrder) -> None:
        """Forget an order."""
        del self.orders[order.order_id]
        self.book(order.symbol).orders.pop(order.order_id, None)

    def in_priority(self, symbol: Symbol | None = None) -> list[WorkingOrder]:
        """All orders, or those of one symbol, the first in time priority first."""
        found = [each for each in self.orders.values() if symbol is None or each.symbol == symbol]
        return sorted(found, key=lambda each: each.sequence)

    def execution(self) -> int:
        """The number of the next execution."""
        number = self._next_execution
        self._next_execution += 1
        return number

    def _place(self) -> int:
        place = self._next_place
        self._next_place += 1
        return place


def whole_shares(quantity: Decimal) -> Decimal:
    """Rounded down to whole shares."""
    return quantity.to_integral_value(ROUND_FLOOR)
