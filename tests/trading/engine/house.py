"""An engine whose threads run, on a desk with venues in memory; bars come when a test says so."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from services.contracts.bars import columns_of, within
from services.contracts.columns import Columns
from services.contracts.market import Bar, Symbol
from services.kit.database import Database
from services.trading.desk.owner import Fenced
from services.trading.engine.assembling import Surroundings, assemble
from services.trading.engine.config import BarsConfig, StrategyConfig
from services.trading.engine.view import EngineView
from services.trading.marketdata.port import BarRequest, BarsUnavailableError, Timeframe
from tests.fakes.broker import FakeBroker
from tests.fakes.clock import FakeClock
from tests.trading.desk.support import DeskHouse
from tests.trading.engine.running import Counts, wait_until

_SECONDS = 20.0


class Source:
    """Bars of the past and as they come."""

    def __init__(self) -> None:
        self.known: list[Bar] = []
        self.away = ""
        self._heard: list[tuple[asyncio.AbstractEventLoop, asyncio.Queue[Bar]]] = []

    def bars(self, request: BarRequest) -> Columns:
        if self.away:
            raise BarsUnavailableError(self.away)
        known = [bar for bar in self.known if bar.symbol == request.symbol]
        return within(columns_of(known), request.start, request.end)

    def say(self, *bars: Bar) -> None:
        """Have the stream bring bars."""
        self.known += bars
        for loop, heard in self._heard:
            for bar in bars:
                loop.call_soon_threadsafe(heard.put_nowait, bar)

    @property
    def stream(self) -> "_Stream":
        return _Stream(self)


class _Stream:
    def __init__(self, source: Source) -> None:
        self._source = source

    async def bars(self, symbols: Collection[Symbol]) -> AsyncGenerator[Bar, None]:
        heard: asyncio.Queue[Bar] = asyncio.Queue()
        self._source._heard.append((asyncio.get_running_loop(), heard))
        while True:
            bar = await heard.get()
            if bar.symbol in symbols:
                yield bar


class EngineHouse:
    """The engine and what it stands on."""

    def __init__(self, database: Database, *configs: StrategyConfig, clock: FakeClock | None = None) -> None:
        self.house = DeskHouse(database, brokers=(FakeBroker("alpha"),), clock=clock)
        self.house.alpha.clock = replace(self.house.alpha.clock, at=self.house.clock.now())
        self.house.start()
        self.source = Source()
        self.counts = Counts()
        self.configs = configs
        around = Surroundings(
            orders=self.house.desk,
            facts=Fenced(self.house.facts, self.house.owner),
            database=database,
            clock=self.house.clock,
            calendar=None,
            history=self.source,
            streams={Timeframe.DAY: self.source.stream},
            counts=self.counts,
        )
        self.engine = assemble(configs, BarsConfig(grace_seconds=0.05), around)
        self.view = EngineView(self.engine)

    @contextmanager
    def running(self) -> Iterator["EngineHouse"]:
        """Run it; returns once every strategy that is to run does."""
        loop, stop, started = asyncio.new_event_loop(), asyncio.Event(), threading.Event()

        async def run() -> None:
            async with self.engine.running():
                started.set()
                await stop.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
        thread.start()
        try:
            assert started.wait(_SECONDS)
            wait_until(lambda: self.source._heard != [])
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(_SECONDS)
            loop.close()

    def begun(self) -> "EngineHouse":
        """Wait until the strategies have begun."""
        self.wait_for(lambda: all("has not begun" not in look.detail for _, look in self.engine.looks()))
        return self

    def day(self, *bars: Bar) -> None:
        """A day ends, its bars come, and whoever runs has decided."""
        latest = max(bar.start for bar in bars)
        seconds = (latest - self.house.clock.now()).total_seconds() + bars[0].seconds + 1
        self.house.advance(max(seconds, 0.0))
        self.house.renew()
        self.house.settle()
        for bar in bars:
            self.house.prices.prices[bar.symbol] = bar.close
        self.source.say(*bars)
        names = {config.name for config in self.configs if set(config.symbols) & {bar.symbol for bar in bars}}
        self.wait_for(
            lambda: all(
                look.decided == latest or look.state.value == "stopped"
                for config, look in self.engine.looks()
                if config.name in names
            )
        )

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return once a condition holds; time that is waited for by the clock goes on meanwhile."""
        deadline = time.monotonic() + _SECONDS
        while not condition():
            assert time.monotonic() < deadline, [(config.name, look) for config, look in self.engine.looks()]
            self.house.clock.advance(0.001)
            time.sleep(0.005)
