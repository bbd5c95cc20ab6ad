"""Puts the engine together. Names no adapter: bars of the past, streams and the way out are handed in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from services.contracts.market import Bar, Symbol
from services.kit.clock import Clock
from services.kit.market_calendar import MarketCalendar
from services.trading.engine.config import BarsConfig, StrategyConfig
from services.trading.engine.crew import Crew
from services.trading.engine.engine import Engine
from services.trading.engine.feed import BarCounts, Feed, FeedRules
from services.trading.engine.history import ReplayedHistory
from services.trading.engine.market_time import BarCalendar, MachineTime, ReplayTime
from services.trading.engine.parity import Parity
from services.trading.engine.parts import EngineParts, Orders
from services.trading.marketdata.port import BarSource, BarStream, Timeframe
from services.trading.orders.transactions import Readings, Transactions


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the engine stands in.

    Attributes:
        facts: Transactions that the owner's fence guards.
        calendar: The exchange's that bars follow; None for a market that never closes.
        history: Bars of the past; a `ReplayedHistory` when a venue replays recorded ones.
        streams: Bars as they come, by their length.
    """

    orders: Orders
    facts: Transactions
    database: Readings
    clock: Clock
    calendar: MarketCalendar | None
    history: BarSource
    streams: Mapping[Timeframe, BarStream]
    counts: BarCounts


def assemble(configs: Sequence[StrategyConfig], bars: BarsConfig, around: Surroundings) -> Engine:
    """Make the engine; nothing runs yet."""
    maker = _Maker(tuple(configs), bars, around)
    return Engine(tuple(configs), around.orders, maker.crew, around.streams)


class _Maker:
    """Makes what runs while the process leads, each time anew."""

    def __init__(self, configs: Sequence[StrategyConfig], bars: BarsConfig, around: Surroundings) -> None:
        self._configs = configs
        self._bars = bars
        self._around = around

    def crew(self) -> Crew:
        parts = self._parts()
        every = {each: self._bars.parity_every(each) for each in parts.calendars}
        return Crew(
            self._configs,
            parts,
            partial(self._feed, parts),
            grace_seconds=self._bars.grace_seconds,
            parity=Parity(parts, self._around.history, every),
        )

    def _parts(self) -> EngineParts:
        around, clock = self._around, self._around.clock
        return EngineParts(
            orders=around.orders,
            facts=around.facts,
            database=around.database,
            clock=clock,
            time=ReplayTime(clock) if self._bars.time == "replay" else MachineTime(clock),
            calendars={
                timeframe: BarCalendar(timeframe, around.calendar)
                for timeframe in {config.timeframe for config in self._configs}
            },
        )

    def _feed(
        self, parts: EngineParts, timeframe: Timeframe, symbols: Sequence[Symbol], give: Callable[[Bar], object]
    ) -> Feed:
        history = self._around.history
        return Feed(
            symbols,
            parts.calendars[timeframe],
            history,
            give,
            time=parts.time,
            clock=parts.clock,
            facts=parts.facts,
            counts=self._around.counts,
            rules=FeedRules(stale_after=self._bars.stale_after_seconds, grace=self._bars.grace_seconds),
            played=partial(history.played, timeframe=timeframe) if isinstance(history, ReplayedHistory) else None,
        )
