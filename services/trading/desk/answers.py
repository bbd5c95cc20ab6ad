"""Takes in what venues answer to orders: an answer is never lost, also while it cannot be written down."""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from services.kit.database_errors import DatabaseError
from services.trading.brokers.port import OutcomeUnknown, SubmitOutcome
from services.trading.desk.errors import NotOwnerError
from services.trading.orders.book import OrderBook
from services.trading.orders.order import Order

if TYPE_CHECKING:
    from services.contracts.orders import ClientOrderId

_log = logging.getLogger("services.trading.desk.answers")


def send(call: Callable[[], SubmitOutcome]) -> SubmitOutcome:
    """Make a call that brings an order to a venue. One that raises has sent nobody knows what."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 -- an adapter's fault must not leave an order of which bytes may be out
        _log.exception("an adapter failed in the middle of an order")
        return OutcomeUnknown(f"the adapter failed: {type(error).__name__}")


class Answers:
    """Writes answers into the book, or keeps them until it can be written.

    An answer that the end of the process loses is found again by asking the venue: its order is unknown at the next
    start.
    """

    def __init__(self, book: OrderBook) -> None:
        self._book = book
        self._lock = threading.Lock()
        self._waiting: dict[ClientOrderId, tuple[Order, SubmitOutcome]] = {}

    def note(self, order: Order, outcome: SubmitOutcome) -> Order:
        """Write down what became of an order that was sent; returns it as it was when that cannot be done now."""
        try:
            return self._write(order, outcome)
        except DatabaseError as error:
            _log.error("the answer to %s cannot be written yet: %s", order.client_order_id, error.detail)
            with self._lock:
                self._waiting[order.client_order_id] = (order, outcome)
        except NotOwnerError:
            _log.warning(
                "the answer to %s is for the process that trades now: it asks the venue", order.client_order_id
            )
        return order

    def catch_up(self) -> None:
        """Write down what could not be written.

        Raises:
            DatabaseError: It still cannot.
        """
        with self._lock:
            waiting = dict(self._waiting)
        for name, (order, outcome) in waiting.items():
            try:
                self._write(order, outcome)
            except NotOwnerError:
                _log.warning("another process trades now and asks the venue about %s", name)
            with self._lock:
                self._waiting.pop(name, None)

    def _write(self, order: Order, outcome: SubmitOutcome) -> Order:
        if order.replaces is not None:
            return self._book.replace_answered(order.client_order_id, outcome)
        return self._book.submit_answered(order.client_order_id, outcome)
