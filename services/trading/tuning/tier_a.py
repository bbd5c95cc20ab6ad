"""Strategies as something to be tuned: settings are run by the fast backtest."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from hashlib import sha256
from itertools import product
from typing import Final

import numpy as np

from services.contracts.columns import Floats, Panel
from services.trading.backtest.config import BacktestConfig
from services.trading.backtest.fast import Bench, prepare, run_many
from services.trading.backtest.result import BacktestResult
from services.trading.strategies.parameters import ParameterSpace, Params
from services.trading.strategies.protocol import Strategy
from services.trading.tuning.errors import TooFewBarsError
from services.trading.tuning.subject import Evaluation, Subject

_YEAR_NS: Final = 365.2425 * 86_400e9
_TWICE: Final = Decimal(2)
_MOST_TRIPS: Final = 0.95


def subject_of(  # noqa: PLR0913 -- what a study is about
    strategy: Strategy,
    panel: Panel,
    config: BacktestConfig,
    *,
    space: ParameterSpace,
    timeframe: str,
    hold: bool = False,
) -> Subject:
    """A strategy on bars.

    Args:
        strategy: What is tuned.
        panel: Bars of all its symbols on one time axis.
        config: Capital, sizing and costs.
        space: What may be tried; the strategy's own or a narrower one.
        timeframe: Length of a bar, for the name of the market.
        hold: It must beat holding all symbols in equal parts, not just cash.

    Raises:
        TooFewBarsError: The strategy needs more symbols, or there are no two bars.
    """
    if len(panel) < strategy.symbols_needed:
        raise TooFewBarsError(f"{strategy.name} needs {strategy.symbols_needed} symbols, not {len(panel)}.")
    times = next(iter(panel.values())).time_ns
    if len(times) <= 1:
        raise TooFewBarsError(f"There are {len(times)} bars; a study takes some hundreds.")
    costs, trials = config.costs, TierA(strategy, panel, config)
    dear = replace(
        costs,
        slippage_bps=costs.slippage_bps * _TWICE,
        slippage_ticks=costs.slippage_ticks * 2,
        fee_per_share=costs.fee_per_share * _TWICE,
        fee_bps=costs.fee_bps * _TWICE,
        fee_minimum=costs.fee_minimum * _TWICE,
    )
    return Subject(
        strategy=strategy.name,
        version=strategy.version,
        space=space,
        data=f"{','.join(sorted(panel))} {timeframe}",
        digest=_digest(panel, config),
        bars=len(times),
        warm_up=_warm_up(strategy, space),
        bars_per_year=(len(times) - 1) / (int(times[-1] - times[0]) / _YEAR_NS),
        evaluate=trials,
        horizon=partial(trials.horizon, space.default),
        evaluate_dear=TierA(strategy, panel, replace(config, costs=dear)),
        benchmark=held_in_equal_parts(panel) if hold else None,
    )


@dataclass
class TierA:
    """Implements `Evaluate`: each setting is run from the first bar to the end of the span."""

    strategy: Strategy
    panel: Panel
    config: BacktestConfig
    _bench: tuple[int, Bench] | None = field(default=None, init=False)

    def __call__(self, settings: Sequence[Params], span: slice) -> Sequence[Evaluation]:
        measure = partial(evaluation_of, begin=span.start)
        if len(settings) > 1:
            return run_many(self.strategy, self._until(span.stop), settings, self.config, measure)
        bench = self._ready(span.stop)
        return [measure(bench.run(self.strategy, setting, self.config)) for setting in settings]

    def horizon(self, setting: Params, end: int) -> int:
        """How long 95 of 100 round trips of a setting last that are over before bar `end`, from their decision on."""
        closed = self._ready(end).run(self.strategy, setting, self.config).trips.closed
        return 1 + int(np.quantile(closed.bars, _MOST_TRIPS, method="higher")) if len(closed) else 1

    def _until(self, end: int) -> Panel:
        return {symbol: columns.until(end) for symbol, columns in self.panel.items()}

    def _ready(self, end: int) -> Bench:
        # Trials one by one all end at the same bar.
        if self._bench is None or self._bench[0] != end:
            self._bench = (end, prepare(self._until(end)))
        return self._bench[1]


def evaluation_of(result: BacktestResult, begin: int) -> Evaluation:
    """Returns and round trips of a run from a bar on. Who has lost everything returns nothing any more."""
    before = np.concatenate(([float(result.config.capital)], result.equity[:-1]))
    alive = np.minimum.accumulate(before) > 0
    returns = np.where(alive, np.maximum(result.equity, 0.0) / np.where(alive, before, 1.0) - 1.0, 0.0)
    left = result.trips.closed.rows[:, 4]
    return Evaluation(returns[begin:], int((left >= begin).sum()))


def held_in_equal_parts(panel: Panel) -> Floats:
    """Returns per bar of holding all symbols, in equal parts again at each bar; before its first bar one gives 0."""
    changes = []
    for columns in panel.values():
        close = columns.close.copy()
        known = np.maximum.accumulate(np.where(np.isnan(close), -1, np.arange(len(close))))
        filled = np.where(known >= 0, close[np.maximum(known, 0)], np.nan)
        change = np.zeros(len(close))
        change[1:] = np.nan_to_num(filled[1:] / filled[:-1] - 1.0)
        changes.append(change)
    held: Floats = np.mean(changes, axis=0)
    return held


def _warm_up(strategy: Strategy, space: ParameterSpace) -> int:
    """The longest at any corner of the space that keeps the constraints."""
    ends = [(parameter.choices()[0], parameter.choices()[-1]) for parameter in space.parameters]
    names = [parameter.name for parameter in space.parameters]
    corners = [dict(zip(names, corner, strict=True)) for corner in product(*ends)]
    return max(strategy.warm_up(corner) for corner in (*corners, space.default) if space.allows(corner))


def _digest(panel: Panel, config: BacktestConfig) -> str:
    made = sha256(repr(config).encode())
    for symbol in sorted(panel):
        columns = panel[symbol]
        made.update(symbol.encode())
        for column in (columns.time_ns, columns.open, columns.high, columns.low, columns.close, columns.volume):
            made.update(np.ascontiguousarray(column).tobytes())
    return made.hexdigest()[:16]
