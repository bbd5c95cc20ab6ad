"""Decisions and bars that no sane person would make, for both tiers to agree on."""

from decimal import Decimal

import numpy as np

from services.contracts.columns import Columns, Floats, Panel
from services.contracts.market import Symbol
from services.matching.costs import Costs
from services.trading.backtest.config import BacktestConfig, Sizing
from services.trading.strategies.protocol import Decisions, nothing
from tests.trading.strategies.bars import DAY_NS, random_columns

_HOUR_NS = 3600 * 10**9


def arbitrary_panel(random: np.random.Generator, length: int, symbols: int) -> Panel:
    """Cheap and dear symbols, with gaps, missing bars and prices off their ticks; by day or by hour."""
    step = _HOUR_NS if random.random() < 0.5 else DAY_NS
    panel = {}
    for name in "DBCA"[:symbols]:
        start = float(random.choice([0.9, 1.5, 40.0, 250.0]))
        columns = random_columns(length, int(random.integers(1 << 30)), start=start, volatility=0.04)
        scale = 1.0 + random.random() / 7  # off the tick
        missing = random.random(length) < random.choice([0.0, 0.1])
        prices = [np.where(missing, np.nan, each * scale) for each in _prices(columns)]
        panel[Symbol(name)] = Columns(columns.time_ns // DAY_NS * step, *prices, volume=columns.volume)
    return panel


def arbitrary_decisions(random: np.random.Generator, columns: Columns, *, resizes: bool) -> Decisions:
    """Any target, any order type, prices near the market on either side of it, some of them missing or absurd."""
    length = len(columns)
    out = nothing(length)
    said = random.random(length) < random.choice([0.15, 0.5, 1.0])
    out.target[said] = random.choice([-1.0, -0.3, -0.0, 0.0, 1 / 3, 0.5, 1.0], size=int(said.sum()))
    if resizes:
        return out
    out.entry[:] = random.integers(0, 4, length)
    near = np.nan_to_num(columns.close, nan=float(np.nanmean(columns.close)))
    for prices, wanted in ((out.limit, 0.95), (out.stop, 0.95), (out.stop_loss, 0.6), (out.take_profit, 0.6)):
        prices[:] = near * np.exp(random.normal(0.0, 0.03, length))
        prices[random.random(length) > wanted] = random.choice([np.nan, 0.0, -3.0, 0.00002, 1e300, np.inf])
    return out


def arbitrary_config(random: np.random.Generator) -> BacktestConfig:
    """Any costs and sizing."""
    places = Decimal("0.0001")
    lot = int(random.choice([1, 1, 10, 100]))
    costs = Costs(
        slippage_bps=Decimal(random.choice([0.0, 2.0, 7.3])).quantize(places),
        slippage_ticks=int(random.integers(0, 3)),
        fee_per_share=Decimal(random.choice([0.0, 0.005, 0.0035])).quantize(places),
        fee_bps=Decimal(random.choice([0.0, 1.0, 2.7])).quantize(places),
        fee_minimum=Decimal(random.choice([0.0, 1.0, 0.35])).quantize(places),
    )
    return BacktestConfig(
        capital=Decimal(int(random.integers(50_000, 5_000_000))) / 100,
        costs=costs,
        sizing=Sizing.FRACTION if random.random() < 0.7 else Sizing.SHARES,
        budget=Decimal(int(random.integers(1, 300))) / 100,
        shares=lot * int(random.integers(4, 20)) + int(random.integers(0, 5)),
        lot=lot,
        close_at_end=bool(random.random() < 0.5),
    )


def _prices(columns: Columns) -> tuple[Floats, Floats, Floats, Floats]:
    return columns.open, columns.high, columns.low, columns.close
