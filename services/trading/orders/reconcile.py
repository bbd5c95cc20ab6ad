"""Comparing our books with a venue's: at the start, at intervals, after a reconnect and for an unknown order alike.

A snapshot is a look at the past: what was sent after it began, and what is being sent, is left alone. What the venue
tells goes through the state machine like all other news, so that comparing twice changes nothing the second time.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection, insert

from services.contracts.market import Symbol
from services.contracts.orders import ClientOrderId, Fill, OrderStatus, Source, VenueName, VenueOrderId
from services.contracts.trading import Drift, DriftFound, Reconciled, ReconciliationFailed
from services.kit.clock import Clock
from services.kit.moments import microseconds
from services.trading.brokers.port import Snapshot, VenueFill, VenueOrder
from services.trading.orders import store
from services.trading.orders.hearing import Hearing
from services.trading.orders.journal import Journal
from services.trading.orders.order import Order
from services.trading.orders.position_drift import PositionDrift, PositionWatch
from services.trading.orders.tables import RECONCILIATIONS
from services.trading.orders.transactions import Readings
from services.trading.orders.translate import venue_made
from services.trading.orders.working import Working

Held = Callable[[Connection, VenueName], Mapping[Symbol, Decimal]]
"""What our ledger says that a venue holds; negative when short."""

Writing = Callable[[], AbstractContextManager[Journal]]

# What the venue did so shortly before it was asked is on its way by the stream: hearing of it first is no difference.
_ON_ITS_WAY: Final = timedelta(seconds=2)
_WORDS: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileReport:
    """What a comparison with a venue found.

    Attributes:
        orders: How many were compared.
        differences: How many things were not as we had them.
        ask: Orders that the caller has to ask the venue about by their client order id, handing the answer to `found`
            or `not_found`: the venue did not list them, or nobody knows whether it has them.
        foreign: Orders at the venue that are not ours.
        positions: Where its positions are not what our fills come to.
    """

    venue: VenueName
    trigger: str
    orders: int
    differences: int
    ask: tuple[ClientOrderId, ...]
    foreign: tuple[VenueOrder, ...]
    positions: tuple[PositionDrift, ...]
    seconds: float


@dataclass(slots=True)
class _Comparison:
    """What is found while comparing."""

    venue: VenueName
    asked_at: datetime
    told: Mapping[ClientOrderId, VenueOrder]
    fills: Mapping[VenueOrderId, list[VenueFill]]
    drifts: list[DriftFound] = field(default_factory=list)
    foreign: list[VenueOrder] = field(default_factory=list)
    lasting: set[tuple[Drift, str]] = field(default_factory=set)
    differences: int = 0

    def differs(self, kind: Drift, symbol: Symbol, detail: str, *, state: bool = True) -> None:
        self.differences += 1
        if state:
            self.drifts.append(DriftFound(subject=self.venue, kind=kind, symbol=symbol, detail=detail))


class Reconciler:
    """Compares with venues. What lasts from one comparison to the next is stated once."""

    def __init__(self, writing: Writing, database: Readings, clock: Clock, working: Working, held: Held) -> None:
        self._writing = writing
        self._database = database
        self._clock = clock
        self._working = working
        self._positions = PositionWatch(held)
        self._lock = threading.Lock()
        self._stated: dict[VenueName, set[tuple[Drift, str]]] = {}

    def booked(self, fills: Iterable[Fill], at: datetime) -> None:
        """Take note of fills that were booked: positions in their symbols were in motion at that moment."""
        self._positions.booked(fills, at)

    def compare(self, venue: VenueName, snapshot: Snapshot, trigger: str, asked_at: datetime) -> ReconcileReport:
        """See `OrderBook.reconcile`."""
        ours = self._working.unsettled(venue)
        comparison = _Comparison(venue, asked_at, _by_name(venue, snapshot.orders), _by_order(snapshot.fills))
        for told in self._news(comparison):
            self._hear(comparison, told)
        ask = self._unlisted(comparison, ours)
        positions = self._compare_positions(comparison, snapshot)
        now = self._clock.now()
        report = ReconcileReport(
            venue=venue,
            trigger=trigger,
            orders=len(comparison.told),
            differences=comparison.differences,
            ask=ask,
            foreign=tuple(comparison.foreign),
            positions=positions,
            seconds=max(0.0, (now - asked_at).total_seconds()),
        )
        self._conclude(report, comparison, now)
        return report

    def failed(self, venue: VenueName, trigger: str, reason: str) -> None:
        """State that a venue could not be compared with."""
        now = self._clock.now()
        with self._writing() as journal:
            journal.connection.execute(insert(RECONCILIATIONS).values(_row(venue, trigger, now, now, failure=reason)))
            journal.record(ReconciliationFailed(subject=venue, trigger=trigger, reason=reason[:_WORDS]))

    def _news(self, comparison: _Comparison) -> list[VenueOrder]:
        """What was told that our books do not have so. Looked up all at once, since most of it they have."""
        with self._database.reading() as connection:
            settled = store.settled(connection, tuple(comparison.told))
        return [
            told
            for name, told in comparison.told.items()
            if settled.get(name) != (told.status, told.filled) and not _same(self._working.get(name), told)
        ]

    def _hear(self, comparison: _Comparison, told: VenueOrder) -> None:
        with self._writing() as journal:
            hearing = Hearing(journal, comparison.venue, Source.RECONCILIATION, asked_at=comparison.asked_at)
            order = hearing.meant(told)
            if order is None:
                comparison.foreign.append(told)
                detail = f"{told.side} {told.quantity} {told.symbol} ({told.substatus}) as {told.venue_order_id}"
                self._note(comparison, Drift.FOREIGN_ORDER, told.venue_order_id, told.symbol, detail)
                return
            if order.status is OrderStatus.SUBMITTING or order.submitted_at > comparison.asked_at:
                return
            after = hearing.told(order, told, comparison.fills.get(told.venue_order_id, ()))
        self._count(comparison, told, order, after)

    def _count(self, comparison: _Comparison, told: VenueOrder, before: Order, after: Order) -> None:
        age = comparison.asked_at - told.updated_at
        if timedelta(0) <= age < _ON_ITS_WAY:
            return
        name, symbol = before.client_order_id, before.ticket.symbol
        if after.filled != before.filled:
            detail = f"{name} has {after.filled} filled, we had {before.filled}"
            comparison.differs(Drift.MISSED_FILL, symbol, detail)
        if (after.standing, after.pending) != (before.standing, before.pending):
            detail = f"{name} is {after.status} ({after.substatus}), we had {before.status}"
            comparison.differs(Drift.MISSED_STATUS, symbol, detail)

    def _unlisted(self, comparison: _Comparison, ours: Iterable[Order]) -> tuple[ClientOrderId, ...]:
        named = {each.venue_order_id for each in comparison.told.values()}
        ask = []
        for order in ours:
            listed = order.client_order_id in comparison.told or order.venue_order_id in named
            # Our news of it is newer than the look: an order may be taken between the two.
            newer = order.status is OrderStatus.SUBMITTING or order.changed_at > comparison.asked_at
            if listed or newer:
                continue
            ask.append(order.client_order_id)
            if order.status is not OrderStatus.UNKNOWN:
                detail = f"{order.client_order_id} is {order.status} with us and not among the venue's orders"
                key = order.client_order_id
                self._note(comparison, Drift.MISSING_AT_VENUE, key, order.ticket.symbol, detail)
        return tuple(ask)

    def _compare_positions(self, comparison: _Comparison, snapshot: Snapshot) -> tuple[PositionDrift, ...]:
        theirs = {position.symbol: position.quantity for position in snapshot.positions}
        moving = {order.ticket.symbol for order in self._working.unsettled(comparison.venue)}
        with self._database.reading() as connection:
            drifts = self._positions.compare(connection, comparison.venue, theirs, moving, comparison.asked_at)
        for drift in drifts:
            detail = f"the venue holds {drift.theirs}, our fills come to {drift.ours}"
            self._note(comparison, Drift.POSITION, f"{drift.symbol}:{drift.theirs}:{drift.ours}", drift.symbol, detail)
        return drifts

    def _note(self, comparison: _Comparison, kind: Drift, key: str, symbol: Symbol, detail: str) -> None:
        with self._lock:
            known = (kind, key) in self._stated.get(comparison.venue, set())
        comparison.lasting.add((kind, key))
        comparison.differs(kind, symbol, detail, state=not known)

    def _conclude(self, report: ReconcileReport, comparison: _Comparison, now: datetime) -> None:
        row = _row(report.venue, report.trigger, comparison.asked_at, now, report.orders, report.differences)
        with self._writing() as journal:
            journal.connection.execute(insert(RECONCILIATIONS).values(row))
            for drift in comparison.drifts:
                journal.record(drift)
            journal.record(
                Reconciled(
                    subject=report.venue,
                    trigger=report.trigger,
                    orders=report.orders,
                    differences=report.differences,
                    duration_seconds=report.seconds,
                )
            )
        with self._lock:
            self._stated[report.venue] = comparison.lasting


def _by_name(venue: VenueName, orders: Iterable[VenueOrder]) -> dict[ClientOrderId, VenueOrder]:
    """Orders by our name for them, an entry before its legs."""
    named: dict[ClientOrderId, VenueOrder] = {}
    for order in orders:
        named[venue_made(order, venue)] = replace(order, legs=())
        named.update(_by_name(venue, (replace(leg, parent=order.venue_order_id) for leg in order.legs)))
    return named


def _same(ours: Order | None, told: VenueOrder) -> bool:
    if ours is None or ours.not_found:
        return False
    known = (ours.status, ours.substatus, ours.filled, ours.venue_order_id)
    return known == (told.status, told.substatus, told.filled, told.venue_order_id)


def _by_order(fills: Iterable[VenueFill]) -> dict[VenueOrderId, list[VenueFill]]:
    sorted_in: dict[VenueOrderId, list[VenueFill]] = {}
    for fill in sorted(fills, key=lambda fill: fill.cumulative):
        sorted_in.setdefault(fill.venue_order_id, []).append(fill)
    return sorted_in


def _row(  # noqa: PLR0913, PLR0917 -- the columns of one row
    venue: VenueName,
    trigger: str,
    asked_at: datetime,
    ended_at: datetime,
    orders: int = 0,
    differences: int = 0,
    failure: str = "",
) -> dict[str, object]:
    return {
        "venue": venue,
        "caused_by": trigger,
        "asked_at_us": microseconds(asked_at),
        "ended_at_us": microseconds(ended_at),
        "orders": orders,
        "differences": differences,
        "failure": failure[:_WORDS],
    }
