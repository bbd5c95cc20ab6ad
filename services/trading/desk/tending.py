"""What has to be done about a venue again and again, on a thread of its own: a venue that hangs holds up no other."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from services.contracts.orders import ClientOrderId, TradingState
from services.contracts.trading import CircuitState
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.trading.brokers.port import Streaming
from services.trading.desk.answers import Answers
from services.trading.desk.cancelling import Canceller
from services.trading.desk.instrument_cache import InstrumentCache
from services.trading.desk.leases import LeaseKeeper
from services.trading.desk.parts import DeskRules
from services.trading.desk.readiness import ReadinessKeeper
from services.trading.desk.reconciling import Reconciler
from services.trading.desk.state import StateKeeper
from services.trading.desk.watching import VenueWatch
from services.trading.orders.book import OrderBook, ReconcileReport
from services.trading.risk.state import KILL_SWITCH

_TICK_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0
_ITSELF: Final = "sightline"

_log = logging.getLogger("services.trading.desk.tending")


class VenueTender:
    """Reconciles, chases what is unknown, repeats cancels, watches the stream, and tells how ready the venue is.

    `tick` does what is due; `run` calls it until it is told to stop. Nothing is done while another process trades.
    """

    def __init__(  # noqa: PLR0913 -- what a venue needs done is done by parts, each tested by itself
        self,
        reconciler: Reconciler,
        streaming: Streaming,
        watch: VenueWatch,
        *,
        book: OrderBook,
        answers: Answers,
        canceller: Canceller,
        instruments: InstrumentCache,
        readiness: ReadinessKeeper,
        state: StateKeeper,
        leases: LeaseKeeper,
        turn: Callable[[], int | None],
        rules: DeskRules,
        clock: Clock,
    ) -> None:
        self._reconciler = reconciler
        self._streaming = streaming
        self._watch = watch
        self._book = book
        self._answers = answers
        self._canceller = canceller
        self._instruments = instruments
        self._readiness = readiness
        self._state = state
        self._leases = leases
        self._present_turn = turn
        self._rules = rules
        self._clock = clock
        self._woken = threading.Event()
        self._stopping = False
        self._asked: str | None = "start"
        self._due = clock.monotonic()
        self._failures = 0
        self._drifting: dict[str, int] = {}
        self._headers: Mapping[str, str] | None = None
        self._turn: int | None = None
        self._problems: set[str] = set()
        self._to_look_at: deque[ClientOrderId] = deque()

    def ask(self, trigger: str) -> None:
        """Have the venue compared with as soon as its thread gets to it."""
        self._asked = self._asked or trigger
        self._due = self._clock.monotonic()
        self._woken.set()

    def wake(self) -> None:
        """Have its round begin at once: something has changed that it tells of."""
        self._woken.set()

    def look_at(self, client_order_id: ClientOrderId) -> None:
        """Have the venue asked for one order: it has said something that does not fit what we know of it."""
        self._to_look_at.append(client_order_id)
        self._woken.set()

    def run(self) -> None:
        """Tend the venue until `stop`."""
        while not self._stopping:
            try:
                self.tick()
            except Exception:  # noqa: BLE001 -- a fault in one round must not leave the venue untended
                _log.exception("a round of tending %s failed", self._watch.venue)
            self._woken.wait(_TICK_SECONDS)
            self._woken.clear()

    def stop(self) -> None:
        """Have `run` return once the round at work is done."""
        self._stopping = True
        self._woken.set()

    def tick(self) -> None:
        """Do what is due."""
        turn = self._present_turn()
        if turn is not None:
            if turn != self._turn:
                self._turn = turn
                self._canceller.resume(self._watch.venue)
                self.ask("start")
            self._note_session()
            self._step("write down answers", self._answers.catch_up)
            if self._headers is not None:  # without a session every call would be refused, and shut the circuit
                self._call()
        self._step("tell how ready it is", lambda: self._readiness.tell(self._watch.venue))

    def _call(self) -> None:
        self._step("compare with it", self._reconcile)
        self._step("ask for unknown orders", self._reconciler.chase)
        self._step("look at orders", self._look)
        self._step("repeat cancels", lambda: self._canceller.retry(self._watch.venue))
        self._step("renew what it says of symbols", lambda: self._instruments.refresh(self._watch.venue))
        self._step("keep it quiet", self._stay_halted)

    def _reconcile(self) -> None:
        if self._clock.monotonic() < self._due:
            return
        trigger, self._asked = self._asked or "interval", None
        silent_seconds = self._watch.silent_seconds()
        try:
            report = self._reconciler.run(trigger)
        except SightlineError:
            self._failures += 1
            self._asked = "start" if trigger == "start" else None
            pause_seconds = min(2.0 ** (self._failures - 1), self._rules.reconcile_every, _LONGEST_PAUSE_SECONDS)
            self._due = max(self._due, self._clock.monotonic() + pause_seconds)
            self._reduce_when_failing()
            raise
        self._failures = 0
        if self._asked is None:
            self._due = self._clock.monotonic() + self._rules.reconcile_every
        self._notice_a_mute_stream(report, trigger, silent_seconds)
        self._notice_drift(report)

    def _look(self) -> None:
        while self._to_look_at:
            self._reconciler.ask(self._to_look_at[0])
            self._to_look_at.popleft()

    def _notice_a_mute_stream(self, report: ReconcileReport, trigger: str, silent_seconds: float | None) -> None:
        """A stream that stands and said nothing of what a comparison found is built up anew."""
        expected = trigger == "interval" and report.differences > len(report.positions) + len(report.foreign)
        mute = silent_seconds is not None and silent_seconds >= self._rules.mute_after
        if expected and mute and self._watch.known.stream_connected:
            self._streaming.restart(f"silent for {silent_seconds:.0f} s while {report.differences} changes were missed")

    def _notice_drift(self, report: ReconcileReport) -> None:
        """A position that stays unexplained means that our books are wrong: nothing is built on them."""
        self._drifting = {drift.symbol: self._drifting.get(drift.symbol, 0) + 1 for drift in report.positions}
        lasting = sorted(symbol for symbol, rounds in self._drifting.items() if rounds >= self._rules.drift_rounds)
        if lasting:
            names = ", ".join(lasting)
            reason = f"the position in {names} at {self._watch.venue} is not what our fills come to; look, then resume"
            self._state.narrow(TradingState.REDUCING, _ITSELF, reason)

    def _reduce_when_failing(self) -> None:
        since = self._watch.known.failing_since
        if since is not None and self._clock.monotonic() - since >= self._rules.reduce_after:
            minutes = self._rules.reduce_after / 60
            reason = f"{self._watch.venue} could not be compared with for {minutes:.0f} minutes"
            self._state.narrow(TradingState.REDUCING, _ITSELF, reason)

    def _stay_halted(self) -> None:
        """What turns up at a venue while trading is halted is cancelled: an order that was unknown when it was."""
        if self._state.now.state is not TradingState.HALTED:
            return
        for order in self._book.working.orders(self._watch.venue):
            if order.cancelable and order.pending is None and order.strategy != KILL_SWITCH:
                self._canceller.cancel(order.client_order_id, _ITSELF)

    def _note_session(self) -> None:
        """A new session leads out of a circuit that was opened because the old one was refused."""
        headers = self._leases.headers(self._watch.venue)
        if headers == self._headers:
            return
        self._headers = headers
        if self._watch.known.circuit.state is not CircuitState.CLOSED and self._watch.known.circuit.latched:
            self._watch.renewed()

    def _step(self, purpose: str, work: Callable[[], object]) -> None:
        try:
            work()
        except SightlineError as error:
            if purpose not in self._problems:  # said once until it works again; what it leads to has an alert
                _log.warning("%s: cannot %s: %s", self._watch.venue, purpose, error.detail)
            self._problems.add(purpose)
        else:
            self._problems.discard(purpose)
