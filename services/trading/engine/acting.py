"""Carries out what was decided: cancels what works, then sends the orders, each once.

What is to be done is written down before anything of it is done, so that a process that goes on after a crash does the
rest, and finds what was sent under the same names.
"""

import logging
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from services.contracts.events import Event
from services.contracts.market import Symbol
from services.contracts.orders import DenyReason, IntentId, OrderIntent, OrderTicket
from services.contracts.strategies import SignalDenied, SignalEmitted, SignalExpired
from services.trading.desk.views import VerdictState
from services.trading.engine import store
from services.trading.engine.account import Ledger
from services.trading.engine.cancels import Cancels
from services.trading.engine.config import StrategyConfig
from services.trading.engine.deciding import CLOSE, ENTRY
from services.trading.engine.fates import Fate, fate_of
from services.trading.engine.parts import EngineParts
from services.trading.engine.store import Kept, Outcome, Signal
from services.trading.orders.order import Order
from services.trading.orders.store import of_intent as orders_of_intent

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
_MOST_ATTEMPTS: Final = 5
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
        self._cancels = Cancels(config.name, parts, ledger, stopping)
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
        """A newer decision has taken its place; an order that may be there is not forgotten."""
        if self._fate(signal) in {Fate.THERE, Fate.IN_QUESTION}:
            self._sent(signal)
        else:
            self._conclude(signal, Outcome.DROPPED, why)
        self.planned.remove(signal)

    def end(self, orders: list[Order]) -> None:
        """Cancel orders; see `Cancels.end`."""
        self._cancels.end(orders)

    def refresh(self) -> None:
        """Read what became of its orders. Raises `DatabaseError`."""
        with self._parts.database.reading() as connection:
            self._ledger.refresh(connection)

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
        self._cancels.end(old)

    def _send(self, signal: Signal) -> bool:
        """Whether it is known what became of it."""
        self.refresh()
        fate = self._fate(signal)
        if fate is Fate.THERE:
            return self._sent(signal)
        if fate is Fate.IN_QUESTION:
            return False
        if self.too_old(signal):
            self._conclude(signal, Outcome.EXPIRED, _LATE, expired(signal, self.age_seconds(signal)))
            return True
        return self._again(signal) if fate is Fate.NEVER_THERE else self._try(signal)

    def _try(self, signal: Signal) -> bool:
        if signal.wish.leg == ENTRY and self._ledger.closing(signal.symbol):
            return False
        ticket = self._fitting(signal)
        if ticket is None:
            self._conclude(signal, Outcome.DROPPED, "its position is not what it was when this was decided")
            return True
        if signal.wish.opens and not self._ready():
            return False
        return self._submit(replace(signal, ticket=ticket))

    def _fate(self, signal: Signal) -> Fate:
        with self._parts.database.reading() as connection:
            return fate_of(orders_of_intent(connection, signal.intent_id))

    def _sent(self, signal: Signal) -> bool:
        self._tries.pop(signal.intent_id, None)
        self._conclude(signal, Outcome.SENT, "", _emitted(signal, self.age_seconds(signal)))
        return True

    def _again(self, signal: Signal) -> bool:
        """Send under another name what no venue has: the process, or the way, was gone before it arrived."""
        if signal.attempt >= _MOST_ATTEMPTS:
            self._conclude(signal, Outcome.DROPPED, f"no venue had its order, {signal.attempt} times")
            return True
        following = signal.again()
        account = self._kept.account
        account.open = {name: each for name, each in account.open.items() if name != signal.intent_id}
        account.open[following.intent_id] = following.opened
        with self._parts.facts.transaction() as tx:
            store.conclude(tx.connection, signal, Outcome.DROPPED, "no venue had its order: it is sent again")
            store.add(tx.connection, following, Outcome.PLANNED)
            store.keep(tx.connection, self._kept)
        wait_seconds = _FIRST_WAIT_SECONDS * 2**signal.attempt
        self._tries[following.intent_id] = (0, self._parts.clock.monotonic() + wait_seconds)
        self.planned[self.planned.index(signal)] = following
        return False

    def _fitting(self, signal: Signal) -> OrderTicket | None:
        """The order as it fits what is held now; None when there is nothing left to do."""
        ticket, held = signal.ticket, self._ledger.held(signal.symbol)
        along = held * ticket.side.sign
        if signal.wish.leg == CLOSE:
            shares = min(ticket.quantity, -along)
            return ticket.model_copy(update={"quantity": shares}) if shares > 0 else None
        if signal.wish.leg == ENTRY and along:
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
        if placement.denial is None:
            return fate_of(placement.orders) is Fate.THERE and self._sent(signal)
        reason, detail = placement.denial.reason, placement.denial.detail
        if reason in _PASSING and tries < _MOST_TRIES:
            wait_seconds = min(_FIRST_WAIT_SECONDS * 2**tries, _LONGEST_WAIT_SECONDS)
            self._tries[signal.intent_id] = (tries + 1, self._parts.clock.monotonic() + wait_seconds)
            return False
        self._tries.pop(signal.intent_id, None)
        emitted = _emitted(signal, self.age_seconds(signal))
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
