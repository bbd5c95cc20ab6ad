"""Carries out what was decided: cancels what works, then sends the orders, each once.

What is to be done is written down before anything of it is done, so that a process that goes on after a crash does the
rest, and finds what was sent under the same names.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from services.contracts.events import Event
from services.contracts.market import Symbol
from services.contracts.orders import ClientOrderId, DenyReason, IntentId, OrderIntent, OrderTicket
from services.contracts.strategies import SignalDenied, SignalEmitted, SignalExpired
from services.kit.errors import SightlineError
from services.trading.desk.errors import NotOwnerError
from services.trading.desk.views import VerdictState
from services.trading.engine import store
from services.trading.engine.account import Ledger
from services.trading.engine.config import StrategyConfig
from services.trading.engine.deciding import CLOSE, ENTRY
from services.trading.engine.parts import EngineParts
from services.trading.engine.store import Kept, Outcome, Signal
from services.trading.orders.order import Order

_CANCEL_SECONDS: Final = 10.0
_CANCEL_POLL_SECONDS: Final = 0.02
# Two and a half minutes in all: an order that nobody knows of is believed to be nowhere after one.
_MOST_TRIES: Final = 10
_FIRST_WAIT_SECONDS: Final = 0.5
_LONGEST_WAIT_SECONDS: Final = 30.0
_PASSING: Final = frozenset(
    {
        DenyReason.NOT_READY,
        DenyReason.NO_VENUE,
        DenyReason.NO_REFERENCE_PRICE,
        DenyReason.VERDICT_MISSING,
        DenyReason.VERDICT_EXPIRED,
        DenyReason.UNKNOWN_IN_SYMBOL,
    }
)
_NONE: Final = timedelta()
_LATE: Final = "its bar ended too long ago"

_log = logging.getLogger("services.trading.engine")


class Hands:
    """Acts for one strategy; one thread's.

    Args:
        kept: How the strategy stands; written down with what became of each signal.
        ledger: Its account.
        stopping: Set when the thread is to end.

    Attributes:
        planned: What is still to be done, in its order.
    """

    def __init__(
        self, config: StrategyConfig, parts: EngineParts, kept: Kept, ledger: Ledger, stopping: threading.Event
    ) -> None:
        self._config = config
        self._parts = parts
        self._kept = kept
        self._ledger = ledger
        self._stopping = stopping
        self._calendar = parts.calendars[config.timeframe]
        self._cleared: set[Symbol] = set()
        self._tries: dict[IntentId, tuple[int, float]] = {}
        self.planned: list[Signal] = []

    def resume(self) -> None:
        """Take up what the last process left. Raises `DatabaseError`."""
        with self._parts.database.reading() as connection:
            self.planned = store.planned(connection, self._kept.name)
        self._cleared = set()

    def begin(self, signals: list[Signal]) -> None:
        """What was decided at a new bar is written down."""
        self.planned += signals
        self._cleared = set()

    def perform(self) -> bool:
        """Do what can be done now; whether all is done.

        Raises:
            NotOwnerError: Another process trades.
            DatabaseError: Nothing can be written.
        """
        for symbol in self._kept.account.acting:
            if symbol not in self._cleared:
                self._clear(symbol)
                self._cleared.add(symbol)
        for signal in list(self.planned):
            if self._stopping.is_set():
                return False
            if self._send(signal):
                self.planned.remove(signal)
        return not self.planned

    def too_old(self, signal: Signal) -> bool:
        """Whether a signal is too old to be sent."""
        return signal.wish.opens and self._left(signal) <= _NONE

    def age_seconds(self, signal: Signal) -> float:
        """Since the end of its bar."""
        return max((self._parts.time.now() - self._calendar.ended(signal.bar_at)).total_seconds(), 0.0)

    def _left(self, signal: Signal) -> timedelta:
        """How much longer a signal may be sent."""
        limit = self._config.stale_seconds
        if limit is None:
            return self._calendar.entry_ends(signal.bar_at) - self._parts.time.now()
        return timedelta(seconds=limit - self.age_seconds(signal))

    def drop(self, signal: Signal, why: str) -> None:
        """A newer decision has taken its place."""
        self._conclude(signal, Outcome.DROPPED, why)
        self.planned.remove(signal)

    def refresh(self) -> None:
        """Read what became of its orders. Raises `DatabaseError`."""
        with self._parts.database.reading() as connection:
            self._ledger.refresh(connection)

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
                _log.warning("%s goes on although %d orders are not canceled yet", self._kept.name, len(left))
                return
            unasked = [order for order in left if order.client_order_id not in asked]
            if unasked:  # one after the other: with an entry, and with an exit, the others go by themselves
                asked.add(unasked[0].client_order_id)
                self._ask(unasked[0], self._cancel)
            else:
                self._stopping.wait(_CANCEL_POLL_SECONDS)
                self._ask(left[0], self._parts.orders.look)
            self.refresh()

    def _cancel(self, name: ClientOrderId) -> None:
        self._parts.orders.cancel(name, self._kept.name)
        self._parts.orders.look(name)

    def _ask(self, order: Order, work: Callable[[ClientOrderId], object]) -> None:
        try:
            work(order.client_order_id)
        except NotOwnerError:
            raise
        except SightlineError as error:
            _log.warning("a cancel for %s is not settled: %s", self._kept.name, error.detail)

    def _clear(self, symbol: Symbol) -> None:
        self.refresh()
        account = self._kept.account
        keeps_close = account.acting[symbol]
        old = [
            order
            for order in self._ledger.working(symbol)
            if account.open[order.intent_id].bar_at != self._kept.decided
            and not (keeps_close and self._ledger.leg(order) == CLOSE)
        ]
        self.end(old)

    def _send(self, signal: Signal) -> bool:
        """Whether it is known what became of it."""
        self.refresh()
        if self._ledger.sent(signal.intent_id):
            self._conclude(signal, Outcome.SENT, "", _emitted(signal, self.age_seconds(signal)))
            return True
        if self.too_old(signal):
            self._conclude(signal, Outcome.EXPIRED, _LATE, expired(signal, self.age_seconds(signal)))
            return True
        if signal.leg == ENTRY and self._ledger.closing(signal.symbol):
            return False
        ticket = self._fitting(signal)
        if ticket is None:
            self._conclude(signal, Outcome.DROPPED, "its position is not what it was when this was decided")
            return True
        if signal.wish.opens and not self._ready():
            return False
        return self._submit(replace(signal, ticket=ticket))

    def _fitting(self, signal: Signal) -> OrderTicket | None:
        """The order as it fits what is held now; None when there is nothing left to do."""
        ticket, held = signal.ticket, self._ledger.held(signal.symbol)
        along = held * ticket.side.sign
        if signal.leg == CLOSE:
            shares = min(ticket.quantity, -along)
            return ticket.model_copy(update={"quantity": shares}) if shares > 0 else None
        if signal.leg == ENTRY and along:
            return None
        return ticket

    def _ready(self) -> bool:
        return any(
            venue.ready and venue.verdict.state is VerdictState.VALID
            for venue in self._parts.orders.state().venues
            if self._config.venue in {None, venue.venue}
        )

    def _submit(self, signal: Signal) -> bool:
        """Whether it is known what became of it: what may pass in a moment is tried a few times."""
        tries, due = self._tries.get(signal.intent_id, (0, 0.0))
        if self._parts.clock.monotonic() < due:
            return False
        placement = self._parts.orders.submit(self._intent(signal))
        emitted = _emitted(signal, self.age_seconds(signal))
        if placement.denial is None:
            self._tries.pop(signal.intent_id, None)
            self._conclude(signal, Outcome.SENT, "", emitted)
            return True
        reason, detail = placement.denial.reason, placement.denial.detail
        if reason in _PASSING and tries < _MOST_TRIES:
            wait_seconds = min(_FIRST_WAIT_SECONDS * 2**tries, _LONGEST_WAIT_SECONDS)
            self._tries[signal.intent_id] = (tries + 1, self._parts.clock.monotonic() + wait_seconds)
            return False
        self._tries.pop(signal.intent_id, None)
        self._conclude(signal, Outcome.DENIED, f"{reason}: {detail}", emitted, denied(signal, reason, detail))
        return True

    def _intent(self, signal: Signal) -> OrderIntent:
        return OrderIntent(
            intent_id=signal.intent_id,
            strategy=signal.strategy,
            # How old a signal may be is the engine's to say: the gate's limit is for those who tell nobody.
            signal_at=self._parts.clock.now(),
            leg=signal.leg,
            ticket=signal.ticket,
            expires_at=self._parts.clock.now() + self._left(signal) if signal.wish.opens else None,
            reference_price=signal.last,
            venue=self._config.venue,
        )

    def _conclude(self, signal: Signal, outcome: Outcome, detail: str = "", *facts: Event) -> None:
        if outcome is not Outcome.SENT:
            self._ledger.forget(signal.intent_id)
            self._kept.account.baseline = None  # the reference knows of no such end
        with self._parts.facts.transaction() as tx:
            store.conclude(tx.connection, signal, outcome, detail)
            store.keep(tx.connection, self._kept)
            for fact in facts:
                tx.record(fact)


def denied(signal: Signal, reason: DenyReason, detail: str) -> SignalDenied:
    """The fact that a signal was refused."""
    return SignalDenied(**_about(signal), reason=reason, detail=detail)


def expired(signal: Signal, age_seconds: float) -> SignalExpired:
    """The fact that a signal was too old."""
    return SignalExpired(**_about(signal), age_seconds=age_seconds)


def _emitted(signal: Signal, delay_seconds: float) -> SignalEmitted:
    return SignalEmitted(**_about(signal), delay_seconds=delay_seconds)


def _about(signal: Signal) -> dict[str, Any]:
    return {
        "subject": signal.intent_id,
        "strategy": signal.strategy,
        "symbol": signal.symbol,
        "side": signal.ticket.side,
        "quantity": signal.ticket.quantity,
        "intent_id": signal.intent_id,
        "bar_at": signal.bar_at,
    }
