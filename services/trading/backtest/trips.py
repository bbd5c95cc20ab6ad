"""Round trips from fills: what was bought first is sold first."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from services.contracts.columns import Floats, Ints

FILL_COLUMNS = ("bar", "symbol", "shares", "price", "fee", "reason")
"""Columns of fills: places of bar and symbol, shares (negative for sold), price and fee in millionths of a dollar."""

TRIP_COLUMNS = ("symbol", "shares", "entered_bar", "entry_price", "left_bar", "exit_price", "reason", "open")
"""Columns of round trips, in the same units."""

_MICRO = 1e-6


@dataclass(frozen=True, slots=True)
class Trips:
    """Round trips as columns, in the order of their exits.

    Attributes:
        rows: `TRIP_COLUMNS`.
        fees: In dollars.
    """

    rows: Ints
    fees: Floats

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def profits(self) -> Floats:
        """In dollars, fees taken off."""
        gain: Floats = self.rows[:, 1] * (self.rows[:, 5] - self.rows[:, 3]) * _MICRO - self.fees
        return gain

    @property
    def changes(self) -> Floats:
        """Profits as shares of what was put in."""
        put_in = np.abs(self.rows[:, 1]) * self.rows[:, 3] * _MICRO
        change: Floats = self.profits / put_in
        return change

    @property
    def bars(self) -> Ints:
        """How many bars each one lasted."""
        lasted: Ints = self.rows[:, 4] - self.rows[:, 2]
        return lasted

    @property
    def closed(self) -> "Trips":
        """Without those that are still open."""
        done = self.rows[:, 7] == 0
        return Trips(self.rows[done], self.fees[done])


class _Lot:
    __slots__ = ("bar", "fee", "left", "price", "shares")

    def __init__(self, bar: int, shares: int, price: int, fee: int) -> None:
        self.bar, self.shares, self.price, self.fee = bar, shares, price, fee
        self.left = shares


def trips_of(fills: Ints, close: Floats, still_open: int) -> Trips:
    """Match the fills of each symbol.

    A fill's fee is shared out by the shares that it was paid for.

    Args:
        fills: `FILL_COLUMNS`.
        close: By symbol and bar, in dollars; its last column values what is open.
        still_open: The reason that an open round trip is given.
    """
    lots: dict[int, deque[_Lot]] = {}
    rows: list[tuple[int, ...]] = []
    fees: list[float] = []
    for bar, symbol, shares, price, fee, reason in fills.tolist():
        held = lots.setdefault(symbol, deque())
        left = shares
        while left and held and held[0].left * left < 0:
            lot = held[0]
            part = min(abs(left), abs(lot.left)) * (1 if lot.left > 0 else -1)
            rows.append((symbol, part, lot.bar, lot.price, bar, price, reason, 0))
            fees.append((lot.fee * part / lot.shares + fee * abs(part / shares)) * _MICRO)
            lot.left -= part
            left += part
            if not lot.left:
                held.popleft()
        if left:
            held.append(_Lot(bar, left, price, round(fee * left / shares)))
    for symbol in sorted(lots):
        value = round(float(close[symbol, -1]) / _MICRO) if lots[symbol] else 0
        for lot in lots[symbol]:
            rows.append((symbol, lot.left, lot.bar, lot.price, close.shape[1] - 1, value, still_open, 1))
            fees.append(lot.fee * lot.left / lot.shares * _MICRO)
    return Trips(np.array(rows, dtype=np.int64).reshape(-1, len(TRIP_COLUMNS)), np.array(fees, dtype=np.float64))
