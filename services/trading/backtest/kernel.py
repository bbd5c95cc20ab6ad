"""The fast backtest (tier A): what the reference does, as machine code over whole numbers.

Prices and money are millionths of a dollar, so that every price, fee and size is exactly that of the reference in
Decimal. The order of events inside a bar is that of `services.matching.market`, what a decision leads to that of
`services.trading.backtest.reference`; tests hold this module to both, trade by trade. It is long because functions that
call each other have to stand in one file: see `jit`.
"""

from typing import Final

import numpy as np

from services.contracts.columns import Codes, Floats, Ints
from services.trading.backtest.jit import compiled

# Costs and conditions, one array: slippage and fee in hundred-millionths of the price, the rest in steps.
SLIPPAGE, TICKS, PER_SHARE, FEE, FEE_MINIMUM, CAPITAL, FIXED_SHARES, LOT, RESIZES, CLOSE_AT_END = range(10)
CONDITIONS: Final = 10

DONE, TOO_LARGE, BAD_TARGET, BAD_ENTRY, BAD_RESIZE = range(5)

_MARKET, _LIMIT, _STOP, _STOP_LIMIT = range(4)
_ENTRY, _SIGNAL, _STOPPED, _TAKEN, _RESIZE, _END = range(6)

# The state of a symbol, one row of numbers. A kind of -1 is no entry, a price of 0 none.
_ROW, _HELD, _ACTIVE = range(3)  # its place; shares; whether an order works
_CLOSING, _CHANGE = range(3, 5)  # market orders: one that closes, shares by which one resizes
_KIND, _SHARES, _AT_LIMIT, _AT_STOP, _SET_OFF, _LOSS, _PROFIT = range(5, 12)  # the entry, and the exits it brings
_X_STOP, _X_TAKE = range(12, 14)  # the exits that work
_STATES: Final = 14

_CASH, _COUNT, _STATUS = range(3)
_COLUMNS: Final = 6
_PER_BAR: Final = 3  # the most fills of a symbol in a bar: a close, an entry, an exit

_MICRO: Final = 1_000_000
_CENT: Final = 10_000
_SUB_CENT: Final = 100
_E8: Final = 100_000_000
_LARGEST: Final = 4e18
_HIGHEST: Final = 1e9

Decided = tuple[Floats, Codes, Floats, Floats, Floats, Floats]
Ledger = tuple[Ints, Ints, Ints, int]
"""Fills, money, conditions, bar."""
Order = tuple[int, float, float, float, float]
"""Entry code, limit, stop, stop loss, take profit."""


@compiled
def run(
    session: Ints, bars: tuple[Ints, Ints, Ints, Ints], decisions: Decided, conditions: Ints, budget: float
) -> tuple[Floats, Ints, int, int]:
    """One backtest. Rows of two-dimensional arrays are symbols, columns bars.

    Args:
        session: That of each bar.
        bars: Open, high, low, close, in steps; 0 for no bar.
        decisions: Target, entry, limit, stop, stop loss, take profit as the strategy gives them.
        conditions: Costs and conditions, indexed by the names above.
        budget: Share of the equity that a target of 1 stands for.

    Returns:
        The equity in dollars at each close; the fills; and how it ended, at which bar.
    """
    close = bars[3]
    symbols, length = close.shape
    states = np.zeros((symbols, _STATES), dtype=np.int64)
    states[:, _KIND] = -1
    states[:, _ROW] = np.arange(symbols)
    last = np.zeros(symbols, dtype=np.int64)
    money = np.array([conditions[CAPITAL], 0, DONE])
    equity = np.empty(length)
    fills = np.empty((256 + 2 * _PER_BAR * symbols, _COLUMNS), dtype=np.int64)
    for bar in range(length):
        if money[_COUNT] + 2 * _PER_BAR * symbols > len(fills):
            fills = _grown(fills)
        ledger = (fills, money, conditions, bar)
        _turn_to(bars, states, last, ledger)
        equity[bar] = worth = _worth(states, last, money)
        if bar + 1 < length:
            if session[bar] != session[bar + 1]:
                _end_session(states)
            _decide_all(decisions, states, last, ledger, (worth, budget))
        elif conditions[CLOSE_AT_END]:
            _close_all(states, last, ledger)
            equity[bar] = _worth(states, last, money)
        if money[_STATUS] != DONE:
            return equity[:bar], fills[: money[_COUNT]].copy(), money[_STATUS], bar
    return equity, fills[: money[_COUNT]].copy(), DONE, length - 1


@compiled
def _turn_to(bars: tuple[Ints, Ints, Ints, Ints], states: Ints, last: Ints, ledger: Ledger) -> None:
    opened, high, low, close = bars
    bar = ledger[3]
    for row in range(len(last)):
        if opened[row, bar]:
            if states[row, _ACTIVE]:
                _trade(states[row], ledger, opened[row, bar], high[row, bar], low[row, bar])
            last[row] = close[row, bar]


@compiled
def _worth(states: Ints, last: Ints, money: Ints) -> float:
    worth = float(money[_CASH])
    for row in range(len(last)):
        worth += float(states[row, _HELD]) * float(last[row])
    return worth / _MICRO


@compiled
def _end_session(states: Ints) -> None:
    for row in range(len(states)):
        if states[row, _KIND] > _MARKET:
            states[row, _KIND] = -1


@compiled
def _decide_all(decisions: Decided, states: Ints, last: Ints, ledger: Ledger, means: tuple[float, float]) -> None:
    target, entry, limit, stop, loss, profit = decisions
    bar = ledger[3]
    for row in range(len(last)):
        wanted = target[row, bar]
        if not np.isnan(wanted) and last[row]:
            order = (entry[row, bar], limit[row, bar], stop[row, bar], loss[row, bar], profit[row, bar])
            _decide(states, last, ledger, (row, wanted, means[0], means[1]), order)


@compiled
def _close_all(states: Ints, last: Ints, ledger: Ledger) -> None:
    for row in range(len(last)):
        out = -states[row, _HELD]
        if out:
            _fill(states[row], ledger, out, _slipped(ledger[2], last[row], out, 0), _END)


@compiled
def _grown(fills: Ints) -> Ints:
    larger = np.empty((2 * len(fills), _COLUMNS), dtype=np.int64)
    larger[: len(fills)] = fills
    return larger


@compiled
def _tick(price: int) -> int:
    return _CENT if price >= _MICRO else _SUB_CENT


@compiled
def order_steps(price: float) -> int:
    """The price on its tick, half to even, in steps; 0 for none: `strategies.order_prices.order_price`."""
    if not price > 0.0:
        return 0
    price = min(price, _HIGHEST)
    if price >= 1.0:
        return int(np.rint(price * 100.0)) * _CENT
    return int(np.rint(price * 10_000.0)) * _SUB_CENT


@compiled
def _reached(stop: int, shares: int, price: int) -> bool:
    return price >= stop if shares > 0 else price <= stop


@compiled
def _takes(limit: int, shares: int, price: int) -> bool:
    return price <= limit if shares > 0 else price >= limit


@compiled
def _slipped(conditions: Ints, price: int, shares: int, limit: int) -> int:
    if conditions[SLIPPAGE] == 0 and conditions[TICKS] == 0:
        return price
    tick = _tick(price)
    rest = (price % _E8) * conditions[SLIPPAGE]
    away = (price // _E8) * conditions[SLIPPAGE] + rest // _E8 + conditions[TICKS] * tick
    part = 1 if rest % _E8 else 0  # less than a step, but it decides which tick comes next
    if shares > 0:
        worse = -(-(price + away + part) // tick) * tick
        return int(min(worse, limit)) if limit else int(worse)
    worse = max((price - away - part) // tick * tick, tick)
    return int(max(worse, limit)) if limit else int(worse)


@compiled
def _fee(conditions: Ints, shares: int, price: int) -> int:
    traded = shares * price
    rest = (traded % _E8) * conditions[FEE]
    whole = shares * conditions[PER_SHARE] + (traded // _E8) * conditions[FEE] + rest // _E8
    part = rest % _E8
    if 2 * part > _E8 or (2 * part == _E8 and whole % 2 == 1):
        whole += 1
    return int(max(whole, conditions[FEE_MINIMUM]))


@compiled
def _fill(state: Ints, ledger: Ledger, shares: int, price: int, reason: int) -> None:
    fills, money, conditions, bar = ledger
    many = float(abs(shares))
    if many * float(price) + abs(float(money[_CASH])) + many * float(conditions[PER_SHARE]) > _LARGEST:
        money[_STATUS] = TOO_LARGE
        return
    fee = _fee(conditions, abs(shares), price)
    place = money[_COUNT]
    fills[place, 0] = bar
    fills[place, 1] = state[_ROW]
    fills[place, 2] = shares
    fills[place, 3] = price
    fills[place, 4] = fee
    fills[place, 5] = reason
    money[_COUNT] = place + 1
    money[_CASH] -= shares * price + fee
    state[_HELD] += shares


@compiled
def _trade(state: Ints, ledger: Ledger, opened: int, high: int, low: int) -> None:
    """What the bar does to the symbol's orders: at its open, then inside, stops before limits."""
    conditions = ledger[2]
    if state[_CLOSING] or state[_CHANGE]:
        reason = _SIGNAL if state[_CLOSING] else _RESIZE
        shares = -state[_HELD] if state[_CLOSING] else state[_CHANGE]
        _fill(state, ledger, shares, _slipped(conditions, opened, shares, 0), reason)
        state[_CLOSING] = state[_CHANGE] = 0
    waits_for_stop = state[_KIND] >= _STOP and not state[_SET_OFF]
    if state[_KIND] >= 0 and _enters_at_open(state, opened):
        _enter(state, ledger, _slipped(conditions, opened, state[_SHARES], state[_AT_LIMIT]))
        waits_for_stop = False
    elif waits_for_stop:
        waits_for_stop = not state[_SET_OFF]
    if state[_X_STOP] or state[_X_TAKE]:
        _exit_at_open(state, ledger, opened)
    if waits_for_stop:
        _enter_by_stop(state, ledger, high, low)
    elif state[_KIND] >= 0:
        _enter_by_limit(state, ledger, high, low)
    elif state[_X_STOP] or state[_X_TAKE]:
        _exit_inside(state, ledger, high, low)
    state[_ACTIVE] = state[_KIND] >= 0 or state[_X_STOP] > 0 or state[_X_TAKE] > 0


@compiled
def _enters_at_open(state: Ints, opened: int) -> bool:
    kind, shares = state[_KIND], state[_SHARES]
    if kind == _MARKET:
        return True
    if kind >= _STOP and not state[_SET_OFF]:
        if not _reached(state[_AT_STOP], shares, opened):
            return False
        state[_SET_OFF] = 1
    return kind == _STOP or _takes(state[_AT_LIMIT], shares, opened)


@compiled
def _enter(state: Ints, ledger: Ledger, price: int) -> None:
    _fill(state, ledger, state[_SHARES], price, _ENTRY)
    state[_KIND] = -1
    state[_X_STOP], state[_X_TAKE] = state[_LOSS], state[_PROFIT]


@compiled
def _leave(state: Ints, ledger: Ledger, price: int, reason: int) -> None:
    _fill(state, ledger, -state[_HELD], price, reason)
    state[_X_STOP] = state[_X_TAKE] = 0


@compiled
def _exit_at_open(state: Ints, ledger: Ledger, opened: int) -> None:
    conditions = ledger[2]
    out = -state[_HELD]
    stop, take = state[_X_STOP], state[_X_TAKE]
    if stop and _reached(stop, out, opened):
        _leave(state, ledger, _slipped(conditions, opened, out, 0), _STOPPED)
    elif take and _takes(take, out, opened):
        _leave(state, ledger, _slipped(conditions, opened, out, take), _TAKEN)


@compiled
def _enter_by_stop(state: Ints, ledger: Ledger, high: int, low: int) -> None:
    conditions = ledger[2]
    shares, stop, limit = state[_SHARES], state[_AT_STOP], state[_AT_LIMIT]
    if not _reached(stop, shares, high if shares > 0 else low):
        return
    state[_SET_OFF] = 1
    if state[_KIND] == _STOP or _takes(limit, shares, stop):
        _enter(state, ledger, _slipped(conditions, stop, shares, limit))
        _protect(state, ledger, stop, high, low)


@compiled
def _enter_by_limit(state: Ints, ledger: Ledger, high: int, low: int) -> None:
    shares, limit = state[_SHARES], state[_AT_LIMIT]
    if _takes(limit, shares, low if shares > 0 else high):
        price = min(max(limit, low), high)
        _enter(state, ledger, price)
        _protect(state, ledger, price, high, low)


@compiled
def _protect(state: Ints, ledger: Ledger, market: int, high: int, low: int) -> None:
    """The stop of an entry that filled inside the bar. Its target begins with the next bar."""
    conditions = ledger[2]
    out, stop = -state[_HELD], state[_X_STOP]
    if stop and _reached(stop, out, high if out > 0 else low):
        # The market may have been beyond the stop already when the entry filled.
        price = max(stop, market) if out > 0 else min(stop, market)
        _leave(state, ledger, _slipped(conditions, price, out, 0), _STOPPED)


@compiled
def _exit_inside(state: Ints, ledger: Ledger, high: int, low: int) -> None:
    conditions = ledger[2]
    out = -state[_HELD]
    stop, take = state[_X_STOP], state[_X_TAKE]
    if stop and _reached(stop, out, high if out > 0 else low):
        _leave(state, ledger, _slipped(conditions, stop, out, 0), _STOPPED)
    elif take and _takes(take, out, low if out > 0 else high):
        _leave(state, ledger, min(max(take, low), high), _TAKEN)


@compiled
def _decide(states: Ints, last: Ints, ledger: Ledger, wish: tuple[int, float, float, float], order: Order) -> None:
    """What `reference` does at a bar's close. The wish is row, target, equity in dollars and budget."""
    row, target, _, _ = wish
    conditions = ledger[2]
    _check(ledger, target, order)
    state = states[row]
    held = state[_HELD]
    counted = 0 if state[_CLOSING] else held
    resizes = conditions[RESIZES]
    if not resizes and ((target > 0.0 and counted > 0) or (target < 0.0 and counted < 0)):
        return
    state[_CLOSING] = state[_CHANGE] = state[_X_STOP] = state[_X_TAKE] = 0
    state[_KIND] = -1
    desired = _desired(states, last, ledger, wish)
    if resizes and ((held > 0 and desired > 0) or (held < 0 and desired < 0)):
        state[_CHANGE] = desired - held
    else:
        state[_CLOSING] = held != 0
        if desired:
            _await_entry(state, desired, order)
    state[_ACTIVE] = state[_CLOSING] != 0 or state[_CHANGE] != 0 or state[_KIND] >= 0


@compiled
def _await_entry(state: Ints, shares: int, order: Order) -> None:
    entry, limit, stop, loss, profit = order
    at_limit = order_steps(limit) if entry in (_LIMIT, _STOP_LIMIT) else 0
    at_stop = order_steps(stop) if entry in (_STOP, _STOP_LIMIT) else 0
    if (entry in (_LIMIT, _STOP_LIMIT) and not at_limit) or (entry in (_STOP, _STOP_LIMIT) and not at_stop):
        return
    state[_KIND], state[_SHARES], state[_SET_OFF] = entry, shares, 0
    state[_AT_LIMIT], state[_AT_STOP] = at_limit, at_stop
    state[_LOSS], state[_PROFIT] = order_steps(loss), order_steps(profit)


@compiled
def _check(ledger: Ledger, target: float, order: Order) -> None:
    _, money, conditions, _ = ledger
    entry, _, _, loss, profit = order
    if abs(target) > 1.0:
        money[_STATUS] = BAD_TARGET
    elif not _MARKET <= entry <= _STOP_LIMIT:
        money[_STATUS] = BAD_ENTRY
    elif conditions[RESIZES] and (entry != _MARKET or not np.isnan(loss) or not np.isnan(profit)):
        money[_STATUS] = BAD_RESIZE


@compiled
def _desired(states: Ints, last: Ints, ledger: Ledger, wish: tuple[int, float, float, float]) -> int:
    _, money, conditions, _ = ledger
    row, target, worth, budget = wish
    sign = 1 if target > 0.0 else -1
    lot = conditions[LOT]
    if conditions[FIXED_SHARES]:
        share = int(np.rint(abs(target) * _MICRO))
        return sign * int(share * conditions[FIXED_SHARES] // _MICRO // lot * lot)
    gross = abs(float(money[_CASH]))
    for each in range(len(last)):
        gross += abs(float(states[each, _HELD])) * float(last[each])
    if gross > _LARGEST or worth * _MICRO * budget > _LARGEST:
        money[_STATUS] = TOO_LARGE
        return 0
    equity = money[_CASH]
    for each in range(len(last)):
        equity += states[each, _HELD] * last[each]
    if equity <= 0:
        return 0
    share = int(np.rint(abs(target) * budget * _MICRO))
    # In two parts, since the whole product would not fit; what is cut off is below a step and changes no quotient.
    spent = (equity // _MICRO) * share + (equity % _MICRO) * share // _MICRO
    return sign * int(spent // (last[row] * lot) * lot)
