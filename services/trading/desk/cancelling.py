"""Cancels: asked for until the venue has answered, with no verdict, no readiness and no gate in the way."""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from services.contracts.orders import ClientOrderId, OrderStatus, VenueName
from services.kit.clock import Clock
from services.kit.database_errors import DatabaseError
from services.trading.brokers.port import Broker, CancelOutcome, CancelTaken, Rejected
from services.trading.orders.book import OrderBook
from services.trading.orders.errors import OrderNotWorkingError
from services.trading.orders.order import Order

_FIRST_WAIT_SECONDS: Final = 1.0
_LONGEST_WAIT_SECONDS: Final = 15.0
_SETTLING_SECONDS: Final = 5.0  # a cancel that was taken is usually confirmed within milliseconds
_AT_ONCE: Final = 8

_log = logging.getLogger("services.trading.desk.cancelling")


@dataclass(frozen=True, slots=True)
class _Wish:
    """Somebody wants the order ended; `due` is when the venue is asked again, in monotonic seconds."""

    actor: str
    due: float
    wait_seconds: float = _FIRST_WAIT_SECONDS


class Canceller:
    """Asks venues to cancel, and again while there is no answer. Safe to use from any thread.

    Args:
        book: Where cancels are written down before they are sent. One that is away keeps no cancel from going out.
        ended: Told of an order whose cancel the venue refuses: it has probably ended, and the venue knows how.
    """

    def __init__(
        self,
        book: OrderBook,
        brokers: Mapping[VenueName, Broker],
        clock: Clock,
        *,
        ended: Callable[[Order], object],
    ) -> None:
        self._book = book
        self._brokers = dict(brokers)
        self._clock = clock
        self._ended = ended
        self._lock = threading.Lock()
        self._wishes: dict[ClientOrderId, _Wish] = {}

    def cancel(self, client_order_id: ClientOrderId, actor: str) -> Order:
        """Ask for a cancel; see `Desk.cancel`. One of which the venue cannot be asked yet is remembered."""
        order = self._book.working.get(client_order_id) or self._book.get(client_order_id)
        if order.status.terminal:
            self._forget(order)
            return order
        if order.venue_order_id is None or not order.cancelable:
            self._wish(order, actor, _FIRST_WAIT_SECONDS)
            return order
        try:
            self._note(partial(self._book.cancel_requested, client_order_id, actor))
        except OrderNotWorkingError:  # it has ended since we looked
            return self._book.get(client_order_id)
        outcome = self._brokers[order.venue].cancel(order.venue_order_id)
        self._follow_up(order, actor, outcome)
        return self._note(partial(self._book.cancel_answered, client_order_id, outcome)) or order

    def cancel_all(self, actor: str, venue: VenueName | None = None) -> list[Order]:
        """Ask for a cancel of whatever works, several at a time."""
        names = [order.client_order_id for order in self._book.working.orders(venue)]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="cancel") as pool:
            return list(pool.map(lambda name: self.cancel(name, actor), names))

    def resume(self, venue: VenueName) -> None:
        """Take up the cancels that were under way when the last process ended."""
        for order in self._book.working.orders(venue):
            if order.status is OrderStatus.PENDING_CANCEL:
                self._wish(order, "recovery", 0.0)

    def retry(self, venue: VenueName) -> None:
        """Ask again for what was not answered or has not come about."""
        with self._lock:
            due = [(name, wish) for name, wish in self._wishes.items() if self._clock.monotonic() >= wish.due]
        for name, wish in due:
            order = self._book.working.get(name)
            if order is None:
                self._forget_name(name)
            elif order.venue == venue:
                self.cancel(name, wish.actor)

    def _follow_up(self, order: Order, actor: str, outcome: CancelOutcome) -> None:
        if isinstance(outcome, CancelTaken):
            self._wish(order, actor, _SETTLING_SECONDS)
        elif isinstance(outcome, Rejected) and not (outcome.unauthorised or outcome.venue_side):
            self._forget(order)
            self._ended(order)
        else:
            _log.warning("the cancel of %s is asked for again: %s", order.client_order_id, outcome.reason)
            self._wish(order, actor, _FIRST_WAIT_SECONDS)

    def _wish(self, order: Order, actor: str, wait_seconds: float) -> None:
        with self._lock:
            before = self._wishes.get(order.client_order_id)
            grown = wait_seconds if before is None else max(wait_seconds, before.wait_seconds * 2)
            wait = min(grown, _LONGEST_WAIT_SECONDS)
            self._wishes[order.client_order_id] = _Wish(actor, self._clock.monotonic() + wait, wait)

    def _forget(self, order: Order) -> None:
        self._forget_name(order.client_order_id)

    def _forget_name(self, name: ClientOrderId) -> None:
        with self._lock:
            self._wishes.pop(name, None)

    def _note(self, write: Callable[[], Order]) -> Order | None:
        try:
            return write()
        except DatabaseError as error:
            _log.error("a cancel goes out and cannot be written down: %s", error.detail)
            return None
