"""Under which conditions a backtest trades."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from services.matching.costs import Costs

USUAL_COSTS: Final = Costs(slippage_bps=Decimal(2), fee_per_share=Decimal("0.005"), fee_minimum=Decimal(1))
"""What a small account pays for liquid US shares: half a cent a share, a dollar an order, two basis points of slip."""

_MOST_CAPITAL: Final = Decimal(10) ** 11
_MOST_SHARES: Final = 10**9
_MOST_BUDGET: Final = 10
# The fast tier counts in whole steps of these sizes.
_COST_PLACES: Final = {
    "slippage_bps": 4,
    "fee_per_share": 6,
    "fee_bps": 4,
    "fee_minimum": 6,
}
_MOST_BPS: Final = Decimal(10_000)
_MOST_TICKS: Final = 10**6
_MOST_FEE: Final = Decimal(10) ** 6


class Sizing(StrEnum):
    """What a target of 1 means."""

    FRACTION = "fraction"  # the budget, at the close of the bar that is decided at
    SHARES = "shares"  # a fixed number of shares


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestConfig:
    """The conditions of a backtest. Nothing checks buying power: targets that add up to more than 1 borrow, for free.

    Attributes:
        capital: In dollars, at the start.
        costs: Of each fill.
        sizing: What a target of 1 means.
        budget: With `FRACTION`, the share of the equity, over all symbols, that a target of 1 stands for.
        shares: With `SHARES`, their number at a target of 1.
        lot: Shares of an entry are a multiple of this.
        close_at_end: Close what is open at the close of the last bar, at its costs. Otherwise it is valued there.

    Raises:
        ValueError: A value is out of range, or a cost is finer than both tiers count.
    """

    capital: Decimal = Decimal(100_000)
    costs: Costs = USUAL_COSTS
    sizing: Sizing = Sizing.FRACTION
    budget: Decimal = Decimal(1)
    shares: int = 100
    lot: int = 1
    close_at_end: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.capital <= _MOST_CAPITAL or self.capital != round(self.capital, 2):
            raise ValueError(f"capital is above zero, at most {_MOST_CAPITAL:,f} dollars, and in whole cents")
        if not 0 < self.budget <= _MOST_BUDGET:
            raise ValueError(f"the budget is above 0 and at most {_MOST_BUDGET} times the equity")
        if not 0 < self.shares <= _MOST_SHARES or not 0 < self.lot <= _MOST_SHARES:
            raise ValueError(f"shares and lots are whole numbers from 1 to {_MOST_SHARES:,}")
        _check_costs(self.costs)


def _check_costs(costs: Costs) -> None:
    for name, places in _COST_PLACES.items():
        value: Decimal = getattr(costs, name)
        if value != round(value, places):
            raise ValueError(f"{name} has at most {places} decimal places")
    if max(costs.slippage_bps, costs.fee_bps) > _MOST_BPS or costs.slippage_ticks > _MOST_TICKS:
        raise ValueError(f"slippage and fees are at most {_MOST_BPS} basis points, slippage {_MOST_TICKS:,} ticks")
    if max(costs.fee_per_share, costs.fee_minimum) > _MOST_FEE:
        raise ValueError(f"fees are at most {_MOST_FEE:,f} dollars a share and an order")
