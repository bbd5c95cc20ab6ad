"""Hears a venue's stream and hands what it says to the book. Whatever goes wrong here is made good by a comparison."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import Tracer

from services.contracts.orders import VenueName
from services.contracts.trading import StreamConnected, StreamLost
from services.kit.database_errors import DatabaseError
from services.kit.errors import SightlineError
from services.trading.brokers.port import Told, Update
from services.trading.desk.tracing import booking
from services.trading.desk.watching import VenueWatch
from services.trading.orders.book import OrderBook
from services.trading.orders.errors import OrderNotFoundError
from services.trading.orders.order import Order
from services.trading.orders.transactions import Transactions

RECONNECT: Final = "reconnect"

_log = logging.getLogger("services.trading.desk.listening")


class Listener:
    """Implements `UpdateListener` for one venue. Its calls come one after the other and may block.

    Args:
        reconcile: Asks for a comparison soon.
    """

    def __init__(
        self,
        book: OrderBook,
        watch: VenueWatch,
        facts: Transactions,
        tracer: Tracer,
        *,
        reconcile: Callable[[str], object],
    ) -> None:
        self._book = book
        self._watch = watch
        self._facts = facts
        self._tracer = tracer
        self._reconcile = reconcile

    @property
    def venue(self) -> VenueName:
        return self._watch.venue

    def connected(self) -> None:
        """The stream stands: something may have been missed before."""
        self._watch.connected()
        self._reconcile(RECONNECT)
        self._make_good(lambda: self._state(StreamConnected(subject=self.venue)))

    def disconnected(self, reason: str) -> None:
        """The stream is gone."""
        self._watch.disconnected(reason)
        self._make_good(lambda: self._state(StreamLost(subject=self.venue, reason=reason)))

    def updates(self, told: Sequence[Told]) -> None:
        """Keep frames and work them in, all or, when it raises, none."""
        self._watch.heard()
        with ExitStack() as after_commit:  # until then a span can take in what is said of its fill
            self._book.updates(self.venue, told, lambda update: self._traced(update, after_commit))

    def frame(self, raw: str) -> None:
        """Keep a frame as it came."""
        self._watch.heard()
        self._make_good(lambda: self._book.frame(self.venue, raw))

    def update(self, update: Update, raw: str) -> None:
        """Work a frame in."""
        with ExitStack() as after_commit, self._traced(update, after_commit):
            self._make_good(lambda: self._book.update(self.venue, update, raw))

    def unreadable(self, raw: str, problem: str) -> None:
        """Keep a frame that was not understood, and look what it was about."""
        self._make_good(lambda: self._book.unreadable(self.venue, raw, problem))
        self._reconcile(RECONNECT)

    def _traced(self, update: Update, until: ExitStack) -> AbstractContextManager[object]:
        """A span for a fill of an order of ours, that ends with `until`."""
        order = None if update.fill is None else self._order(update)
        if order is None:
            return nullcontext()
        span = booking(self._tracer, order)
        until.callback(span.end)
        return trace.use_span(span, record_exception=False, set_status_on_exception=False)

    def _order(self, update: Update) -> Order | None:
        """Our order, if it can be told: a fill is worked in without it, too."""
        name = update.order.client_order_id
        try:
            return None if name is None else self._book.working.get(name) or self._book.get(name)
        except (OrderNotFoundError, DatabaseError):
            return None

    def _state(self, fact: StreamConnected | StreamLost) -> None:
        with self._facts.transaction() as tx:
            tx.record(fact)

    def _make_good(self, work: Callable[[], object]) -> None:
        try:
            work()
        except SightlineError as error:
            _log.warning("news of %s could not be worked in, a comparison makes it good: %s", self.venue, error.detail)
            self._reconcile(RECONNECT)
