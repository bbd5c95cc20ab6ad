"""Other terms for a working order. The order that takes its place is written down before the venue hears of it.

There are never two live orders of one wish: the venue exchanges them in one step, and when nobody knows whether it did,
both stand in the books until it has said so.
"""

import threading
from dataclasses import replace

from pydantic import ValidationError

from services.contracts.orders import ClientOrderId, OrderIntent, OrderTicket
from services.kit.clock import Clock
from services.trading.brokers.port import Change, NotSent, SubmitOutcome
from services.trading.desk.answers import Answers, send
from services.trading.desk.errors import NotReplaceableError, ReplacementDeniedError
from services.trading.desk.in_flight import InFlight
from services.trading.desk.owner import Owner
from services.trading.desk.sighting import Books, Sighting
from services.trading.orders.book import OrderBook
from services.trading.orders.order import Order
from services.trading.risk.gate import check
from services.trading.risk.limits import Limits


class Replacer:
    """Exchanges terms. Safe to use from any thread.

    Args:
        gate: The lock of the order path: new terms are judged and written down like a new order.
    """

    def __init__(  # noqa: PLR0913 -- a replacement is an order and passes what orders pass
        self,
        sighting: Sighting,
        book: OrderBook,
        limits: Limits,
        *,
        gate: threading.Lock,
        answers: Answers,
        owner: Owner,
        in_flight: InFlight,
        clock: Clock,
    ) -> None:
        self._sighting = sighting
        self._book = book
        self._limits = limits
        self._gate = gate
        self._answers = answers
        self._owner = owner
        self._in_flight = in_flight
        self._clock = clock

    def replace(self, client_order_id: ClientOrderId, change: Change, actor: str) -> Order:
        """Exchange the terms of a working order; see `Desk.replace`."""
        order = self._book.working.get(client_order_id) or self._book.get(client_order_id)
        if not self._sighting.brokers[order.venue].capabilities.replace:
            raise NotReplaceableError(f"{order.venue} replaces no orders. Cancel it and send a new one.")
        wanted = _changed(order, change)
        lookups = self._sighting.look_up(order.ticket.symbol)
        with self._gate:
            books = _without(self._sighting.books(), order)
            sight = self._sighting.sight(wanted, order.venue, lookups, books)
            denied = check(_intent(order, wanted, self._clock), sight, self._limits)
            if denied is not None:
                raise ReplacementDeniedError(f"{denied.reason}: {denied.detail}")
            child = self._book.replace_requested(client_order_id, change, actor)
        return self._answers.note(child, self._send(order, child, replace(change, quantity=child.ticket.quantity)))

    def _send(self, order: Order, child: Order, change: Change) -> SubmitOutcome:
        broker, venue_order_id = self._sighting.brokers[order.venue], order.venue_order_id
        with self._in_flight.call(order.venue) as allowed:
            if not allowed or not self._owner.sure or venue_order_id is None:
                return NotSent("trading was halted, or another process took over, before anything was sent")
            return send(lambda: broker.replace(venue_order_id, child.client_order_id, change))


def _changed(order: Order, change: Change) -> OrderTicket:
    """The ticket with other terms, for what is not filled yet.

    Raises:
        NotReplaceableError: Nothing changes, or the terms do not fit the order's type.
    """
    given = {
        name: value
        for name, value in (
            ("quantity", change.quantity),
            ("limit_price", change.limit_price),
            ("stop_price", change.stop_price),
        )
        if value is not None
    }
    try:
        wanted = OrderTicket.model_validate(order.ticket.model_dump() | given)
    except ValidationError as error:
        words = "; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors())
        raise NotReplaceableError(f"The terms do not fit the order: {words}.") from None
    if wanted == order.ticket:
        raise NotReplaceableError("These are the order's terms already. Give at least one that is another.")
    rest = (order.quantity if change.quantity is None else change.quantity) - order.filled
    if rest <= 0:
        raise NotReplaceableError(f"{order.filled} are filled already; ask for more, or cancel the rest.")
    return wanted.model_copy(update={"quantity": rest})


def _intent(order: Order, wanted: OrderTicket, clock: Clock) -> OrderIntent:
    return OrderIntent(
        intent_id=order.intent_id,
        strategy=order.strategy,
        signal_at=clock.now(),
        ticket=wanted,
        reference_price=order.reference_price,
    )


def _without(books: Books, order: Order) -> Books:
    """The books without what the order reserves: its place is taken, it does not come on top."""
    key = (order.venue, order.ticket.symbol, order.ticket.side)
    reserved = dict(books.view.reserved)
    reserved[key] = max(reserved.get(key, order.open_quantity) - order.open_quantity, order.quantity * 0)
    view = replace(books.view, reserved=reserved, open_orders=max(0, books.view.open_orders - 1))
    return replace(books, view=view)
