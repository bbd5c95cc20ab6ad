"""Cancels a strategy's orders, and waits until the venue has said so."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from services.contracts.orders import ClientOrderId
from services.kit.errors import SightlineError
from services.trading.desk.errors import NotOwnerError
from services.trading.engine.account import Ledger
from services.trading.engine.parts import EngineParts
from services.trading.orders.order import Order

_CANCEL_SECONDS: Final = 10.0
_CANCEL_POLL_SECONDS: Final = 0.02

_log = logging.getLogger("services.trading.engine")


class Cancels:
    """Cancels for one strategy; one thread's.

    Args:
        strategy: Its name.
        ledger: Its account.
        stopping: Set when the thread is to end.
    """

    def __init__(self, strategy: str, parts: EngineParts, ledger: Ledger, stopping: threading.Event) -> None:
        self._strategy = strategy
        self._parts = parts
        self._ledger = ledger
        self._stopping = stopping

    def end(self, orders: list[Order]) -> None:
        """Cancel orders, and wait until each has ended or the venue has been silent for ten seconds."""
        deadline = self._parts.clock.monotonic() + _CANCEL_SECONDS
        names = [order.client_order_id for order in orders]
        asked: set[str] = set()
        while not self._stopping.is_set():
            left = [order for order in self._ledger.working() if order.client_order_id in names]
            if not left:
                return
            if self._parts.clock.monotonic() > deadline:
                _log.warning("%s goes on although %d orders are not canceled yet", self._strategy, len(left))
                return
            unasked = [order for order in left if order.client_order_id not in asked]
            if unasked:  # one after the other: with an entry, and with an exit, the others go by themselves
                asked.add(unasked[0].client_order_id)
                self._ask(unasked[0], self._cancel)
            else:
                self._stopping.wait(_CANCEL_POLL_SECONDS)
                self._ask(left[0], self._parts.orders.look)
            with self._parts.database.reading() as connection:
                self._ledger.refresh(connection)

    def _cancel(self, name: ClientOrderId) -> None:
        self._parts.orders.cancel(name, self._strategy)
        self._parts.orders.look(name)

    def _ask(self, order: Order, work: Callable[[ClientOrderId], object]) -> None:
        try:
            work(order.client_order_id)
        except NotOwnerError:
            raise
        except SightlineError as error:
            _log.warning("a cancel for %s is not settled: %s", self._strategy, error.detail)
