"""What a strategy is: a pure function from bars and parameters to decisions.

The same class decides in tuning, in the reference backtest, in paper and in live trading. It is given all bars at once
and answers for each of them, or a window that ends with the newest bar, of whose answer the last row counts. What it
says at a bar must depend on nothing after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np

from services.contracts.columns import Codes, Floats, Panel
from services.contracts.market import OrderType, Symbol
from services.trading.strategies.parameters import ParameterSpace, Params


class EntryCode(IntEnum):
    """`OrderType` as a number, for arrays."""

    MARKET = 0
    LIMIT = 1
    STOP = 2
    STOP_LIMIT = 3

    @property
    def order_type(self) -> OrderType:
        """The order type of this number."""
        return _ORDER_TYPES[self]


_ORDER_TYPES = {
    EntryCode.MARKET: OrderType.MARKET,
    EntryCode.LIMIT: OrderType.LIMIT,
    EntryCode.STOP: OrderType.STOP,
    EntryCode.STOP_LIMIT: OrderType.STOP_LIMIT,
}


@dataclass(frozen=True, slots=True)
class Decisions:
    """What is decided at the close of each bar of one symbol, to be done from the next bar on.

    Attributes:
        target: Wanted position as a signed share of the strategy's budget, between -1 and 1; NaN: leave things as they
            are. A target that is not reached by its order within the next session is given up.
        entry: How the order towards the target is made, an `EntryCode`.
        limit, stop: The order's prices in dollars; NaN where its type has none.
        stop_loss, take_profit: Where the position that the order opens is closed again; NaN for nowhere.
    """

    target: Floats
    entry: Codes
    limit: Floats
    stop: Floats
    stop_loss: Floats
    take_profit: Floats

    def __len__(self) -> int:
        return len(self.target)


def nothing(length: int) -> Decisions:
    """Decisions that change nothing, to be filled in. Arrays are new and may be written."""

    def empty() -> Floats:
        return np.full(length, np.nan)

    return Decisions(empty(), np.zeros(length, dtype=np.int8), empty(), empty(), empty(), empty())


class Strategy(Protocol):
    """A strategy. Stateless: everything it knows comes in.

    Attributes:
        name: In lower case, as in the registry and in client order ids.
        version: Raised when the same bars lead to other decisions than before.
        title: In a few words, for people.
        space: What it can be set to.
        symbols_needed: How many symbols it needs at the least.
        resizes: A target also changes the size of a position that has its sign already. Otherwise a target that is
            told again while it is held does nothing.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def title(self) -> str: ...

    @property
    def space(self) -> ParameterSpace: ...

    @property
    def symbols_needed(self) -> int: ...

    @property
    def resizes(self) -> bool: ...

    def warm_up(self, params: Params) -> int:
        """How many bars must lie before the first one that it decides at."""

    def decide(self, panel: Panel, params: Params) -> Mapping[Symbol, Decisions]:
        """What to do, for every symbol of the panel and every bar; nothing during the warm-up."""
