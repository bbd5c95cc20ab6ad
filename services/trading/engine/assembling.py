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
from services.trading.engine.parts import EngineParts, Orders
from services.trading.engine.strategist import Strategist
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
    return Engine(tuple(configs), around.orders, partial(_crew, tuple(configs), bars, around), around.streams)


def _crew(configs: Sequence[StrategyConfig], bars: BarsConfig, around: Surroundings) -> Crew:
    timeframes = {config.timeframe for config in configs}
    parts = EngineParts(
        orders=around.orders,
        facts=around.facts,
        database=around.database,
        clock=around.clock,
        time=ReplayTime(around.clock) if bars.time == "replay" else MachineTime(around.clock),
        calendars={each: BarCalendar(each, around.calendar) for each in timeframes},
    )
    return Crew(configs, parts, partial(_feed, parts, bars, around), grace_seconds=bars.grace_seconds, decided=_nothing)


def _feed(
    parts: EngineParts,
    bars: BarsConfig,
    around: Surroundings,
    timeframe: Timeframe,
    symbols: Sequence[Symbol],
    give: Callable[[Bar], object],
) -> Feed:
    history = around.history
    return Feed(
        symbols,
        parts.calendars[timeframe],
        history,
        give,
        time=parts.time,
        clock=parts.clock,
        facts=parts.facts,
        counts=around.counts,
        rules=FeedRules(stale_after=bars.stale_after_seconds, grace=bars.grace_seconds),
        played=partial(history.played, timeframe=timeframe) if isinstance(history, ReplayedHistory) else None,
    )


def _nothing(_strategist: Strategist, _moment: object) -> None:
    return
