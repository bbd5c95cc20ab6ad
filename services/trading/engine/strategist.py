"""What one strategy does at each moment: look, decide, write it down, act. Its thread is `worker`'s.

A moment's decision and its signals are committed in one transaction before anything is sent, so that a process that
ends between any two statements has either not decided, and decides the same again, or has its signals written down and
sends each of them under the name that it had.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.contracts.events import Event
from services.contracts.market import Bar, OrderType, Symbol
from services.contracts.strategies import (
    StopCause,
    StrategyBudgetExhausted,
    StrategyPaused,
    StrategyStarted,
    StrategyState,
    StrategyStopped,
)
from services.kit.bar_times import session_day
from services.kit.database_errors import DatabaseError
from services.kit.errors import SightlineError
from services.trading.desk.errors import NotOwnerError
from services.trading.engine import store
from services.trading.engine.account import Baseline, Ledger, may_have_traded
from services.trading.engine.acting import Hands, denied, expired
from services.trading.engine.config import StrategyConfig
from services.trading.engine.deciding import last_decisions
from services.trading.engine.parts import EngineParts
from services.trading.engine.planning import Plan, Planner, Refused
from services.trading.engine.schedule import scheduled
from services.trading.engine.splits import booked
from services.trading.engine.store import Kept, Outcome, Signal
from services.trading.engine.window import Window
from services.trading.orders.order import Order

_AGAIN_SECONDS: Final = 1.0
_MOST_LOOKS: Final = 3
_WORDS: Final = 400
_ITSELF: Final = "sightline"
_NEWER: Final = "a newer decision took its place"

_log = logging.getLogger("services.trading.engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a strategy stands at a moment, as its thread told last.

    Attributes:
        exposure: Worth of what it holds and of what works for it, in dollars.
        opened: Orders of the day that open something.
    """

    state: StrategyState
    detail: str
    decided: datetime | None
    signal_at: datetime | None
    equity: Decimal
    exposure: Decimal
    held: Mapping[Symbol, Decimal]
    opened: int


class Strategist:
    """Runs one strategy; one thread's, but for `look`.

    Args:
        config: What the file says of it.
        kept: How it stood when it was written down last; from now on this one's alone.
        stopping: Set when nothing more is to be begun.

    Attributes:
        look: How it stands.
    """

    def __init__(self, config: StrategyConfig, parts: EngineParts, kept: Kept, stopping: threading.Event) -> None:
        self.config = config
        self._parts = parts
        self._kept = kept
        self._stopping = stopping
        self._calendar = parts.calendars[config.timeframe]
        self._strategy, self._params = config.strategy, config.params
        self._warm_up = self._strategy.warm_up(self._params)
        self._window = Window(config.symbols, self._warm_up + 1)
        self._ledger = Ledger(kept.account, config.capital)
        self._hands = Hands(config, parts, kept, self._ledger, stopping)
        self._planner = Planner(config, self._ledger)
        self._exhausted = False
        self.look = self._looked()

    @property
    def decided(self) -> datetime | None:
        """Start of the last bar that it decided at."""
        return self._kept.decided

    @property
    def baseline(self) -> Baseline | None:
        """From where on the reference can be run beside it."""
        return self._kept.account.baseline

    def rebase(self) -> None:
        """Have the reference begin anew, once nothing is open."""
        self._kept.account.baseline = None

    def show(self, moment: datetime, bars: Mapping[Symbol, Bar]) -> None:
        """Let it see bars of the past."""
        self._window.add(moment, bars)

    def amend(self, bar: Bar) -> None:
        """A bar came after its moment was decided at: it decides nothing, and later decisions know it."""
        if self._window.amend(bar):
            _log.warning(
                "%s decided without the bar of %s at %s, which came late", self.config.name, bar.symbol, bar.start
            )

    def begin(self, warm_up_bars: int) -> None:
        """Take up what the last process left, or start at the newest bar that was shown."""
        kept, resumed_from = self._kept, self._kept.decided
        self._insist(self._hands.resume)
        self._insist(self._hands.refresh)
        if resumed_from is None:
            for signal in list(self._hands.planned):
                self._hands.drop(signal, _NEWER)
            kept.decided, kept.account.acting = self._window.newest, {}
            kept.account.baseline = None
            self._insist(self._know_splits)
            self._base(kept.decided)
        before, now = kept.account.settings, self.config.digest
        kept.account.settings = now
        self._insist(
            lambda: self._keep(
                StrategyStarted(
                    subject=kept.name,
                    kind=kept.kind,
                    symbols=self.config.symbols,
                    warm_up_bars=warm_up_bars,
                    resumed_from=resumed_from,
                    settings=now,
                    changed=before not in {"", now},
                )
            )
        )
        if kept.state is StrategyState.RUNNING:
            self._insist(self._hands.perform)
        self.look = self._looked()

    def _know_splits(self) -> None:
        with self._parts.database.reading() as connection:
            found = booked(connection, self.config.symbols, self._kept.account.splits)
        for split in found if self._kept.account.splits or self._ledger.holdings else ():
            self._ledger.split(split.symbol, split.ratio)
        self._kept.account.splits = (*self._kept.account.splits, *(split.name for split in found))

    def change(self, state: StrategyState, detail: str, fact: Event) -> None:
        """Pause or resume, latched."""
        for signal in list(self._hands.planned):
            self._hands.drop(signal, detail or _NEWER)
        self._kept.state, self._kept.detail = state, detail
        self._kept.account.baseline = None
        self._keep(fact)
        self.look = self._looked()

    def at(self, moment: datetime, bars: Mapping[Symbol, Bar]) -> None:
        """Bars of a moment have come, each newer than all before."""
        self._window.add(moment, bars)
        self._insist(self._follow_splits)
        self._insist(lambda: self._settle(bars))
        self._end_entries(self._calendar.ended(moment))
        plan = self._plan(moment) if self._kept.state is StrategyState.RUNNING else Plan()
        for signal in [each for each in self._hands.planned if each.symbol in plan.acting]:
            self._hands.drop(signal, _NEWER)
        late = [signal for signal in plan.signals if self._hands.too_old(signal)]
        self._insist(lambda: self._write(moment, plan, late))
        self._hands.begin([signal for signal in plan.signals if signal not in late])
        self._insist(self._hands.perform)
        self._base(moment)
        self.look = self._looked()

    def _follow_splits(self) -> None:
        """After a split the bars of before do not compare any more: the strategy waits until it is begun anew."""
        account = self._kept.account
        with self._parts.database.reading() as connection:
            found = booked(connection, self.config.symbols, account.splits)
        if not found:
            return
        self._hands.refresh()
        for split in found:
            self._ledger.split(split.symbol, split.ratio)
        account.splits = (*account.splits, *(split.name for split in found))
        told = ", ".join(f"{split.ratio.normalize():f} shares of {split.symbol} for one" for split in found)
        reason = f"there are {told} since a split: restart it, so that its bars of before compare"
        fact = StrategyPaused(subject=self.config.name, actor=_ITSELF, reason=reason)
        self.change(StrategyState.PAUSED, reason, fact)

    def _settle(self, bars: Mapping[Symbol, Bar]) -> None:
        """See to it that what these bars have filled is in the books: the stream may be behind the bars."""
        self._hands.refresh()
        seen: set[str] = set()
        for _ in range(_MOST_LOOKS):
            due = [order for order in self._ledger.working() if order.client_order_id not in seen]
            due = [order for order in due if self._ledger.works(order) and _touched(order, bars)]
            if not due:
                return
            for order in due:
                seen.add(order.client_order_id)
                self._look_at(order)
            self._hands.refresh()

    def _look_at(self, order: Order) -> None:
        try:
            self._parts.orders.look(order.client_order_id)
        except NotOwnerError:
            raise
        except SightlineError as error:
            _log.warning("%s decides by what is known: %s", self.config.name, error.detail)

    def _end_entries(self, moment: datetime) -> None:
        """Entries with a price end with their session, which a venue that never closes does not see."""
        over = [
            order
            for order in self._ledger.entries()
            if order.ticket.order_type is not OrderType.MARKET
            and self._calendar.entry_ends(self._ledger.account.open[order.intent_id].bar_at) <= moment
        ]
        if over:
            self._insist(lambda: self._hands.end(over))

    def _plan(self, moment: datetime) -> Plan:
        if len(self._window) <= self._warm_up or not scheduled(self.config, self._calendar, moment):
            return Plan(opened=self._kept.account.opened)
        decided = last_decisions(self._strategy.decide(self._window.panel(), self._params))
        day = session_day(self._calendar.ended(moment))
        now = self._parts.clock.now()
        return self._planner.plan(decided, self._window.last, bar_at=moment, now=now, day=day)

    def _write(self, moment: datetime, plan: Plan, late: list[Signal]) -> None:
        kept, account = self._kept, self._kept.account
        kept.decided = moment
        account.acting = plan.acting
        account.day, account.opened = session_day(self._calendar.ended(moment)), plan.opened
        if plan.signals:
            kept.signal_at = self._parts.clock.now()
        if plan.refused or late or kept.state is not StrategyState.RUNNING:
            account.baseline = None
        for signal in plan.signals:
            if signal not in late:
                account.open[signal.intent_id] = signal.opened
        with self._parts.facts.transaction() as tx:
            store.keep(tx.connection, kept)
            for signal in plan.signals:
                store.add(tx.connection, signal, Outcome.EXPIRED if signal in late else Outcome.PLANNED)
            for signal in late:
                tx.record(expired(signal, self._hands.age_seconds(signal)))
            for refused in plan.refused:
                store.add(tx.connection, refused.signal, Outcome.DENIED, f"{refused.reason}: {refused.detail}")
                tx.record(denied(refused.signal, refused.reason, refused.detail))
            if plan.refused and not self._exhausted:
                tx.record(self._over_budget(plan.refused[0]))
        self._exhausted = bool(plan.refused) or (self._exhausted and not plan.signals)

    def _over_budget(self, refused: Refused) -> StrategyBudgetExhausted:
        return StrategyBudgetExhausted(subject=self.config.name, budget=self.config.largest_exposure, used=refused.used)

    def _base(self, moment: datetime | None) -> None:
        """Once nothing is open, the reference can be run beside it from here on."""
        account = self._kept.account
        running = self._kept.state is StrategyState.RUNNING
        if account.baseline is None and running and not self._hands.planned and self._ledger.flat:
            account.baseline = Baseline(after=moment, equity=self._ledger.equity(self._window.last))

    def tick(self) -> None:
        """Do what waited, and end what is over."""
        if self._hands.planned:
            self._insist(self._hands.perform)
        if self._ledger.entries():
            self._end_entries(self._parts.time.now())

    def _insist(self, work: Callable[[], object]) -> None:
        """Do something, again and again while the database is away."""
        while not self._stopping.is_set():
            try:
                work()
            except DatabaseError as error:
                _log.error("%s waits for the database: %s", self.config.name, error.detail)
                self._stopping.wait(_AGAIN_SECONDS)
            else:
                return

    def fail(self, error: Exception) -> None:
        """It raised, or decided nonsense: it is stopped, and what it has open keeps its exits."""
        detail = f"{type(error).__name__}: {error}"[:_WORDS]
        _log.error("%s raised and is stopped", self.config.name, exc_info=error)
        self._kept.state, self._kept.detail = StrategyState.STOPPED, detail
        self._kept.account.baseline = None
        fact = StrategyStopped(subject=self.config.name, cause=StopCause.ERROR, detail=detail)
        try:
            self._insist(lambda: self._keep(fact))
            self._hands.end(self._ledger.entries())
        except SightlineError as problem:
            _log.error("that %s is stopped cannot be written down: %s", self.config.name, problem.detail)
        self.look = self._looked()

    def _keep(self, fact: Event) -> None:
        with self._parts.facts.transaction() as tx:
            store.keep(tx.connection, self._kept)
            tx.record(fact)

    def _looked(self) -> Look:
        kept, last = self._kept, self._window.last
        valued = all(symbol in last for symbol in self._ledger.holdings)
        state = kept.state
        if state is StrategyState.RUNNING and len(self._window) <= self._warm_up:
            state = StrategyState.WARMING_UP
        return Look(
            state=state,
            detail=kept.detail,
            decided=kept.decided,
            signal_at=kept.signal_at,
            equity=self._ledger.equity(last) if valued else self.config.capital,
            exposure=sum(self._ledger.exposures(last).values(), Decimal(0)) if valued else Decimal(0),
            held=dict(self._ledger.holdings),
            opened=kept.account.opened,
        )


def _touched(order: Order, bars: Mapping[Symbol, Bar]) -> bool:
    bar = bars.get(order.ticket.symbol)
    return bar is not None and may_have_traded(order, bar.low, bar.high)
