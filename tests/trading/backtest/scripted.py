"""A strategy that does as it is told, and prices to tell it about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from services.contracts.columns import Columns, Panel
from services.contracts.market import Symbol
from services.matching.costs import Costs
from services.trading.backtest.config import BacktestConfig, Sizing
from services.trading.strategies.parameters import Integer, ParameterSpace, Params
from services.trading.strategies.protocol import Decisions, EntryCode, nothing
from tests.trading.strategies.bars import DAY_NS, FIRST_NS

A = Symbol("A")
FREE = BacktestConfig(capital=Decimal(100_000), costs=Costs(), sizing=Sizing.SHARES, shares=10)

Prices = tuple[float, float, float, float]


@dataclass(frozen=True)
class Scripted:
    """Decides what it was given."""

    decided: Mapping[Symbol, Decisions]
    resizes: bool = False
    name: str = "scripted"
    version: int = 1
    title: str = "as told"
    symbols_needed: int = 1
    space: ParameterSpace = field(
        default_factory=lambda: ParameterSpace((Integer(name="n", low=1, high=1, default=1),))
    )

    def warm_up(self, params: Params) -> int:  # noqa: ARG002 -- the protocol's signature
        return 0

    def decide(self, panel: Panel, params: Params) -> Mapping[Symbol, Decisions]:  # noqa: ARG002 -- as above
        return self.decided


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A decision at one bar."""

    target: float
    entry: EntryCode = EntryCode.MARKET
    limit: float = np.nan
    stop: float = np.nan
    stop_loss: float = np.nan
    take_profit: float = np.nan


def wishes(length: int, wanted: Mapping[int, Wish]) -> Decisions:
    """Decisions at a few bars."""
    out = nothing(length)
    for bar, wish in wanted.items():
        for name in ("target", "entry", "limit", "stop", "stop_loss", "take_profit"):
            getattr(out, name)[bar] = getattr(wish, name)
    return out


def days(prices: Sequence[Prices], *, step_ns: int = DAY_NS, first_ns: int = FIRST_NS) -> Columns:
    """Bars of open, high, low, close; NaN for no bar."""
    table = np.array(prices, dtype=float)
    time_ns = first_ns + step_ns * np.arange(len(table), dtype=np.int64)
    return Columns(time_ns, *(np.ascontiguousarray(each) for each in table.T), volume=np.full(len(table), 1e6))


def script(prices: Sequence[Prices], wanted: Mapping[int, Wish]) -> tuple[Scripted, Panel]:
    """One symbol, and what is decided about it."""
    return Scripted({A: wishes(len(prices), wanted)}), {A: days(prices)}
