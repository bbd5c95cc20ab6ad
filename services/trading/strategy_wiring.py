"""Where the engine is put together from the trading file: whose bars it reads, and through which adapters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.contracts.columns import Columns
from services.contracts.market import Symbol
from services.kit.bar_file_errors import BarFileError
from services.kit.bar_files import read_bars
from services.kit.clock import Clock
from services.kit.ids import Randomness
from services.kit.market_calendar import MarketCalendar
from services.trading.brokers.alpaca_sites import DATA_URL, AlpacaSite
from services.trading.engine.assembling import Surroundings, assemble
from services.trading.engine.engine import Engine
from services.trading.engine.feed import BarCounts
from services.trading.engine.history import ReplayedHistory
from services.trading.engine.parts import Orders
from services.trading.marketdata.alpaca_bar_stream import AlpacaBarStream
from services.trading.marketdata.alpaca_bars import AlpacaBars
from services.trading.marketdata.port import BarSource, BarStream, Timeframe
from services.trading.orders.transactions import Readings, Transactions
from services.trading.settings import TradingFile, TradingFileError
from services.trading.wire.calls import Keys

_STREAM_URL: Final = "wss://stream.data.alpaca.markets"


@dataclass(frozen=True, slots=True, kw_only=True)
class BarSite:
    """Where bars are read.

    Attributes:
        keys: The headers of a session that may read there, asked for each call.
        feed: Whose trades count: "iex" or "sip".
    """

    site: AlpacaSite
    keys: Keys
    feed: str


def engine_of(  # noqa: PLR0913 -- each is a part that the desk has, too
    trading: TradingFile,
    bars: BarSite,
    *,
    orders: Orders,
    facts: Transactions,
    database: Readings,
    clock: Clock,
    randomness: Randomness,
    counts: BarCounts,
) -> Engine:
    """The engine of a trading file; it runs nothing where that names no strategies.

    Raises:
        TradingFileError: The file with the bars of the past cannot be used.
    """
    calendar = MarketCalendar(clock) if trading.bar_sessions == "XNYS" else None
    source = AlpacaBars(bars.site.data_url, bars.keys, clock=clock, randomness=randomness, feed=bars.feed)
    around = Surroundings(
        orders=orders,
        facts=facts,
        database=database,
        clock=clock,
        calendar=calendar,
        history=_history(trading, source),
        streams=_streams(trading, bars, clock, randomness, _due(calendar, clock)),
        counts=counts,
    )
    return assemble(trading.strategies, trading.bars, around)


def _history(trading: TradingFile, source: BarSource) -> BarSource:
    if trading.bars.time != "replay":
        return source
    return ReplayedHistory(recorded(trading), source)


def recorded(trading: TradingFile) -> Mapping[Symbol, Columns]:
    """The bars of the file that the trading file names for the past, none where it names none.

    Raises:
        TradingFileError: That file cannot be used.
    """
    if trading.bars.history is None:
        return {}
    try:
        return {symbol: found.columns for symbol, found in read_bars(trading.bars.history).items()}
    except BarFileError as error:
        raise TradingFileError(f"bars.history: {error.detail}.") from error


def _streams(
    trading: TradingFile, bars: BarSite, clock: Clock, randomness: Randomness, due: Callable[[], bool]
) -> dict[Timeframe, BarStream]:
    base, real = bars.site.data_url, bars.site.data_url == DATA_URL
    url = f"{_STREAM_URL if real else base.replace('http', 'ws', 1)}/v2/{bars.feed}"
    wanted = {config.timeframe for config in trading.strategies}
    # Alpaca tells a day again and again while it lasts: complete ones are read from the past.
    streamed = wanted - {Timeframe.DAY} if real else wanted
    return {
        timeframe: AlpacaBarStream(url, bars.keys, clock=clock, randomness=randomness, timeframe=timeframe, due=due)
        for timeframe in streamed
    }


def _due(calendar: MarketCalendar | None, clock: Clock) -> Callable[[], bool]:
    """Whether a silent connection is one that is broken: only where a calendar says that bars are made now."""
    if calendar is None:
        return lambda: False
    return lambda: calendar.is_open(clock.now())
