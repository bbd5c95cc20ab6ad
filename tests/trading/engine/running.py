"""An engine that runs on a desk that runs, at paper venues that serve recorded bars on loopback.

Bars are pushed moment by moment, each once everything that follows from the one before is done: so what came of it
can be held against the reference.
"""

import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from services.contracts.market import Bar, Symbol
from services.contracts.orders import VenueName
from services.contracts.verdict import Environment
from services.kit.chassis import Background
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.ids import SystemRandomness
from services.kit.market_calendar import MarketCalendar
from services.kit.moments import microseconds
from services.trading.brokers.alpaca import AlpacaBroker
from services.trading.brokers.alpaca_sites import AlpacaSite
from services.trading.desk.owner import Fenced
from services.trading.desk.parts import DeskRules
from services.trading.engine.assembling import Surroundings, assemble
from services.trading.engine.config import BarsConfig, StrategyConfig
from services.trading.engine.engine import Engine
from services.trading.engine.history import ReplayedHistory
from services.trading.marketdata.alpaca_bar_stream import AlpacaBarStream
from services.trading.marketdata.alpaca_bars import AlpacaBars
from services.trading.marketdata.alpaca_latest import LatestPrices
from services.trading.marketdata.latest import Mark, PriceSource
from services.trading.marketdata.port import BarStream, Timeframe
from services.trading.orders.news import Patience
from services.trading.risk.limits import Limits
from services.trading.strategy_gauges import declare_strategies
from services.trading.wire.calls import Patience as CallPatience
from tests.trading.brokers.papers import HASTY_STREAM
from tests.trading.desk.running import Paper, RunningDesk
from tests.trading.desk.support import VERSIONS
from tests.venue.broker.serving import ServedVenue

SECONDS: Final = 30.0
REPLAY: Final = BarsConfig(time="replay", sessions="XNYS", stale_after_seconds=3600, grace_seconds=30.0)
_PATIENCE: Final = CallPatience(connect_seconds=1.0, read_seconds=5.0, total_seconds=10.0)
# A venue of ours has every order when it answers: nobody has to wait a minute to believe that it has none.
_HASTE: Final = Patience(answers=2, apart=timedelta(seconds=0.5), after=timedelta(seconds=3))
_RULES: Final = DeskRules(reconcile_every=30.0, reconcile_slack=60.0, mute_after=5.0)
LIMITS: Final = Limits(
    order_notional=Decimal(10**9),
    symbol_notional=Decimal(10**9),
    gross_exposure=Decimal(10**9),
    net_exposure=Decimal(10**9),
    daily_loss=Decimal(10**9),
    open_orders=10_000,
    orders_in_window=100_000,
    leverage=Decimal(1000),
    price_collar=Decimal("0.99"),
    price_band=Decimal("0.99"),
)


class BarPrices:
    """The last close that came, now; before the first one, what the venue says."""

    def __init__(self, before: PriceSource) -> None:
        self._closes: dict[Symbol, Decimal] = {}
        self._before = before

    def hear(self, bar: Bar) -> None:
        self._closes[bar.symbol] = bar.close

    def last(self, symbol: Symbol) -> Mark | None:
        close = self._closes.get(symbol)
        return self._before.last(symbol) if close is None else Mark(close, SystemClock().now())


@dataclass(frozen=True)
class Heard:
    """A stream whose bars set prices, too."""

    stream: BarStream
    prices: BarPrices

    async def bars(self, symbols: Collection[Symbol]) -> AsyncGenerator[Bar, None]:
        async for bar in self.stream.bars(symbols):
            self.prices.hear(bar)
            yield bar


class Counts:
    """Counts bars."""

    def __init__(self) -> None:
        self.stream: list[Symbol] = []
        self.history: dict[Symbol, int] = {}

    def streamed(self, symbol: Symbol) -> None:
        self.stream.append(symbol)

    def read(self, symbol: Symbol, bars: int) -> None:
        self.history[symbol] = self.history.get(symbol, 0) + bars


class RunningEngine(RunningDesk):
    """A desk with an engine on it."""

    def __init__(
        self,
        directory: Path,
        papers: Mapping[VenueName, Paper],
        configs: Sequence[StrategyConfig],
        bars: BarsConfig = REPLAY,
        *,
        data: VenueName | None = None,
    ) -> None:
        self._data = data or next(iter(papers))
        self.bar_prices = BarPrices(_latest(papers[self._data]))
        super().__init__(directory, dict(papers), prices=self.bar_prices, limits=LIMITS, rules=_RULES, patience=_HASTE)
        self.counts = Counts()
        symbols = sorted({symbol for config in configs for symbol in config.symbols})
        declare_strategies(self.telemetry.metrics, [config.name for config in configs], symbols)
        self.configs, self.bars_config = configs, bars
        self.engine = self._engine()

    def _engine(self) -> Engine:
        clock = SystemClock()
        site = self.papers[self._data].served
        source = AlpacaBars(
            site.base_url, lambda: site.headers, clock=clock, randomness=SystemRandomness(), patience=_PATIENCE
        )
        streams: dict[Timeframe, BarStream] = {
            each: Heard(
                AlpacaBarStream(
                    f"{site.base_url.replace('http', 'ws', 1)}/v2/iex",
                    lambda: site.headers,
                    clock=clock,
                    randomness=SystemRandomness(),
                    timeframe=each,
                    patience=HASTY_STREAM,
                    due=lambda: False,
                ),
                self.bar_prices,
            )
            for each in {config.timeframe for config in self.configs}
        }
        around = Surroundings(
            orders=self.desk,
            facts=Fenced(self.facts, self.owner),
            database=self.database,
            clock=clock,
            calendar=MarketCalendar(clock) if self.bars_config.sessions == "XNYS" else None,
            history=ReplayedHistory({}, source) if self.bars_config.time == "replay" else source,
            streams=streams,
            counts=self.counts,
        )
        return assemble(self.configs, self.bars_config, around)

    @property
    def background(self) -> Sequence[Background]:
        return (*self.desk.background, self.engine.running)


def migrate(directory: Path) -> None:
    """Make the tables, so that they are there before the process that uses them."""
    database = Database(f"sqlite:///{directory / 'trading.db'}", service="trading", versions=(VERSIONS,))
    database.migrate()
    database.close()


class Progress:
    """How far strategies are, read off the database from outside of the process that runs them."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def decided(self) -> dict[str, int | None]:
        """By strategy the start of the last bar that it decided at, in microseconds; {} before the first start."""
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=30)) as connection:
            return dict(connection.execute("SELECT name, decided_us FROM strategies").fetchall())

    def planned(self) -> int:
        """How many signals are not through yet."""
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=30)) as connection:
            query = "SELECT count(*) FROM strategy_signals WHERE outcome = 'planned'"
            return int(connection.execute(query).fetchone()[0])

    def lost(self) -> list[tuple[str, ...]]:
        """The signals that became no order, and not because they were sent again under another name."""
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=30)) as connection:
            query = "SELECT strategy, symbol, leg, outcome, detail FROM strategy_signals WHERE outcome <> 'sent'"
            return [row for row in connection.execute(query) if "it is sent again" not in row[-1]]

    def through(self, moment: datetime, names: Collection[str]) -> bool:
        """Whether every strategy has done what it decided at a moment."""
        decided = self.decided()
        at = microseconds(moment)
        return all((decided.get(name) or 0) >= at for name in names) and not self.planned()


def push(venues: Sequence[ServedVenue], bars: Sequence[Bar]) -> None:
    """Have venues take in the bars of one moment."""
    for venue in venues:
        venue.push_bars(bars)


def wait_until(
    condition: Callable[[], bool], what: Callable[[], object] = lambda: "", seconds: float = SECONDS
) -> None:
    """Return once a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition never held: {what()}"
        time.sleep(0.002)


def _latest(paper: Paper) -> LatestPrices:
    site = paper.served
    return LatestPrices(site.base_url, lambda: site.headers, clock=SystemClock(), randomness=SystemRandomness())


def paper_at(name: str, base_url: str, headers: Mapping[str, str], gate: Any = None, served: Any = None) -> Paper:  # noqa: ANN401 -- as a test has them
    """The way to a venue that serves somewhere."""
    stream_url = f"{base_url.replace('http', 'ws', 1)}/stream"
    site = AlpacaSite(base_url, stream_url, base_url, Environment.PAPER)
    broker = AlpacaBroker(VenueName(name), site, lambda: headers, patience=_PATIENCE, stream_patience=HASTY_STREAM)
    return Paper(served, gate, broker)
