"""Comparing our books with a venue's: at the start, every half minute, after each connection and on demand, one way."""

import logging
import threading
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, insert, select, update

from services.contracts.orders import ClientOrderId, VenueName
from services.contracts.trading import SplitBooked
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.kit.moments import microseconds, moment
from services.trading.brokers.port import Broker, Snapshot, VenueUnavailableError
from services.trading.desk.holdings import Holdings
from services.trading.desk.splits import splits
from services.trading.desk.tables import RECONCILED
from services.trading.desk.watching import VenueWatch
from services.trading.orders.book import OrderBook, PositionDrift, ReconcileReport
from services.trading.orders.transactions import Readings, Transactions
from services.trading.portfolio import store
from services.trading.portfolio.sessions import session_date
from services.trading.portfolio.store import Told

_OVERLAP: Final = timedelta(minutes=5)  # venues list by times of their own
_LONGEST: Final = timedelta(days=7)
_FIRST_ASK_SECONDS: Final = 1.0
_LONGEST_ASK_SECONDS: Final = 15.0

_log = logging.getLogger("services.trading.desk.reconciling")


@dataclass(frozen=True, slots=True)
class _Ask:
    """When an unknown order is asked for next, in monotonic seconds."""

    due: float
    wait_seconds: float


class Reconciler:
    """Compares with one venue. One comparison at a time; who comes while one runs gets the next one, shared.

    Args:
        book: Takes in what the venue says.
        watch: Told how it went.
        holdings: Told when positions were taken over.
        transactions: Where it is kept how far the books agree; guarded by the owner's fence.
        readings: The same database, for looking.
        clock: Time.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self,
        broker: Broker,
        book: OrderBook,
        watch: VenueWatch,
        *,
        holdings: Holdings,
        transactions: Transactions,
        readings: Readings,
        clock: Clock,
    ) -> None:
        self._broker = broker
        self._book = book
        self._watch = watch
        self._holdings = holdings
        self._transactions = transactions
        self._readings = readings
        self._clock = clock
        self._turn = threading.Lock()
        self._begun = 0
        self._last: ReconcileReport | None = None
        self._asks: dict[ClientOrderId, _Ask] = {}
        self._adopting = threading.Event()

    @property
    def venue(self) -> VenueName:
        return self._broker.name

    def adopt_positions(self) -> None:
        """Have the next comparison take over the positions that our fills do not explain: a person has looked."""
        self._adopting.set()

    def run(self, trigger: str) -> ReconcileReport:
        """Compare now.

        Raises:
            VenueUnavailableError: The venue does not answer.
            DatabaseError: The books cannot be read or written.
            NotOwnerError: Another process trades.
        """
        came_at = self._begun
        with self._turn:
            if self._last is not None and self._begun > came_at:
                return self._last  # one that began after we came has succeeded
            self._begun += 1
            self._last = None
            try:
                self._last = self._compare(trigger)
            except SightlineError as error:
                self._watch.not_reconciled(error)
                self._tell_failure(trigger, error)
                raise
            return self._last

    def ask(self, client_order_id: ClientOrderId) -> None:
        """Ask the venue for one order and take in the answer.

        Raises:
            VenueUnavailableError: The venue does not answer.
            DatabaseError: The answer cannot be written.
        """
        asked_at = self._clock.now()
        try:
            order = self._broker.find(client_order_id)
        except VenueUnavailableError as error:
            self._watch.asked(error)
            raise
        if order is None:
            self._book.not_found(client_order_id)
        else:
            self._book.found(client_order_id, order, asked_at=asked_at)

    def chase(self) -> None:
        """Ask for each unknown order whose turn it is, with a growing wait in between.

        Raises:
            VenueUnavailableError: The venue does not answer; every order waits for its next turn.
            DatabaseError: An answer cannot be written.
        """
        unknown = [order.client_order_id for order in self._book.unknown(self.venue)]
        self._asks = {name: ask for name, ask in self._asks.items() if name in unknown}
        for name in unknown:
            now = self._clock.monotonic()
            ask = self._asks.setdefault(name, _Ask(now + _FIRST_ASK_SECONDS, _FIRST_ASK_SECONDS))
            if now >= ask.due:
                wait_seconds = min(ask.wait_seconds * 2, _LONGEST_ASK_SECONDS)
                self._asks[name] = _Ask(now + wait_seconds, wait_seconds)
                self.ask(name)

    def _compare(self, trigger: str) -> ReconcileReport:
        asked_at = self._clock.now()
        with self._readings.reading() as connection:
            until = _until(connection, self.venue)
        snapshot = self._broker.snapshot(_since(until, asked_at))
        self._book_splits(snapshot, asked_at)
        report = self._book.reconcile(self.venue, snapshot, trigger, asked_at=asked_at)
        for name in report.ask:
            self.ask(name)
        if report.positions and (until is None or self._adopting.is_set()):
            self._adopt(report.positions, snapshot, asked_at)
            report = replace(report, positions=())
        self._adopting.clear()
        with self._transactions.transaction() as tx:
            _keep(tx.connection, self.venue, asked_at)
        self._watch.reconciled(snapshot, asked_at)
        return report

    def _book_splits(self, snapshot: Snapshot, at: datetime) -> None:
        ours = {symbol: held for (venue, symbol), held in self._holdings.now().items() if venue == self.venue}
        found = splits(ours, snapshot.positions)
        for symbol, ratio in found.items():
            with self._transactions.transaction() as tx:
                if store.split(tx.connection, (self.venue, symbol), session_date(at), ratio):
                    held = ours[symbol].quantity
                    tx.record(SplitBooked(subject=self.venue, symbol=symbol, ratio=ratio, before=held))
        self._holdings.changed((self.venue, symbol) for symbol in found)

    def _adopt(self, drifts: tuple[PositionDrift, ...], snapshot: Snapshot, at: datetime) -> None:
        told = {each.symbol: each for each in snapshot.positions}
        with self._transactions.transaction() as tx:
            for drift in drifts:
                there = told.get(drift.symbol)
                average = there.average_price if there is not None else drift.theirs
                market = there.market_price if there is not None else None
                what = Told(quantity=drift.theirs, average_price=average, market_price=market)
                store.adopt(tx.connection, (self.venue, drift.symbol), session_date(at), what)
                _log.warning("%s holds %s %s, taken over as it is", self.venue, drift.theirs, drift.symbol)
        self._holdings.changed((self.venue, drift.symbol) for drift in drifts)

    def _tell_failure(self, trigger: str, error: SightlineError) -> None:
        try:
            self._book.reconcile_failed(self.venue, trigger, error.detail)
        except SightlineError as second:
            _log.warning("%s is not reconciled, and that cannot be recorded: %s", self.venue, second.detail)


def _since(until: datetime | None, now: datetime) -> datetime:
    return now - _OVERLAP if until is None else max(until - _OVERLAP, now - _LONGEST)


def _until(connection: Connection, venue: VenueName) -> datetime | None:
    count = connection.execute(select(RECONCILED.c.until_us).where(RECONCILED.c.venue == venue)).scalar_one_or_none()
    return None if count is None else moment(count)


def _keep(connection: Connection, venue: VenueName, until: datetime) -> None:
    count = microseconds(until)
    changed = connection.execute(update(RECONCILED).where(RECONCILED.c.venue == venue).values(until_us=count))
    if changed.rowcount == 0:
        connection.execute(insert(RECONCILED).values(venue=venue, until_us=count))
