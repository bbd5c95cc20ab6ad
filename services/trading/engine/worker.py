"""A thread for each strategy, so that no other waits for it or falls with it."""

import logging
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import datetime
from typing import Final

from services.contracts.events import Event
from services.contracts.market import Bar, Symbol
from services.contracts.strategies import StrategyState
from services.trading.desk.errors import NotOwnerError
from services.trading.engine.config import StrategyConfig
from services.trading.engine.moments import Moments
from services.trading.engine.parts import EngineParts
from services.trading.engine.store import Kept
from services.trading.engine.strategist import Look, Strategist

_TICK_SECONDS: Final = 0.25

_log = logging.getLogger("services.trading.engine")


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
        decided: Callable[[Strategist, datetime], object],
    ) -> None:
        self.config = config
        self._tell = decided
        self._stopping = threading.Event()
        self._strategist = Strategist(config, parts, kept, self._stopping)
        self._moments = Moments(config.symbols, parts.clock, grace_seconds=grace_seconds, after=kept.decided)
        self._inbox: queue.SimpleQueue[Bar | Callable[[], object]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"strategy-{config.name}", daemon=True)

    @property
    def look(self) -> Look:
        """How the strategy stands."""
        return self._strategist.look

    def start(self, past: Iterable[tuple[datetime, Mapping[Symbol, Bar]]]) -> None:
        """Begin with the bars of the past: those that were decided at are only looked at, the others catch up."""
        warm, decided = 0, self._strategist.decided
        for moment, bars in past:
            if decided is not None and moment > decided:
                for bar in bars.values():
                    self._moments.add(bar)
            else:
                self._strategist.show(moment, bars)
                warm += 1
        self._inbox.put(lambda: self._begin(warm))
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
        """Have `work` done between two decisions, and wait for it; False when it was not done in time.

        What it raises is raised here.
        """
        done: Future[object] = Future()

        def wrapped() -> None:
            try:
                done.set_result(work())
            except Exception as error:  # noqa: BLE001 -- raised again where it was asked for
                done.set_exception(error)

        self._inbox.put(wrapped)
        try:
            done.result(seconds)
        except FutureTimeoutError:
            return False
        return True

    def change(self, state: StrategyState, detail: str, fact: Event) -> None:
        """Pause or resume, latched; within `ask`."""
        self._strategist.change(state, detail, fact)

    # --- its own thread

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._hear()
                for moment, bars in self._moments.take():
                    self._strategist.at(moment, bars)
                    self._tell(self._strategist, moment)
                    if self._stopping.is_set():
                        return
                self._strategist.tick()
        except NotOwnerError:
            _log.warning("%s ends here: another process trades", self.config.name)
        except Exception as error:  # noqa: BLE001 -- whatever a strategy raises ends it alone
            self._strategist.fail(error)

    def _hear(self) -> None:
        try:
            item = self._inbox.get(timeout=_TICK_SECONDS)
            while True:
                if isinstance(item, Bar):
                    self._take_in(item)
                else:
                    item()
                item = self._inbox.get_nowait()
        except queue.Empty:
            return

    def _take_in(self, bar: Bar) -> None:
        if not self._moments.add(bar):
            self._strategist.amend(bar)

    def _begin(self, warm: int) -> None:
        self._strategist.begin(warm)
        if self._strategist.decided is not None:
            self._moments.skip(self._strategist.decided)
