"""What is read off the engine when metrics are collected: strategies, their budgets, and the age of their bars."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, Protocol

from services.contracts.market import Symbol
from services.contracts.strategies import StrategyState
from services.kit.clock import Clock
from telemetry.catalogue import (
    TRADING_BARS,
    TRADING_DATA_AGE,
    TRADING_DATA_STALE,
    TRADING_STRATEGY_BUDGET,
    TRADING_STRATEGY_STATE,
    TRADING_STRATEGY_STOPS,
    TRADING_STUDIES_FINISHED,
    TRADING_STUDY_PROGRESS,
    TRADING_STUDY_TRIALS,
    TUNED,
    Metric,
    emitted_by,
)
from telemetry.emit.metrics import Metrics

_ENGINE_LABELS: Final = frozenset({"strategy", "symbol"})


class StrategySight(Protocol):
    """What is looked at of a strategy."""

    @property
    def name(self) -> str: ...

    @property
    def state(self) -> StrategyState: ...

    @property
    def budget_used(self) -> float:
        """Share of its budget that is held or works; 0 without a budget."""


class FeedSight(Protocol):
    """What is looked at of a symbol's bars."""

    @property
    def symbol(self) -> Symbol: ...

    @property
    def newest_bar_end(self) -> datetime | None:
        """When the newest bar ended, UTC; None before the first, and while the symbol's market is closed."""

    @property
    def stale(self) -> bool:
        """Whether bars do not come though they should."""


class EngineSight(Protocol):
    """What is looked at of the engine. No method waits for anything."""

    def strategies(self) -> Sequence[StrategySight]:
        """Every strategy that the trading file names."""

    def feeds(self) -> Sequence[FeedSight]:
        """Every symbol that a strategy looks at."""


def declare_strategies(metrics: Metrics, strategies: Iterable[str], symbols: Iterable[Symbol]) -> None:
    """Make strategies and symbols known to the metrics that are told by them; at start, before the first bar.

    Args:
        metrics: The service's instruments.
        strategies: Those that the trading file names.
        symbols: Those that these look at; at most 200, a series for each stands in every scrape.

    Raises:
        ValueError: There are more than 200 of either.
    """
    names = {"strategy": tuple(strategies), "symbol": tuple(symbols)}
    for metric in emitted_by("trading"):
        for label in metric.labels:
            if label.name in _ENGINE_LABELS and label.values is None:
                metrics.declare(metric, label.name, names[label.name])


def declare_left_over(metrics: Metrics, strategies: Iterable[str]) -> None:
    """Make strategies known that ran before and that the trading file may name no more: the start stops them."""
    metrics.declare(TRADING_STRATEGY_STOPS, "strategy", strategies, create=False)


def declare_tuned(metrics: Metrics, kinds: Iterable[str]) -> None:
    """Make the kinds of strategies known to the metrics about studies of them; at start."""
    names = tuple(kinds)
    for metric in (TRADING_STUDY_TRIALS, TRADING_STUDY_PROGRESS, TRADING_STUDIES_FINISHED):
        metrics.declare(metric, TUNED.name, names)


class BarMeter:
    """Counts the bars that strategies are given. May be called from any thread.

    Args:
        metrics: The service's instruments; the symbols have been declared.
        symbols: Those that bars are of.
    """

    def __init__(self, metrics: Metrics, symbols: Iterable[Symbol]) -> None:
        names = tuple(symbols)
        self._stream = {name: metrics.counter(TRADING_BARS, symbol=name, origin="stream") for name in names}
        self._history = {name: metrics.counter(TRADING_BARS, symbol=name, origin="history") for name in names}

    def streamed(self, symbol: Symbol) -> None:
        """The stream brought a bar."""
        self._stream[symbol].inc()

    def read(self, symbol: Symbol, bars: int) -> None:
        """So many bars were read from the past: for the warm-up, or where some were missing."""
        self._history[symbol].inc(bars)


class StrategyGauges:
    """Shows how strategies and their bars stand.

    Args:
        engine: Where it is read off.
        metrics: The service's instruments; strategies and symbols have been declared.
        clock: Ages are counted against it.
    """

    def __init__(self, engine: EngineSight, *, metrics: Metrics, clock: Clock) -> None:
        self._engine = engine
        self._metrics = metrics
        self._clock = clock

    def refresh(self) -> None:
        """Read everything anew; for `Metrics.before_collecting`."""
        for strategy in self._engine.strategies():
            for state in StrategyState:
                self._show(TRADING_STRATEGY_STATE, strategy.state is state, strategy=strategy.name, state=state.value)
            self._show(TRADING_STRATEGY_BUDGET, strategy.budget_used, strategy=strategy.name)
        now = self._clock.now()
        for feed in self._engine.feeds():
            ended = feed.newest_bar_end
            age = 0.0 if ended is None else max(0.0, (now - ended).total_seconds())
            self._show(TRADING_DATA_AGE, age, symbol=feed.symbol)
            self._show(TRADING_DATA_STALE, feed.stale, symbol=feed.symbol)

    def _show(self, metric: Metric, value: float, **labels: str) -> None:
        self._metrics.gauge(metric, **labels).set(value)
