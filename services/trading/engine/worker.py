"""One strategy at work: bars in, orders out, on a thread of its own, so that no other waits for it or falls with it."""

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.contracts.events import Event
from services.contracts.market import Bar, OrderType, Symbol
from services.contracts.strategies import (
    StopCause,
    StrategyBudgetExhausted,
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
from services.trading.engine.moments import Moments
from services.trading.engine.parts import EngineParts
from services.trading.engine.planning import Plan, Planner, Refused
from services.trading.engine.store import Kept, Outcome, Signal
from services.trading.engine.window import Window
from services.trading.orders.order import Order

_TICK_SECONDS: Final = 0.25
_AGAIN_SECONDS: Final = 1.0
_MOST_LOOKS: Final = 3
_WORDS: Final = 400
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


class Worker:
    """Runs one strategy. Every method but those that begin with an underscore may be called from any thread.

    Args:
        config: What the file says of it.
        kept: How it stood when it was written down last; from now on this worker's alone.
        grace_seconds: How long a decision waits for the other symbols' bars.
        decided: Called in its thread after each decision.
    """

    def __init__(
        self,
        config: StrategyConfig,
        parts: EngineParts,
        kept: Kept,
        *,
        grace_seconds: float,
        decided: Callable[["Worker", datetime], object] = lambda _worker, _moment: None,
    ) -> None:
        self.config = config
        self._parts = parts
        self._kept = kept
        self._decided = decided
        self._calendar = parts.calendars[config.timeframe]
        self._strategy, self._params = config.strategy, config.params
        self._warm_up = self._strategy.warm_up(self._params)
        self._window = Window(config.symbols, self._warm_up + 1)
        self._moments = Moments(config.symbols, parts.clock, grace_seconds=grace_seconds, after=kept.decided)
        self._stopping = threading.Event()
        self._ledger = Ledger(kept.account, config.capital)
        self._hands = Hands(config, parts, kept, self._ledger, self._stopping)
        self._planner = Planner(config, self._ledger)
        self._inbox: queue.SimpleQueue[Bar | Callable[[], object]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"strategy-{config.name}", daemon=True)
        self._exhausted = False
        self.look = self._looked()

    # --- from any thread

    def start(self, past: Iterable[tuple[datetime, Mapping[Symbol, Bar]]]) -> None:
        """Begin with the bars of the past: those that were decided at are only looked at, the others catch up."""
        warm = 0
        for moment, bars in past:
            if self._kept.decided is not None and moment > self._kept.decided:
                for bar in bars.values():
                    self._moments.add(bar)
            else:
                self._window.add(moment, bars)
                warm += 1
        resumed_from = self._kept.decided
        self._inbox.put(lambda: self._begin(warm, resumed_from))
        self._thread.start()

    def take(self, bar: Bar) -> None:
        """A bar has come."""
        self._inbox.put(bar)

    def stop(self) -> None:
        """Have the thread end after what it does at this moment; nothing is lost by it."""
        self._stopping.set()

    def join(self, seconds: float) -> bool:
        """Wait for the thread's end; whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether it takes bars."""
        return self._thread.is_alive()

    def ask(self, work: Callable[[], object], seconds: float) -> bool:
        """Have `work` done between two decisions, and wait for it; False when it was not done in time."""
        done = threading.Event()

        def wrapped() -> None:
            work()
            done.set()

        self._inbox.put(wrapped)
        return done.wait(seconds)

    # --- within `ask`

    def change(self, state: StrategyState, detail: str, fact: Event) -> None:
        """Pause or resume, latched."""
        for signal in list(self._hands.planned):
            self._hands.drop(signal, detail or _NEWER)
        self._kept.state, self._kept.detail = state, detail
        self._kept.account.baseline = None
        with self._parts.facts.transaction() as tx:
            store.keep(tx.connection, self._kept)
            tx.record(fact)
        self.look = self._looked()

    # --- its own thread

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._hear()
                for moment, bars in self._moments.take():
                    self._at(moment, bars)
                    if self._stopping.is_set():
                        return
                self._tick()
        except NotOwnerError:
            _log.warning("%s ends here: another process trades", self.config.name)
        except Exception as error:  # noqa: BLE001 -- whatever a strategy raises ends it alone
            self._fail(error)

    def _hear(self) -> None:
        try:
            item = self._inbox.get(timeout=_TICK_SECONDS)
            while True:
                if isinstance(item, Bar):
                    self._moments.add(item)
                else:
                    item()
                item = self._inbox.get_nowait()
        except queue.Empty:
            return

    def _begin(self, warm: int, resumed_from: datetime | None) -> None:
        kept = self._kept
        self._insist(self._hands.resume)
        self._insist(self._hands.refresh)
        if resumed_from is None:
            for signal in list(self._hands.planned):
                self._hands.drop(signal, _NEWER)
            kept.decided, kept.account.acting = self._window.newest, {}
            kept.account.baseline = None
            self._base(kept.decided)
        if kept.decided is not None:
            self._moments.skip(kept.decided)

        def write() -> None:
            with self._parts.facts.transaction() as tx:
                store.keep(tx.connection, kept)
                tx.record(
                    StrategyStarted(
                        subject=kept.name,
                        kind=kept.kind,
                        symbols=self.config.symbols,
                        warm_up_bars=warm,
                        resumed_from=resumed_from,
                    )
                )

        self._insist(write)
        if kept.state is StrategyState.RUNNING:
            self._insist(self._hands.perform)
        self.look = self._looked()

    def _at(self, moment: datetime, bars: Mapping[Symbol, Bar]) -> None:
        self._window.add(moment, bars)
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
        self._decided(self, moment)

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
        if len(self._window) <= self._warm_up or not self._scheduled(moment):
            return Plan(opened=self._kept.account.opened)
        decided = last_decisions(self._strategy.decide(self._window.panel(), self._params))
        day = session_day(self._calendar.ended(moment))
        now = self._parts.clock.now()
        return self._planner.plan(decided, self._window.last, bar_at=moment, now=now, day=day)

    def _scheduled(self, moment: datetime) -> bool:
        schedule = self.config.schedule
        if schedule.hours == "always":
            return True
        session = self._calendar.session_left(self._calendar.ended(moment))
        if session is None:
            return False
        begun, left = (each.total_seconds() / 60 for each in session)
        return begun >= schedule.after_open_minutes and left >= schedule.before_close_minutes

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

    def _tick(self) -> None:
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

    def _fail(self, error: Exception) -> None:
        detail = f"{type(error).__name__}: {error}"[:_WORDS]
        _log.error("%s raised and is stopped", self.config.name, exc_info=error)
        self._kept.state, self._kept.detail = StrategyState.STOPPED, detail
        self._kept.account.baseline = None

        def write() -> None:
            with self._parts.facts.transaction() as tx:
                store.keep(tx.connection, self._kept)
                tx.record(StrategyStopped(subject=self.config.name, cause=StopCause.ERROR, detail=detail))

        try:
            self._insist(write)
            self._hands.end(self._ledger.entries())
        except SightlineError as problem:
            _log.error("that %s is stopped cannot be written down: %s", self.config.name, problem.detail)
        self.look = self._looked()

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
