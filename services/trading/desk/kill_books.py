"""Our books as the kill switch uses them: kept when they can be, made up for when they could not."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from services.contracts.orders import ClientOrderId, OrderIntent, VenueName, VenueOrderId, client_order_id
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.trading.brokers.port import Snapshot, SubmitOutcome
from services.trading.desk.closing import Known
from services.trading.orders.book import OrderBook
from services.trading.orders.order import UNSETTLED, Order

_TRY_AGAIN_SECONDS: Final = 5.0
_TRIGGER: Final = "operator"

_log = logging.getLogger("services.trading.desk.kill_books")

Told = TypeVar("Told")


@dataclass(slots=True)
class _Unwritten:
    """A closing order that is not in the books, and what became of it."""

    intent: OrderIntent
    venue: VenueName
    outcome: SubmitOutcome | None = None


class TolerantBooks:
    """Implements `closing.KillBooks` on the book of orders. Safe to use from any thread.

    A database that is away is tried again only after some seconds: the kill switch must not wait for it at each order.
    """

    def __init__(self, book: OrderBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock
        self._lock = threading.Lock()
        self._away_until = clock.monotonic()
        self._unwritten: dict[ClientOrderId, _Unwritten] = {}

    def begin(self, intent: OrderIntent, venue: VenueName) -> Known:
        """See `KillBooks.begin`."""
        begun = self._tried(lambda: self._book.begin(intent, venue, 0))
        if begun is None:
            with self._lock:
                self._unwritten[client_order_id(intent.intent_id, 0)] = _Unwritten(intent, venue)
            return Known.NOTHING
        order, new = begun
        return Known.NOTHING if new else _known(order)

    def answered(self, order: ClientOrderId, outcome: SubmitOutcome) -> None:
        """See `KillBooks.answered`."""
        with self._lock:
            unwritten = self._unwritten.get(order)
            if unwritten is not None:
                unwritten.outcome = outcome
        if unwritten is None and self._tried(lambda: self._book.submit_answered(order, outcome)) is None:
            _log.warning("the answer to %s is not written down; reconciliation asks the venue for it", order)

    def at_work(self, venue: VenueName) -> tuple[VenueOrderId, ...]:
        """See `KillBooks.at_work`."""
        names = [order.venue_order_id for order in self._book.working.orders(venue) if order.cancelable]
        return tuple(name for name in names if name is not None)

    def unknown(self, venue: VenueName) -> tuple[ClientOrderId, ...]:
        """See `KillBooks.unknown`."""
        return tuple(order.client_order_id for order in self._book.unknown(venue))

    def agree(self, venue: VenueName, snapshot: Snapshot, asked_at: datetime) -> None:
        """See `KillBooks.agree`."""
        self.make_up(venue)
        self._tried(lambda: self._book.reconcile(venue, snapshot, _TRIGGER, asked_at=asked_at))

    def make_up(self, venue: VenueName) -> None:
        """Write down what could not be written when it was sent."""
        with self._lock:
            mine = {name: each for name, each in self._unwritten.items() if each.venue == venue}
        for name, each in mine.items():
            outcome = each.outcome
            if outcome is None or self._tried(partial(self._book.begin, each.intent, each.venue, 0)) is None:
                continue
            if self._tried(partial(self._book.submit_answered, name, outcome)) is not None:
                with self._lock:
                    self._unwritten.pop(name, None)

    def _tried(self, call: Callable[[], Told]) -> Told | None:
        """What the book says; None when it cannot be asked now."""
        if self._clock.monotonic() < self._away_until:
            return None
        try:
            return call()
        except SightlineError as error:
            self._away_until = self._clock.monotonic() + _TRY_AGAIN_SECONDS
            _log.error("the kill switch goes on without the books: %s", error.detail)
            return None


def _known(order: Order) -> Known:
    if order.status in UNSETTLED:
        return Known.UNKNOWN
    return Known.ENDED if order.status.terminal else Known.SENT
