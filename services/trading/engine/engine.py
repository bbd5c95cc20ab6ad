"""The engine: strategies at work, live and in paper, in the process that trades.

It runs while this process leads. When another one takes over, strategies go on there from what was written down.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Final

from services.contracts.events import Event
from services.contracts.market import Bar, Symbol
from services.contracts.orders import StrategyName
from services.contracts.strategies import StrategyPaused, StrategyResumed, StrategyState
from services.kit.errors import ConflictError, NotFoundError, SightlineError, UnavailableError
from services.trading.desk.errors import NotOwnerError
from services.trading.engine.config import StrategyConfig
from services.trading.engine.crew import Crew
from services.trading.engine.feed import FeedLook
from services.trading.engine.parts import Orders
from services.trading.engine.strategist import Look
from services.trading.engine.worker import Worker
from services.trading.marketdata.port import BarStream, Timeframe

_TURN_SECONDS: Final = 0.2
_AGAIN_SECONDS: Final = 1.0
_ASK_SECONDS: Final = 20.0
_MOST_ITEMS: Final = 100  # then it is looked whether this process still leads

_Item = tuple[Timeframe, Bar] | Callable[[], None]

_log = logging.getLogger("services.trading.engine")


class StrategyNotFoundError(NotFoundError):
    """The trading file names no such strategy."""

    code = "strategy_not_found"
    title = "There is no such strategy"

    def __init__(self, names: tuple[str, ...]) -> None:
        there = f"there are {', '.join(names)}" if names else "the trading file names none"
        super().__init__(f"No strategy of that name runs here; {there}.")


class StrategyIsStoppedError(ConflictError):
    """It sees no bars: there is nothing to pause or to resume."""

    code = "strategy_is_stopped"
    title = "The strategy is stopped"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is stopped: `sightline strategies show {name}` tells why, `restart` begins it anew.")


class EngineBusyError(UnavailableError):
    """The engine did not get to it in time."""

    code = "engine_busy"
    title = "The engine is busy"

    def __init__(self) -> None:
        super().__init__("The engine reads bars of the past or waits for a venue. Ask again in a moment.")


class Engine:
    """Strategies at work. Every method may be called from any thread.

    Args:
        configs: What the trading file names.
        orders: Says whether this process leads.
        make_crew: Makes strategies and feeds, each time that this process begins to lead.
        streams: Bars as they come, by their length.
    """

    def __init__(
        self,
        configs: tuple[StrategyConfig, ...],
        orders: Orders,
        make_crew: Callable[[], Crew],
        streams: Mapping[Timeframe, BarStream],
    ) -> None:
        self._configs = configs
        self._orders = orders
        self._make_crew = make_crew
        self._streams = streams
        self._items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._crew: Crew | None = None
        self._said = ""

    # --- looking

    def looks(self) -> list[tuple[StrategyConfig, Look]]:
        """Every strategy of the file and how it stands; from memory alone."""
        crew = self._crew
        if crew is None:
            return [(config, _asleep(config)) for config in self._configs]
        return [(config, crew.workers[config.name].look) for config in self._configs if config.name in crew.workers]

    def feeds(self) -> list[FeedLook]:
        """Every symbol that a strategy looks at, and how its bars stand; from memory alone."""
        crew = self._crew
        found: dict[Symbol, FeedLook] = {}
        for feed in crew.feeds if crew is not None else ():
            for look in feed.looks():
                known = found.get(look.symbol)
                found[look.symbol] = look if known is None or look.stale else known
        return list(found.values())

    # --- changing

    def pause(self, name: StrategyName, actor: str, reason: str) -> None:
        """Have a strategy see bars and send nothing, over restarts. Does nothing to one that is paused.

        Raises:
            StrategyNotFoundError: There is none of that name.
            StrategyIsStoppedError: It sees no bars anyway.
            EngineBusyError: It was not done in time.
            NotOwnerError: Another process trades.
        """
        fact = StrategyPaused(subject=name, actor=actor, reason=reason)
        self._do(lambda: self._change(name, StrategyState.PAUSED, f"by {actor}: {reason}", fact))

    def resume(self, name: StrategyName, actor: str, reason: str) -> None:
        """Have a paused strategy send again. Raises as `pause` does."""
        fact = StrategyResumed(subject=name, actor=actor, reason=reason)
        self._do(lambda: self._change(name, StrategyState.RUNNING, "", fact))

    def restart(self, name: StrategyName, actor: str, reason: str) -> None:
        """Begin a strategy anew from the newest bar on, whatever state it is in.

        Raises:
            StrategyNotFoundError: There is none of that name.
            MarketDataError, BarsUnavailableError: The bars of the past cannot be read.
            EngineBusyError: It was not done in time.
            NotOwnerError: Another process trades.
        """
        self._do(lambda: self._leading().restart(self._worker(name), f"restarted by {actor}: {reason}"))

    # --- running

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run as long as the block does."""
        thread = threading.Thread(target=self._run, name="engine")
        thread.start()
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._listen(*each)) for each in self._streams.items()]
                try:
                    yield
                finally:
                    for task in tasks:
                        task.cancel()
        finally:
            self._stopping.set()
            await asyncio.to_thread(thread.join)

    async def _listen(self, timeframe: Timeframe, stream: BarStream) -> None:
        symbols = {symbol for each in self._configs if each.timeframe is timeframe for symbol in each.symbols}
        while True:
            try:
                async with aclosing(stream.bars(symbols)) as bars:
                    async for bar in bars:
                        self._items.put((timeframe, bar))
            except SightlineError as error:
                _log.warning("no bars come: %s", error.detail)
            await asyncio.sleep(_AGAIN_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._turn()
            except NotOwnerError:
                self._end()
            except SightlineError as error:
                self._say(f"strategies wait: {error.detail}")
                self._stopping.wait(_AGAIN_SECONDS)
            except Exception:  # noqa: BLE001 -- a fault in one turn must not end all strategies
                _log.exception("a turn of the engine failed")
                self._stopping.wait(_AGAIN_SECONDS)
        self._end()

    def _turn(self) -> None:
        """Begin or end with the lead, and take what has come for at most a tick."""
        if self._orders.state().owner:
            if self._crew is None:
                crew = self._make_crew()
                try:
                    crew.start()
                except BaseException:
                    crew.stop()
                    raise
                self._crew = crew
                self._said = ""
            self._take_in()
            self._crew.tick()
        else:
            self._end()
            self._take_in()

    def _take_in(self) -> None:
        """Work what comes, until there is nothing for a moment or a second is over."""
        for _ in range(_MOST_ITEMS):
            try:
                item = self._items.get(timeout=_TURN_SECONDS)
            except queue.Empty:
                return
            if callable(item):
                item()
            elif self._crew is not None:
                self._crew.take(*item)

    def _end(self) -> None:
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.stop()

    def _do(self, work: Callable[[], object]) -> None:
        """Have the engine's thread do something, and wait for it."""
        done: Future[object] = Future()

        def settle() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 -- raised again where it was asked for
                done.set_exception(error)

        self._items.put(settle)
        try:
            done.result(_ASK_SECONDS)
        except FutureTimeoutError:
            done.cancel()
            raise EngineBusyError from None

    def _change(self, name: StrategyName, state: StrategyState, detail: str, fact: Event) -> None:
        worker = self._worker(name)
        if not worker.alive:
            raise StrategyIsStoppedError(name)
        if (worker.look.state is StrategyState.PAUSED) is (state is StrategyState.PAUSED):
            return
        if not worker.ask(partial(worker.change, state, detail, fact), _ASK_SECONDS / 2):
            raise EngineBusyError

    def _worker(self, name: StrategyName) -> Worker:
        worker = self._leading().workers.get(name)
        if worker is None:
            raise StrategyNotFoundError(tuple(config.name for config in self._configs))
        return worker

    def _leading(self) -> Crew:
        if self._crew is None:
            if not self._orders.state().owner:
                raise NotOwnerError
            raise EngineBusyError
        return self._crew

    def _say(self, words: str) -> None:
        if words != self._said:  # said once until it is otherwise
            _log.warning("%s", words)
            self._said = words


def _asleep(config: StrategyConfig) -> Look:
    return Look(
        state=StrategyState.STOPPED,
        detail="the engine has not begun yet, or another process trades",
        decided=None,
        signal_at=None,
        equity=config.capital,
        exposure=Decimal(0),
        held={},
        opened=0,
    )
