"""Every strategy there is, by name."""

from collections.abc import Mapping
from typing import Final

from services.trading.strategies.breakout import ChannelBreakout
from services.trading.strategies.momentum import RelativeMomentum
from services.trading.strategies.protocol import Strategy
from services.trading.strategies.reversion import BandReversion
from services.trading.strategies.trend import SmaCross

_ALL: Final[tuple[Strategy, ...]] = (SmaCross(), BandReversion(), ChannelBreakout(), RelativeMomentum())

STRATEGIES: Final[Mapping[str, Strategy]] = {strategy.name: strategy for strategy in _ALL}


class UnknownStrategyError(ValueError):
    """No strategy has that name. The message lists those that there are."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no strategy {name!r}; there are {', '.join(sorted(STRATEGIES))}")


def find(name: str) -> Strategy:
    """The strategy of a name. Raises `UnknownStrategyError`."""
    if name not in STRATEGIES:
        raise UnknownStrategyError(name)
    return STRATEGIES[name]
