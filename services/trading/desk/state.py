"""What trading may do: one row, latched. It narrows by itself or by anybody; only a person widens it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select, update

from services.contracts.orders import TradingState
from services.contracts.trading import TradingStateChanged
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.kit.moments import microseconds, moment
from services.trading.desk.tables import TRADING_STATE
from services.trading.orders.transactions import Readings, Transaction, Transactions
from services.trading.risk.state import stricter

SUBJECT: Final = "trading"
_LONGEST_REASON: Final = 400

_log = logging.getLogger("services.trading.desk.state")

Along = Callable[[Transaction], None]
"""Writes something more in the transaction that keeps a change."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What trading may do, since when, by whose word and why."""

    state: TradingState
    actor: str
    reason: str
    changed_at: datetime


class StateKeeper:
    """Holds the state in memory for whoever asks, and in the database for the next start.

    Args:
        transactions: Where the row is.
        readings: The same database, for looking.
        clock: Stamps changes.
    """

    def __init__(self, transactions: Transactions, readings: Readings, clock: Clock) -> None:
        self._transactions = transactions
        self._readings = readings
        self._clock = clock
        self._lock = threading.RLock()
        self._standing = Standing(TradingState.ACTIVE, "sightline", "nothing has happened yet", clock.now())
        self._unsaved: Standing | None = None  # what the state was when the first change could not be kept

    @property
    def now(self) -> Standing:
        """How it stands; never waits."""
        return self._standing

    @property
    def saved(self) -> bool:
        """Whether the database knows of it."""
        return self._unsaved is None

    def load(self) -> None:
        """Take over what the database holds, unless memory is stricter and could not be kept yet.

        Raises:
            DatabaseError: It is away.
        """
        with self._lock, self._readings.reading() as connection:
            kept = _kept(connection)
            if kept is not None and (self._unsaved is None or stricter(kept.state, self._standing.state)):
                self._standing = kept

    def narrow(self, to: TradingState, actor: str, reason: str, along: Along | None = None) -> bool:
        """Allow less, from this moment on, whether it can be kept or not; False when no more was allowed before.

        `along` is written in any case. What could not be kept is kept by `save_late`; the log says so.
        """
        with self._lock:
            was = self._standing
            narrower = stricter(to, was.state)
            if narrower:
                self._standing = self._standing_now(to, actor, reason)
            elif along is None:
                return False
            try:
                self._keep((was, self._standing) if narrower else None, along)
            except SightlineError as error:
                if narrower and self._unsaved is None:
                    self._unsaved = was
                _log.error("trading is %s, but that could not be kept: %s", self._standing.state, error.detail)
            return narrower

    def widen(self, actor: str, reason: str) -> None:
        """Trade again, by a person's word. It is kept before it counts.

        Raises:
            DatabaseError: It could not be kept, and nothing has changed.
        """
        with self._lock:
            now = self._standing_now(TradingState.ACTIVE, actor, reason)
            self._keep((self._standing, now), None)
            self._standing, self._unsaved = now, None

    def save_late(self) -> None:
        """Keep what could not be kept when it happened.

        Raises:
            DatabaseError: It still cannot.
        """
        with self._lock:
            if self._unsaved is not None:
                self._keep((self._unsaved, self._standing), None)
                self._unsaved = None

    def _standing_now(self, state: TradingState, actor: str, reason: str) -> Standing:
        return Standing(state, actor, reason[:_LONGEST_REASON], self._clock.now())

    def _keep(self, change: tuple[Standing, Standing] | None, along: Along | None) -> None:
        with self._transactions.transaction(durable=True) as tx:
            if change is not None:
                was, now = change
                _write(tx.connection, now)
                tx.record(_changed(was, now))
            if along is not None:
                along(tx)


def _changed(was: Standing, now: Standing) -> TradingStateChanged:
    return TradingStateChanged(subject=SUBJECT, was=was.state, now=now.state, actor=now.actor, reason=now.reason)


def _kept(connection: Connection) -> Standing | None:
    row = connection.execute(select(TRADING_STATE).where(TRADING_STATE.c.name == SUBJECT)).one_or_none()
    return None if row is None else Standing(TradingState(row.state), row.actor, row.reason, moment(row.changed_at_us))


def _write(connection: Connection, standing: Standing) -> None:
    values = {
        "state": standing.state.value,
        "actor": standing.actor,
        "reason": standing.reason,
        "changed_at_us": microseconds(standing.changed_at),
    }
    changed = connection.execute(update(TRADING_STATE).where(TRADING_STATE.c.name == SUBJECT).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(TRADING_STATE).values(name=SUBJECT, **values))
