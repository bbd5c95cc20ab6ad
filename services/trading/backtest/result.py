"""What a backtest gives back. Fills and round trips are kept as columns of numbers and read one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from functools import cached_property

import numpy as np

from services.contracts.bars import moment_of
from services.contracts.columns import Floats, Ints
from services.contracts.market import TICK, Symbol
from services.trading.backtest.config import BacktestConfig
from services.trading.backtest.trips import Trips, trips_of
from services.trading.strategies.parameters import Params


class Reason(IntEnum):
    """Why shares changed hands."""

    ENTRY = 0
    SIGNAL = 1  # the strategy wanted out
    STOP = 2
    TARGET = 3
    RESIZE = 4  # the strategy wanted more or less of what it held
    END = 5  # the bars ended


@dataclass(frozen=True, slots=True)
class Fill:
    """Shares that changed hands.

    Attributes:
        bar: The place of its bar.
        at: Start of that bar.
        shares: Bought; negative for sold.
        price: In dollars, slippage included.
        fee: In dollars.
    """

    bar: int
    at: datetime
    symbol: Symbol
    shares: int
    price: Decimal
    fee: Decimal
    reason: Reason


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Shares that were bought and sold again, or sold short and bought back; first in, first out.

    Attributes:
        shares: Negative when short.
        left_bar, left_at, exit_price: Of the exit; of an open one those of the last close.
        fees: In dollars, its share of those of both fills.
        reason: Of the exit; `END` for one that is still open.
        open: The position is still held.
    """

    symbol: Symbol
    shares: int
    entered_bar: int
    entered_at: datetime
    entry_price: Decimal
    left_bar: int
    left_at: datetime
    exit_price: Decimal
    fees: Decimal
    reason: Reason
    open: bool

    @property
    def profit(self) -> Decimal:
        """In dollars, fees taken off."""
        return self.shares * (self.exit_price - self.entry_price) - self.fees

    @property
    def change(self) -> Decimal:
        """Profit as a share of what was put in."""
        return self.profit / (abs(self.shares) * self.entry_price)


@dataclass(frozen=True)
class BacktestResult:
    """One run.

    Attributes:
        strategy: Its name.
        version: The strategy's.
        params: The whole setting.
        symbols: In alphabetical order; `fills` name them by their place.
        time_ns: Starts of the bars.
        close: By symbol and bar the last close, in dollars; NaN before the first.
        equity: In dollars, at the close of each bar.
        fills: In the order in which they happened; `FILL_COLUMNS` has the meaning of the columns.
    """

    strategy: str
    version: int
    params: Params
    config: BacktestConfig
    symbols: tuple[Symbol, ...]
    time_ns: Ints
    close: Floats
    equity: Floats
    fills: Ints

    def each_fill(self) -> Iterator[Fill]:
        """The fills, one by one."""
        for bar, symbol, shares, price, fee, reason in self.fills.tolist():
            yield Fill(
                bar, self.moment(bar), self.symbols[symbol], shares, dollars(price), dollars(fee), Reason(reason)
            )

    @cached_property
    def trips(self) -> Trips:
        """The round trips as columns."""
        return trips_of(self.fills, self.close, Reason.END)

    def each_trip(self) -> Iterator[RoundTrip]:
        """The round trips, one by one, in the order of their exits; open ones come last."""
        for row, fees in zip(self.trips.rows.tolist(), self.trips.fees.tolist(), strict=True):
            symbol, shares, entered, entry, left, exit_price, reason, is_open = row
            yield RoundTrip(
                symbol=self.symbols[symbol],
                shares=shares,
                entered_bar=entered,
                entered_at=self.moment(entered),
                entry_price=dollars(entry),
                left_bar=left,
                left_at=self.moment(left),
                exit_price=dollars(exit_price),
                fees=Decimal(repr(round(fees, 6))),
                reason=Reason(reason),
                open=bool(is_open),
            )

    def holdings(self) -> Ints:
        """By symbol and bar the shares held at the bar's close, negative when short."""
        held = np.zeros(self.close.shape, dtype=np.int64)
        np.add.at(held, (self.fills[:, 1], self.fills[:, 0]), self.fills[:, 2])
        return np.cumsum(held, axis=1, out=held)

    def invested(self) -> Floats:
        """At each bar's close, the worth in dollars of all positions without regard to their sign."""
        worth: Floats = (np.abs(self.holdings()) * np.nan_to_num(self.close)).sum(axis=0)
        return worth

    def moment(self, bar: int) -> datetime:
        """When a bar starts."""
        return moment_of(int(self.time_ns[bar]))


def dollars(micros: int) -> Decimal:
    """From the steps in which both tiers count."""
    exact = Decimal(micros).scaleb(-6)
    cents = exact.quantize(TICK)
    return cents if cents == exact else exact.normalize()
