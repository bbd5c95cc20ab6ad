"""The least that a loop must do for these rules: one symbol, market entries, a stop and a target, written for them."""

import math

import numpy as np
from numba import njit

from services.contracts.columns import Floats

SHARES = 100.0
FEE_PER_SHARE, FEE_MINIMUM = 0.005, 1.0
SLIP = 0.0002


@njit(cache=True, nogil=True, error_model="numpy")
def slipped(price: float, side: float) -> float:
    """Two basis points worse, on the next cent."""
    if side > 0:
        return math.ceil(price * (1.0 + SLIP) * 100.0 - 1e-7) / 100.0
    return math.floor(price * (1.0 - SLIP) * 100.0 + 1e-7) / 100.0


@njit(cache=True, nogil=True, error_model="numpy")
def loop(  # noqa: PLR0913, PLR0917 -- as it would be written by hand
    opened: Floats,
    high: Floats,
    low: Floats,
    close: Floats,
    target: Floats,
    loss: Floats,
    profit: Floats,
    cash: float,
) -> tuple[Floats, Floats]:
    """Equity at each close, and fills as bar, shares, price and fee. Prices are above a dollar; long only."""
    length = len(close)
    equity = np.empty(length)
    fills = np.empty((length, 4))
    count, held = 0, 0.0
    waits, wanted, stop, take, next_stop, next_take = False, 0.0, np.nan, np.nan, np.nan, np.nan
    fee = max(SHARES * FEE_PER_SHARE, FEE_MINIMUM)
    for bar in range(length):
        shares, price = 0.0, 0.0
        if waits:
            waits = False
            shares, price = (SHARES if wanted > 0 else -held), slipped(opened[bar], 1.0 if wanted > 0 else -1.0)
            held += shares
            cash -= shares * price + fee
            fills[count, 0], fills[count, 1], fills[count, 2], fills[count, 3] = bar, shares, price, fee
            count += 1
            stop, take = (next_stop, next_take) if wanted > 0 else (np.nan, np.nan)
        if held > 0:
            out = 0.0
            if opened[bar] <= stop or opened[bar] >= take:
                out = slipped(opened[bar], -1.0)
                if opened[bar] >= take:
                    out = max(out, take)
            elif low[bar] <= stop:
                out = slipped(stop, -1.0)
            elif high[bar] >= take:
                out = take
            if out > 0:
                cash += held * out - fee
                fills[count, 0], fills[count, 1], fills[count, 2], fills[count, 3] = bar, -held, out, fee
                count += 1
                held, stop, take = 0.0, np.nan, np.nan
        equity[bar] = cash + held * close[bar]
        if not np.isnan(target[bar]) and (target[bar] > 0) != (held > 0):
            waits, wanted = True, target[bar]
            next_stop, next_take = round(loss[bar], 2), round(profit[bar], 2)
            stop, take = np.nan, np.nan
    return equity, fills[:count]
