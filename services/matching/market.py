"""The matching core's face: orders, bars and the calendar's events go in, happenings come out.

Within one bar things happen in this order; each rule has a test of its name:

1. The open. Orders meet the bar's first price in time priority: market orders trade, limit orders trade if it is at
   their limit or better, stops that it has gapped through are set off and trade there. Exits that an entry's fill
   releases meet the same price after all others, the stop first. Then immediate orders end.
2. Inside the bar, stops, in time priority, at their price. A protective stop is hit on the bar of its entry, too.
3. Inside the bar, limit orders, in time priority, at their limit. So a stop goes before a target. The target of an
   entry that filled at the open takes part; one whose entry filled inside the bar begins with the next bar.

The way of the price inside a bar is unknown: where two ways are possible the one that costs more is taken.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from services.contracts.market import Bar, Symbol, TimeInForce
from services.contracts.orders import VenueOrderId
from services.matching.book import Register, whole_shares
from services.matching.checks import bracket_problem, oco_problem, order_problem, replacement_problem
from services.matching.costs import Costs
from services.matching.effects import Effects
from services.matching.happenings import (
    Accepted,
    Adjusted,
    CancelReason,
    Happening,
    Refused,
    Rejected,
    Replaced,
)
from services.matching.orders import AT_ONCE, Links, WorkingOrder
from services.matching.rules import FillRule, Rules
from services.matching.splits import apply_split
from services.matching.turn import Turn


class Matcher:
    """A book of orders for any number of symbols. No accounts, no clock, not thread-safe: the caller takes turns.

    Calls decide in the order in which they are made: a cancel that comes before the bar that would have filled the
    order wins, one that comes after it is refused.
    """

    def __init__(self, costs: Costs, rules: Rules, *, first_execution: int = 1) -> None:
        self._costs = costs
        self._rules = rules
        self._register = Register(first_execution)

    def submit(self, order: WorkingOrder, at: datetime) -> list[Happening]:
        """Work an order. `Accepted` or `Rejected` comes first, then what the order does at once.

        Raises:
            DuplicateOrderError: An order of that id works.
        """
        if problem := order_problem(order):
            return [Rejected(order_id=order.order_id, at=at, reason=problem)]
        effects = self._begin([order], None, at)
        self._work([order], effects)
        return effects.told

    def submit_bracket(
        self, entry: WorkingOrder, target: WorkingOrder, stop: WorkingOrder, at: datetime
    ) -> list[Happening]:
        """Work an entry with its exits, which are held until it fills: as many shares as it has filled.

        Raises:
            DuplicateOrderError: An order of one of the ids works.
        """
        orders = [entry, target, stop]
        if problem := bracket_problem(entry, target, stop):
            return [Rejected(order_id=each.order_id, at=at, reason=problem) for each in orders]
        links = Links(entry=entry.order_id, target=target.order_id, stop=stop.order_id)
        effects = self._begin(orders, links, at)
        target.held = stop.held = entry.quantity
        self._work([entry], effects)
        return effects.told

    def submit_oco(self, target: WorkingOrder, stop: WorkingOrder, at: datetime) -> list[Happening]:
        """Work two exits for a position that is held. What one fills is taken off the other.

        Raises:
            DuplicateOrderError: An order of one of the ids works.
        """
        if problem := oco_problem(target, stop):
            return [Rejected(order_id=each.order_id, at=at, reason=problem) for each in (target, stop)]
        links = Links(entry=None, target=target.order_id, stop=stop.order_id)
        effects = self._begin([target, stop], links, at)
        self._work([stop, target], effects)
        return effects.told

    def cancel(self, order_id: VenueOrderId, at: datetime) -> list[Happening]:
        """Take an order out; `Refused` if it does not work.

        With an exit goes the other exit, and the entry as far as it has not filled. With an entry go its exits as far
        as it has not filled: what it bought stays protected.
        """
        order = self._register.orders.get(order_id)
        if order is None:
            return [Refused(order_id=order_id, at=at, reason="the order does not work")]
        effects = Effects(self._register, at)
        effects.cancel(order, CancelReason.REQUESTED)
        return effects.told

    def replace(self, order_id: VenueOrderId, new_order: WorkingOrder, at: datetime) -> list[Happening]:
        """Work other terms instead. The new order has the fills of the old one, and the last place.

        Its quantity includes what is filled, so it must be above that, or the new order is `Rejected` and the old one
        works on. An exit's quantity follows its entry's and cannot be changed. `Refused`, about the old order, if it
        does not work.

        Raises:
            DuplicateOrderError: An order of the new id works.
        """
        old = self._register.orders.get(order_id)
        if old is None:
            return [Refused(order_id=order_id, at=at, reason="the order does not work")]
        if problem := replacement_problem(old, new_order):
            return [Rejected(order_id=new_order.order_id, at=at, reason=problem)]
        effects = self._begin([new_order], old.links, at)
        self._register.drop(old)
        effects.told.insert(0, Replaced(order_id=order_id, at=at, by=new_order.order_id))
        self._take_over(old, new_order)
        if new_order.is_entry:
            effects.resize_exits(new_order, new_order.quantity - old.quantity)
        if old.works_from is not None:
            self._work([new_order], effects)
        return effects.told

    def on_bar(self, bar: Bar) -> list[Happening]:
        """What the bar does to the symbol's orders that began to work at or before its start. See the module.

        Bars come in order and each once. The bar's prices must be coherent: low <= open, close <= high.

        Raises:
            BarOverlapError: It starts before the last one of the symbol has ended.
        """
        book = self._register.book(bar.symbol)
        book.turn_to(bar, self._rules.participation)
        if not book.orders or book.price_at_hand is None:
            return []
        orders = [each for each in book.orders.values() if each.works_in(bar)]
        if not orders:
            return []
        effects = Effects(self._register, bar.start)
        turn = Turn(self._register, book, self._costs, effects)
        turn.trade_at(orders, bar.open)
        turn.trade_inside(bar)
        return effects.told

    def end_of_session(self, at: datetime) -> list[Happening]:
        """Let day orders expire, and cancel immediate ones that found no bar."""
        effects = Effects(self._register, at)
        ending = [each for each in self._register.in_priority() if each.time_in_force is not TimeInForce.GTC]
        for order in ending:
            if order.time_in_force is TimeInForce.DAY:
                effects.expire(order)
        for order in ending:
            if effects.works(order):
                effects.cancel(order, CancelReason.NOT_IMMEDIATE)
            elif order.is_entry:
                effects.shrink_exits(order)
        return effects.told

    def halt(self, symbol: Symbol, at: datetime) -> list[Happening]:
        """Let nothing of the symbol trade or trigger; immediate orders that wait for a bar are canceled."""
        book = self._register.book(symbol)
        book.halted = True
        effects = Effects(self._register, at)
        for order in [each for each in book.orders.values() if each.time_in_force in AT_ONCE]:
            effects.cancel(order, CancelReason.NOT_IMMEDIATE)
        return effects.told

    def resume(self, symbol: Symbol, at: datetime) -> None:
        """Let the symbol trade again, in bars that start then or later, and at once only after the first of them."""
        book = self._register.book(symbol)
        if book.halted:
            book.halted = False
            book.reopens = at

    def split(self, symbol: Symbol, ratio: Decimal, at: datetime) -> list[Happening]:
        """Make `ratio` new shares of each old one: 2 for two for one, 0.1 for one for ten.

        Changes every order of the symbol and the last price; `services.matching.splits` has the rounding. Call it
        between sessions, when only orders that live on are left.
        """
        if ratio <= 0:
            raise ValueError("a split has a ratio above zero")
        book = self._register.book(symbol)
        if book.last is not None:
            book.last /= ratio
        if book.left is not None:
            book.left = whole_shares(book.left * ratio)
        effects = Effects(self._register, at)
        orders = self._register.in_priority(symbol)
        for order in orders:
            apply_split(order, ratio)
            effects.told.append(
                Adjusted(
                    order_id=order.order_id,
                    at=at,
                    quantity=order.quantity,
                    filled=order.filled,
                    limit_price=order.limit_price,
                    stop_price=order.stop_price,
                )
            )
        for order in orders:
            if order.done and effects.works(order):
                effects.cancel(order, CancelReason.SPLIT)
        return effects.told

    def restore(self, orders: Iterable[WorkingOrder]) -> None:
        """Take orders back as they stood in another `Matcher`; nothing happens by it.

        The last price and the volume left are those of the last bar: hand that to `on_bar` before.
        """
        for order in sorted(orders, key=lambda each: each.sequence):
            self._register.take_back(order)

    def get(self, order_id: VenueOrderId) -> WorkingOrder | None:
        """The order if it works or is held, to look at; None if it is unknown or has ended."""
        return self._register.orders.get(order_id)

    def working(self, symbol: Symbol | None = None) -> list[WorkingOrder]:
        """All orders that work or are held, in time priority, to look at."""
        return self._register.in_priority(symbol)

    def last_price(self, symbol: Symbol) -> Decimal | None:
        """The close of the last bar, adjusted for splits since; None before the first."""
        return self._register.book(symbol).last

    def _begin(self, orders: list[WorkingOrder], links: Links | None, at: datetime) -> Effects:
        self._register.check_new(*orders)
        effects = Effects(self._register, at)
        for order in orders:
            order.links = links
            self._register.add(order)
            effects.told.append(Accepted(order_id=order.order_id, at=at))
        return effects

    def _work(self, orders: list[WorkingOrder], effects: Effects) -> None:
        for order in orders:
            self._register.work(order, effects.at)
        book = self._register.book(orders[0].symbol)
        immediate = self._rules.fill_rule is FillRule.IMMEDIATE
        price = book.price_at_hand
        if immediate and price is not None:
            Turn(self._register, book, self._costs, effects).trade_at(orders, price)
        elif immediate or book.halted:
            for order in orders:
                if order.time_in_force in AT_ONCE:
                    effects.cancel(order, CancelReason.NOT_IMMEDIATE)

    def _take_over(self, old: WorkingOrder, new: WorkingOrder) -> None:
        new.filled, new.held, new.fees, new.raw_fees = old.filled, old.held, old.fees, old.raw_fees
        new.triggered = old.triggered and new.stop_price == old.stop_price
        if old.links is None:
            return
        links = old.links.renamed(old.order_id, new.order_id)
        for order_id in (links.entry, links.target, links.stop):
            member = self._register.orders.get(order_id) if order_id is not None else None
            if member is not None:
                member.links = links
