"""Words about markets: instruments, bars, and what an order may ask for. Money and quantities are Decimal."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NewType

Symbol = NewType("Symbol", str)
"""A ticker as the venues write it: "AAPL", "BRK.B"."""

SYMBOL_PATTERN: Final = r"^[A-Z][A-Z0-9.]{0,11}$"

TICK: Final = Decimal("0.01")
SUB_DOLLAR_TICK: Final = Decimal("0.0001")
_ONE_DOLLAR: Final = Decimal(1)


class Side(StrEnum):
    """Which way an order goes. Selling what is not held is selling short."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """1 for buying, -1 for selling."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """The side that undoes this one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """What has to be true of the price before an order trades."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class TimeInForce(StrEnum):
    """How long an order works."""

    DAY = "day"
    GTC = "gtc"  # good till canceled
    IOC = "ioc"  # immediate or cancel
    FOK = "fok"  # fill or kill


class OrderClass(StrEnum):
    """Whether an order comes with others that depend on it."""

    SIMPLE = "simple"
    BRACKET = "bracket"  # an entry, and once it is filled a target and a stop of which one cancels the other
    OCO = "oco"  # a target and a stop for a position that is held


@dataclass(frozen=True, slots=True)
class Bar:
    """What happened to a price between `start` and `start + seconds`. Times are UTC.

    Attributes:
        seconds: Length of the interval; a daily bar covers its regular session.
        volume: Shares traded.
    """

    symbol: Symbol
    start: datetime
    seconds: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What a venue lets trade, and in which steps.

    Attributes:
        tradable: The venue takes orders for it now.
        shortable: It may be sold without being held.
        fractionable: Market orders of the day may be for a fraction of a share.
        halted: Trading in it is suspended for the moment.
    """

    symbol: Symbol
    tradable: bool = True
    shortable: bool = True
    fractionable: bool = True
    halted: bool = False


def tick_at(price: Decimal) -> Decimal:
    """The smallest step of a price: a cent, below one dollar a hundredth of a cent (SEC Rule 612)."""
    return TICK if price >= _ONE_DOLLAR else SUB_DOLLAR_TICK


def on_tick(price: Decimal) -> bool:
    """Whether the venues take this price as it stands."""
    return price % tick_at(price) == 0
