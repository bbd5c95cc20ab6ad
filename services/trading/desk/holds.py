"""Venues that are held back: nothing new is opened there, while cancels and exits still go.

Whoever holds a venue gives back his own hold, and a person may lift everybody's: a routine that is done with a venue
does not take from a person what that person holds it for.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, insert, select

from services.contracts.orders import VenueName
from services.contracts.trading import VenueHeld, VenueRestored
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.kit.moments import microseconds, moment
from services.trading.desk.tables import VENUE_HOLDS
from services.trading.orders.transactions import Readings, Transactions

_LONGEST_REASON: Final = 400

_log = logging.getLogger("services.trading.desk.holds")


@dataclass(frozen=True, slots=True)
class Hold:
    """Who holds a venue, why and since when."""

    actor: str
    reason: str
    held_at: datetime


class VenueHolds:
    """Keeps holds in memory for whoever asks, and in the database for the next start. Safe to use from any thread.

    Args:
        transactions: Where they are kept.
        readings: The same database, for looking.
        clock: Stamps them.
    """

    def __init__(self, transactions: Transactions, readings: Readings, clock: Clock) -> None:
        self._transactions = transactions
        self._readings = readings
        self._clock = clock
        self._lock = threading.RLock()
        self._holds: dict[VenueName, tuple[Hold, ...]] = {}  # exchanged whole, never changed: `of` takes no lock
        self._unsaved: list[tuple[VenueName, Hold]] = []

    def of(self, venue: VenueName) -> tuple[Hold, ...]:
        """Who holds a venue, the first one first; empty when nobody does. Never waits."""
        return self._holds.get(venue, ())

    def load(self) -> None:
        """Take over what the database holds, beside what could not be kept yet.

        Raises:
            DatabaseError: It is away.
        """
        with self._lock, self._readings.reading() as connection:
            found: dict[VenueName, tuple[Hold, ...]] = {}
            for row in connection.execute(select(VENUE_HOLDS).order_by(VENUE_HOLDS.c.held_at_us)):
                found[row.venue] = (*found.get(row.venue, ()), Hold(row.actor, row.reason, moment(row.held_at_us)))
            for venue, hold in self._unsaved:
                found[venue] = (*found.get(venue, ()), hold)
            self._holds = found

    def hold(self, venue: VenueName, actor: str, reason: str) -> bool:
        """Hold a venue back, from this moment on, whether it can be kept or not; False when the actor does already.

        What could not be kept is kept by `save_late`; the log says so.
        """
        with self._lock:
            holds = self.of(venue)
            if any(each.actor == actor for each in holds):
                return False
            new = Hold(actor, reason[:_LONGEST_REASON], self._clock.now())
            self._holds = {**self._holds, venue: (*holds, new)}
            try:
                self._keep(venue, new)
            except SightlineError as error:
                self._unsaved.append((venue, new))
                _log.error("%s is held, but that could not be kept: %s", venue, error.detail)
            return True

    def restore(self, venue: VenueName, actor: str, reason: str, *, everyones: bool = False) -> bool:
        """Give back the actor's own hold, or everybody's; it is kept before it counts.

        Returns:
            Whether there was one.

        Raises:
            DatabaseError: It could not be kept, and nothing has changed.
        """
        with self._lock:
            holds = self.of(venue)
            lifted = [each for each in holds if everyones or each.actor == actor]
            if not lifted:
                return False
            left = tuple(each for each in holds if each not in lifted)
            here = VENUE_HOLDS.c.venue == venue
            names = [each.actor for each in lifted]
            fact = VenueRestored(
                subject=venue,
                actor=actor,
                reason=reason,
                held_seconds=max(0.0, (self._clock.now() - lifted[0].held_at).total_seconds()),
                still_held_by=tuple(each.actor for each in left),
            )
            with self._transactions.transaction(durable=True) as tx:
                tx.connection.execute(delete(VENUE_HOLDS).where(here, VENUE_HOLDS.c.actor.in_(names)))
                tx.record(fact)
            self._holds = {**self._holds, venue: left}
            self._unsaved = [each for each in self._unsaved if not (each[0] == venue and each[1] in lifted)]
            return True

    def save_late(self) -> None:
        """Keep what could not be kept when it happened.

        Raises:
            DatabaseError: It still cannot.
        """
        with self._lock:
            while self._unsaved:
                self._keep(*self._unsaved[0])
                self._unsaved.pop(0)

    def _keep(self, venue: VenueName, hold: Hold) -> None:
        row = {"actor": hold.actor, "reason": hold.reason, "held_at_us": microseconds(hold.held_at)}
        with self._transactions.transaction(durable=True) as tx:
            tx.connection.execute(insert(VENUE_HOLDS).values(venue=venue, **row))
            tx.record(VenueHeld(subject=venue, actor=hold.actor, reason=hold.reason))
