"""Being the process that trades: claiming it, taking over what the last one left, holding on to it, giving it back.

Start-up and recovery are one path: whoever becomes the one that trades, at its start or after another one ended, loads
what works, makes unknown what was being submitted, goes on with a kill switch that was at work, and compares with every
venue before anything new goes out.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from services.contracts.orders import TradingState
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.trading.desk.holdings import Holdings
from services.trading.desk.holds import VenueHolds
from services.trading.desk.kill_switch import KillSwitch
from services.trading.desk.money import Money
from services.trading.desk.owner import LEASE_LIFE, Owner
from services.trading.desk.sent import SentLog
from services.trading.desk.state import StateKeeper
from services.trading.orders.book import OrderBook
from services.trading.risk.limits import Limits

_TICK_SECONDS: Final = 1.0
_ITSELF: Final = "sightline"

_log = logging.getLogger("services.trading.desk.leading")


class Leader:
    """Keeps this process' claim, and what is done for all venues together. `tick` does what is due.

    `recall` takes over what the last process knew of the venues.

    Attributes:
        turn: The number of this process' turn once it has taken over; None while another one trades.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self,
        owner: Owner,
        book: OrderBook,
        state: StateKeeper,
        kill_switch: KillSwitch,
        *,
        recall: Callable[[], None],
        holds: VenueHolds,
        money: Money,
        holdings: Holdings,
        sent: SentLog,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._owner = owner
        self._book = book
        self._state = state
        self._kill_switch = kill_switch
        self._recall = recall
        self._holds = holds
        self._money = money
        self._holdings = holdings
        self._sent = sent
        self._limits = limits
        self._clock = clock
        self.turn: int | None = None
        self._renew_at = 0.0
        self._problems: set[str] = set()
        self._stopping = threading.Event()

    def run(self) -> None:
        """Keep the claim until `stop`."""
        while not self._stopping.is_set():
            try:
                self.tick()
            except Exception:  # noqa: BLE001 -- a fault in one round must not cost the claim
                _log.exception("a round of leading failed")
            self._stopping.wait(_TICK_SECONDS)

    def stop(self) -> None:
        """Have `run` return."""
        self._stopping.set()

    def step_down(self) -> None:
        """Let another process take over at once."""
        self.turn = None
        self._step("give the lease back", self._owner.release)

    def tick(self) -> None:
        """Do what is due."""
        self._step("hold the lease", self._hold)
        if self._owner.fence is None:
            self.turn = None
            return
        if self.turn != self._owner.fence:
            self._step("take over", self._take_over)
        self._step("keep the state of trading", self._state.save_late)
        self._step("keep who holds a venue", self._holds.save_late)
        if self.turn is not None:
            self._step("work out the day's result", self._watch_the_day)

    def _hold(self) -> None:
        if self._owner.fence is None:
            self._owner.claim()
        elif self._clock.monotonic() >= self._renew_at:
            self._owner.renew()
        else:
            return
        self._renew_at = self._clock.monotonic() + LEASE_LIFE.total_seconds() / 4

    def _take_over(self) -> None:
        turn = self._owner.fence
        self._state.load()
        self._holds.load()
        self._recall()
        recovered = self._book.recover()
        self._holdings.forget()
        if recovered:
            _log.warning(
                "%d orders were being submitted when the last process ended; the venues are asked", len(recovered)
            )
        window = timedelta(seconds=self._limits.rate_window_seconds)
        self._sent.seed(self._book.begun_after(self._clock.now() - window))
        unfinished = self._kill_switch.left_unfinished()
        self.turn = turn
        if unfinished:
            # On a thread of its own: a venue may take its time, and the lease has to be held meanwhile.
            threading.Thread(target=self._go_on_killing, name="kill-resume", daemon=True).start()

    def _go_on_killing(self) -> None:
        self._step("go on with the kill switch", self._kill_switch.resume)

    def _watch_the_day(self) -> None:
        result = self._money.refresh()
        limit = self._limits.daily_loss
        if result <= -limit and self._state.now.state is TradingState.ACTIVE:
            reason = f"the day has lost {-result:.2f} dollars; the limit is {limit:.2f}"
            self._state.narrow(TradingState.REDUCING, _ITSELF, reason)

    def _step(self, purpose: str, work: Callable[[], object]) -> None:
        try:
            work()
        except SightlineError as error:
            if purpose not in self._problems:  # said once until it works again; what it leads to has an alert
                _log.warning("cannot %s: %s", purpose, error.detail)
            self._problems.add(purpose)
        else:
            self._problems.discard(purpose)
