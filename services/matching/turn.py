"""One call's trading in one symbol: orders meet prices."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from services.contracts.market import Bar, Side, TimeInForce
from services.matching.book import Book, Register
from services.matching.costs import Costs
from services.matching.effects import Effects
from services.matching.happenings import CancelReason, Filled, Triggered
from services.matching.orders import AT_ONCE, WorkingOrder


class Turn:
    """Trades for one call. What happens is told to `effects`."""

    def __init__(self, register: Register, book: Book, costs: Costs, effects: Effects) -> None:
        self._register = register
        self._book = book
        self._costs = costs
        self._effects = effects
        self._inside = False
        # Exits that an entry's fill has just released, with the market's price at that moment.
        self._released: list[tuple[WorkingOrder, Decimal]] = []
        # Targets whose entry has filled inside the bar, with the shares: they begin to work after it.
        self._after_bar: list[tuple[WorkingOrder, Decimal]] = []

    def trade_at(self, orders: Iterable[WorkingOrder], price: Decimal) -> None:
        """Let the orders meet one price, in this order, and after them the exits that their fills release."""
        queue = list(orders)
        for order in queue:
            if self._effects.can_trade(order):
                self._meet(order, price)
            if order.time_in_force in AT_ONCE and self._effects.works(order):
                self._effects.cancel(order, CancelReason.NOT_IMMEDIATE)
            if self._released:
                queue.extend(each for each, _ in self._released)
                self._released.clear()

    def trade_inside(self, bar: Bar) -> None:
        """Let what did not trade at the open meet the rest of the bar: stops before limits, since the way is unknown.

        What begins to work in here takes part only where that costs its owner: a protective stop does; a target does
        not, nor the limit of a stop-limit order that the price at its trigger did not satisfy.
        """
        orders = [each for each in self._book.orders.values() if each.works_in(bar)]
        stops = [each for each in orders if each.waits_for_stop]
        limits = [each for each in orders if each.limit_price is not None and not each.waits_for_stop]
        self._inside = True
        self._effects.at = bar.start + timedelta(seconds=bar.seconds)
        for order in stops:
            self._meet_stop(order, bar, None)
            self._protect(bar)
        for order in limits:
            self._meet_limit(order, bar)
            self._protect(bar)
        for target, quantity in self._after_bar:
            if self._effects.works(target):
                self._effects.activate(target, quantity)

    def _protect(self, bar: Bar) -> None:
        for stop, market in self._released:
            self._meet_stop(stop, bar, market)
        self._released.clear()

    def _meet_stop(self, order: WorkingOrder, bar: Bar, market: Decimal | None) -> None:
        stop = order.stop_price
        if stop is None or not order.waits_for_stop or not self._effects.can_trade(order):
            return
        if not order.reached_at(_farthest(bar, order.side)):
            return
        if market is not None:
            # The market may have been beyond the stop already when the entry filled.
            stop = max(stop, market) if order.side is Side.BUY else min(stop, market)
        self._meet(order, stop)

    def _meet_limit(self, order: WorkingOrder, bar: Bar) -> None:
        limit = order.limit_price
        if limit is None or not self._effects.can_trade(order):
            return
        if order.takes(_farthest(bar, order.side.opposite)):
            price = min(max(limit, bar.low), bar.high)
            self._fill(order, price, price)

    def _meet(self, order: WorkingOrder, price: Decimal) -> None:
        if order.waits_for_stop:
            if not order.reached_at(price):
                return
            order.triggered = True
            self._effects.told.append(Triggered(order_id=order.order_id, at=self._effects.at))
        if order.takes(price):
            self._fill(order, self._costs.slipped(price, order.side, order.limit_price), price)

    def _fill(self, order: WorkingOrder, price: Decimal, market: Decimal) -> None:
        quantity = self._draw(order)
        if quantity <= 0:
            return
        order.filled += quantity
        self._effects.told.append(
            Filled(
                order_id=order.order_id,
                at=self._effects.at,
                execution=self._register.execution(),
                symbol=order.symbol,
                side=order.side,
                quantity=quantity,
                price=price,
                fee=self._charge(order, quantity, price),
                cumulative=order.filled,
                done=order.done,
            )
        )
        if order.done:
            self._register.drop(order)
        if order.is_entry:
            self._release(order, quantity, market)
        elif order.is_exit:
            self._effects.take_off_partner(order, quantity)

    def _draw(self, order: WorkingOrder) -> Decimal:
        left = self._book.left
        if left is None:
            return order.open
        quantity = min(order.open, left)
        if quantity < order.open and order.time_in_force is TimeInForce.FOK:
            return Decimal(0)
        self._book.left = left - quantity
        return quantity

    def _charge(self, order: WorkingOrder, quantity: Decimal, price: Decimal) -> Decimal:
        order.raw_fees += self._costs.fee(quantity, price)
        fee = max(order.raw_fees, self._costs.fee_minimum) - order.fees
        order.fees += fee
        return fee

    def _release(self, entry: WorkingOrder, quantity: Decimal, market: Decimal) -> None:
        for leg in self._effects.exits(entry):
            if self._inside and leg.stop_price is None:
                self._after_bar.append((leg, quantity))
            else:
                self._effects.activate(leg, quantity)
                self._released.append((leg, market))


def _farthest(bar: Bar, side: Side) -> Decimal:
    return bar.high if side is Side.BUY else bar.low
