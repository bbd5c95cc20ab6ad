"""The fast backtest (tier A): what the reference does, as machine code over whole numbers.

Prices and money are millionths of a dollar, so that every price, fee and size is exactly that of the reference in
Decimal. The order of events inside a bar is that of `services.matching.market`, what a decision leads to that of
`services.trading.backtest.reference`; tests hold this module to both, fill by fill. It is long because functions that
call each other have to stand in one file: see `jit`.

All that changes is in one flat array, the book: views and tuples of arrays cost more than the trading itself.
"""

from typing import Final

import numpy as np

from services.contracts.columns import Codes, Floats, Ints
from services.trading.backtest.jit import compiled, fetch, part

# The book begins with the conditions: slippage and fee in hundred-millionths of the price, the rest in steps.
SLIPPAGE, TICKS, PER_SHARE, FEE, FEE_MINIMUM, CAPITAL, FIXED_SHARES, LOT, RESIZES, CLOSE_AT_END = range(10)
CONDITIONS: Final = 10
# After them stands what changes: money, number of fills, how it goes, the bar; the next bar with a decision, looked for
# only where there is a single symbol.
_CASH, _COUNT, _STATUS, _BAR, _NEXT = range(10, 15)
_HEADER: Final = 15
# Then a block for each symbol. A kind of -1 is no entry, a price of 0 none.
_ROW, _HELD, _LAST = range(3)  # its place; shares; last close
_FLOOR, _CEILING = range(3, 5)  # prices between which nothing happens
_CLOSING, _CHANGE = range(5, 7)  # market orders: one that closes, shares by which one resizes
_KIND, _SHARES, _AT_LIMIT, _AT_STOP, _SET_OFF, _LOSS, _PROFIT = range(7, 14)  # the entry, and the exits it brings
_X_STOP, _X_TAKE = range(14, 16)  # the exits that work
_BLOCK: Final = 16

DONE, TOO_LARGE, BAD_TARGET, BAD_ENTRY, BAD_RESIZE = range(5)

# `EntryCode`. A stop-limit is both, bit by bit.
_MARKET, _LIMIT, _STOP, _STOP_LIMIT = range(4)
_ENTRY, _SIGNAL, _STOPPED, _TAKEN, _RESIZE, _END = range(6)

_COLUMNS: Final = 6
# Room that is not used costs nothing: the system gives memory when it is written to.
_FIRST_FILLS: Final = 4096
_GROWTH: Final = 4
_LINE: Final = 8  # numbers that come into the cache together
_LINES: Final = 4  # so many are fetched ahead
_PER_BAR: Final = 3  # the most fills of a symbol in a bar: a close, an entry, an exit

_MICRO: Final = 1_000_000
_CENT: Final = 10_000
_SUB_CENT: Final = 100
_E8: Final = 100_000_000
_LARGEST: Final = 4e18
_HIGHEST: Final = 1e9
_NEVER: Final = 1 << 62

Bars = tuple[Ints, Ints, Ints, Ints]
"""Open, high, low, close in steps, 0 for no bar. Rows are symbols."""
Decided = tuple[Floats, Codes, Floats, Floats, Floats, Floats]
"""Target, entry, limit, stop, stop loss, take profit as strategies give them. Rows are symbols."""
Written = tuple[Floats, Ints, Ints]
"""Equity, fills and the book."""
Order = tuple[int, float, float, float, float]
"""Entry code, and limit, stop, stop loss and take profit in dollars: NaN for none."""


@compiled
def run(
    session: Ints, bars: Bars, decisions: Decided, conditions: Ints, budget: float
) -> tuple[Floats, Ints, int, int]:
    """One backtest.

    Args:
        session: The session of each bar.
        bars: Of all symbols.
        decisions: Of all symbols.
        conditions: Costs and conditions, indexed by the names above.
        budget: Share of the equity that a target of 1 stands for.

    Returns:
        The equity in dollars at each close; the fills; and how it ended, at which bar.
    """
    symbols, length = bars[0].shape
    book = _new_book(conditions, symbols)
    equity = np.empty(length)
    fills = np.empty((_FIRST_FILLS + _PER_BAR * symbols, _COLUMNS), dtype=np.int64)
    while _walk(session, bars, decisions, (equity, fills, book), budget):
        fills = _grown(fills)
    bar = book[_BAR]
    if book[CLOSE_AT_END] and book[_STATUS] == DONE:
        fills = _grown(fills)
        _close_all(book, fills, symbols)
        equity[bar] = book[_CASH] / _MICRO
    return equity[: bar + 1], fills[: book[_COUNT]], book[_STATUS], bar


@part
def _walk(  # noqa: C901, PLR0912 -- one loop over bars; a call for each would cost more than what it does
    session: Ints, bars: Bars, decisions: Decided, written: Written, budget: float
) -> bool:
    """Go on after the book's bar, to the end or until another bar's fills might find no room; whether that is so."""
    opened, high, low, close = bars
    target, entry, limit, stop, loss, profit = decisions
    equity, fills, book = written
    symbols, length = close.shape
    bar = book[_BAR]
    while bar + 1 < length and book[_STATUS] == DONE:
        if book[_COUNT] + _PER_BAR * symbols > len(fills):
            return True
        bar += 1
        if symbols == 1 and book[_HEADER + _KIND] < 0:
            if book[_NEXT] < bar:
                _look_ahead(bars, decisions, bar, book)
            bar = _calm(high, low, close, equity, bar, book)
        book[_BAR] = bar
        worth = 0.0
        for row in range(symbols):
            at = _HEADER + row * _BLOCK
            if close[row, bar]:
                floor, ceiling = book[at + _FLOOR], book[at + _CEILING]
                if (floor > 0 and low[row, bar] <= floor) or (ceiling < _NEVER and high[row, bar] >= ceiling):
                    _trade(book, at, fills, (opened[row, bar], high[row, bar], low[row, bar]))
                book[at + _LAST] = close[row, bar]
            worth += float(book[at + _HELD]) * float(book[at + _LAST])
        equity[bar] = (worth + float(book[_CASH])) / _MICRO
        if bar + 1 == length:
            break
        for row in range(symbols):
            at = _HEADER + row * _BLOCK
            if book[at + _KIND] > _MARKET and session[bar] != session[bar + 1]:
                book[at + _KIND] = -1
                _watch(book, at)
            wanted = target[row, bar]
            if np.isnan(wanted) or not book[at + _LAST] or _stays(book, at, wanted):
                continue
            shares = _decide(book, at, (wanted, budget, equity[bar]))
            # Prices are looked at when they are needed: each look at a place in memory far from the last takes 80 ns.
            if book[RESIZES] and (entry[row, bar] or not np.isnan(loss[row, bar]) or not np.isnan(profit[row, bar])):
                book[_STATUS] = BAD_RESIZE
            if shares:
                kind = entry[row, bar]
                at_limit = limit[row, bar] if kind & _LIMIT else np.nan
                at_stop = stop[row, bar] if kind & _STOP else np.nan
                _await_entry(book, at, shares, (kind, at_limit, at_stop, loss[row, bar], profit[row, bar]))
            _watch(book, at)
    return False


@compiled
def _new_book(conditions: Ints, symbols: int) -> Ints:
    book = np.zeros(_HEADER + symbols * _BLOCK, dtype=np.int64)
    book[:CONDITIONS] = conditions
    book[_CASH] = conditions[CAPITAL]
    book[_BAR] = book[_NEXT] = -1
    for row in range(symbols):
        at = _HEADER + row * _BLOCK
        book[at + _ROW] = row
        book[at + _KIND] = -1
        _watch(book, at)
    return book


@part
def _look_ahead(bars: Bars, decisions: Decided, bar: int, book: Ints) -> None:
    """Find the next decision of a single symbol, and have what it will take fetched while the bars up to it pass by.

    A look at a place in memory that nobody has come near takes 80 ns, six of them more than all else that a trade does.
    Highs and lows are not read while nothing is held, so their next lines of memory are far away, too.
    """
    opened, high, low, close = bars
    target, entry, _, _, loss, profit = decisions
    end = close.shape[1] - 1
    while bar < end and np.isnan(target[0, bar]):
        bar += 1
    book[_NEXT] = bar
    fetch(opened, 0, bar + 1)
    if target[0, bar] != 0.0:
        fetch(entry, 0, bar)
        fetch(loss, 0, bar)
        fetch(profit, 0, bar)
        for line in range(_LINES):
            fetch(high, 0, bar + 1 + line * _LINE)
            fetch(low, 0, bar + 1 + line * _LINE)


@part
def _calm(  # noqa: PLR0913, PLR0917 -- arrays in a tuple are what costs time
    high: Ints, low: Ints, close: Ints, equity: Floats, bar: int, book: Ints
) -> int:
    """Pass by bars of a single symbol in which nothing happens, up to the next decision; return the one after them.

    This is where almost all bars of a run go, so it reads no more memory than it must.
    """
    first, end = bar, book[_NEXT]
    cash, held = float(book[_CASH]), float(book[_HEADER + _HELD])
    floor, ceiling = book[_HEADER + _FLOOR], book[_HEADER + _CEILING]
    if held == 0.0 and floor == 0 and ceiling == _NEVER:
        worth = cash / _MICRO
        while bar < end and close[0, bar] > 0:
            equity[bar] = worth
            bar += 1
    else:
        while bar < end and low[0, bar] > floor and high[0, bar] < ceiling:
            fetch(high, 0, bar + _LINES * _LINE)
            fetch(low, 0, bar + _LINES * _LINE)
            equity[bar] = (held * float(close[0, bar]) + cash) / _MICRO
            bar += 1
    if bar > first:
        book[_HEADER + _LAST] = close[0, bar - 1]
    return bar


@part
def _watch(book: Ints, at: int) -> None:
    """Note between which prices nothing happens to the orders of a symbol."""
    floor, ceiling = 0, _NEVER
    kind, held = book[at + _KIND], book[at + _HELD]
    if book[at + _CLOSING] or book[at + _CHANGE] or kind == _MARKET:
        ceiling = 0
    elif kind >= 0:
        waits_for_stop = kind >= _STOP and not book[at + _SET_OFF]
        price = book[at + _AT_STOP] if waits_for_stop else book[at + _AT_LIMIT]
        if waits_for_stop == (book[at + _SHARES] > 0):
            ceiling = price
        else:
            floor = price
    elif held > 0:
        floor, ceiling = book[at + _X_STOP], book[at + _X_TAKE] or _NEVER
    elif held < 0:
        floor, ceiling = book[at + _X_TAKE], book[at + _X_STOP] or _NEVER
    book[at + _FLOOR], book[at + _CEILING] = floor, ceiling


@part
def _close_all(book: Ints, fills: Ints, symbols: int) -> None:
    for row in range(symbols):
        at = _HEADER + row * _BLOCK
        out = -book[at + _HELD]
        if out:
            _fill(book, at, fills, (out, _slipped(book, book[at + _LAST], out, 0), _END))


@compiled
def _grown(fills: Ints) -> Ints:
    larger = np.empty((_GROWTH * len(fills), _COLUMNS), dtype=np.int64)
    larger[: len(fills)] = fills
    return larger


@compiled
def order_steps(price: float) -> int:
    """The price on its tick, half to even, in steps; 0 for none: `strategies.order_prices.order_price`."""
    if not price > 0.0:
        return 0
    price = min(price, _HIGHEST)
    if price >= 1.0:
        return int(np.rint(price * 100.0)) * _CENT
    return int(np.rint(price * 10_000.0)) * _SUB_CENT


@part
def _reached(stop: int, shares: int, price: int) -> bool:
    return price >= stop if shares > 0 else price <= stop


@part
def _takes(limit: int, shares: int, price: int) -> bool:
    return price <= limit if shares > 0 else price >= limit


@part
def _slipped(book: Ints, price: int, shares: int, limit: int) -> int:
    if book[SLIPPAGE] == 0 and book[TICKS] == 0:
        return price
    tick = _CENT if price >= _MICRO else _SUB_CENT
    rest = (price % _E8) * book[SLIPPAGE]
    away = (price // _E8) * book[SLIPPAGE] + rest // _E8 + book[TICKS] * tick
    part = 1 if rest % _E8 else 0  # less than a step, but it decides which tick comes next
    if shares > 0:
        worse = -(-(price + away + part) // tick) * tick
        return int(min(worse, limit)) if limit else int(worse)
    worse = max((price - away - part) // tick * tick, tick)
    return int(max(worse, limit)) if limit else int(worse)


@part
def _fee(book: Ints, shares: int, price: int) -> int:
    traded = shares * price
    rest = (traded % _E8) * book[FEE]
    whole = shares * book[PER_SHARE] + (traded // _E8) * book[FEE] + rest // _E8
    part = rest % _E8
    if 2 * part > _E8 or (2 * part == _E8 and whole % 2 == 1):
        whole += 1
    return int(max(whole, book[FEE_MINIMUM]))


@part
def _fill(book: Ints, at: int, fills: Ints, deal: tuple[int, int, int]) -> None:
    """Book shares, price and reason."""
    shares, price, reason = deal
    many = float(abs(shares))
    if many * float(price) + abs(float(book[_CASH])) + many * float(book[PER_SHARE]) > _LARGEST:
        book[_STATUS] = TOO_LARGE
        return
    fee = _fee(book, abs(shares), price)
    place = book[_COUNT]
    fills[place, 0] = book[_BAR]
    fills[place, 1] = book[at + _ROW]
    fills[place, 2] = shares
    fills[place, 3] = price
    fills[place, 4] = fee
    fills[place, 5] = reason
    book[_COUNT] = place + 1
    book[_CASH] -= shares * price + fee
    book[at + _HELD] += shares


@part
def _trade(book: Ints, at: int, fills: Ints, prices: tuple[int, int, int]) -> None:
    """What the bar does to the symbol's orders: at its open, then inside, stops before limits."""
    opened = prices[0]
    if book[at + _CLOSING] or book[at + _CHANGE]:
        _trade_market(book, at, fills, opened)
    waits_for_stop = book[at + _KIND] >= _STOP and not book[at + _SET_OFF]
    if book[at + _KIND] >= 0 and _enters_at_open(book, at, opened):
        shares, limit = book[at + _SHARES], book[at + _AT_LIMIT]
        _enter(book, at, fills, _slipped(book, opened, shares, limit))
    waits_for_stop = waits_for_stop and book[at + _KIND] >= 0 and not book[at + _SET_OFF]
    if book[at + _X_STOP] or book[at + _X_TAKE]:
        _exit_at_open(book, at, fills, opened)
    if waits_for_stop:
        _enter_by_stop(book, at, fills, prices)
    elif book[at + _KIND] >= 0:
        _enter_by_limit(book, at, fills, prices)
    elif book[at + _X_STOP] or book[at + _X_TAKE]:
        _exit_inside(book, at, fills, prices)
    _watch(book, at)


@part
def _trade_market(book: Ints, at: int, fills: Ints, opened: int) -> None:
    reason = _SIGNAL if book[at + _CLOSING] else _RESIZE
    shares = -book[at + _HELD] if book[at + _CLOSING] else book[at + _CHANGE]
    _fill(book, at, fills, (shares, _slipped(book, opened, shares, 0), reason))
    book[at + _CLOSING] = book[at + _CHANGE] = 0


@part
def _enters_at_open(book: Ints, at: int, opened: int) -> bool:
    kind, shares = book[at + _KIND], book[at + _SHARES]
    if kind == _MARKET:
        return True
    if kind >= _STOP and not book[at + _SET_OFF]:
        if not _reached(book[at + _AT_STOP], shares, opened):
            return False
        book[at + _SET_OFF] = 1
    return kind == _STOP or _takes(book[at + _AT_LIMIT], shares, opened)


@part
def _enter(book: Ints, at: int, fills: Ints, price: int) -> None:
    _fill(book, at, fills, (book[at + _SHARES], price, _ENTRY))
    book[at + _KIND] = -1
    book[at + _X_STOP], book[at + _X_TAKE] = book[at + _LOSS], book[at + _PROFIT]


@part
def _leave(book: Ints, at: int, fills: Ints, deal: tuple[int, int]) -> None:
    """Close the position; the deal is price and reason."""
    _fill(book, at, fills, (-book[at + _HELD], deal[0], deal[1]))
    book[at + _X_STOP] = book[at + _X_TAKE] = 0


@part
def _exit_at_open(book: Ints, at: int, fills: Ints, opened: int) -> None:
    out = -book[at + _HELD]
    stop, take = book[at + _X_STOP], book[at + _X_TAKE]
    if stop and _reached(stop, out, opened):
        _leave(book, at, fills, (_slipped(book, opened, out, 0), _STOPPED))
    elif take and _takes(take, out, opened):
        _leave(book, at, fills, (_slipped(book, opened, out, take), _TAKEN))


@part
def _enter_by_stop(book: Ints, at: int, fills: Ints, prices: tuple[int, int, int]) -> None:
    _, high, low = prices
    shares, stop, limit = book[at + _SHARES], book[at + _AT_STOP], book[at + _AT_LIMIT]
    if not _reached(stop, shares, high if shares > 0 else low):
        return
    book[at + _SET_OFF] = 1
    if book[at + _KIND] == _STOP or _takes(limit, shares, stop):
        _enter(book, at, fills, _slipped(book, stop, shares, limit))
        _protect(book, at, fills, (stop, high, low))


@part
def _enter_by_limit(book: Ints, at: int, fills: Ints, prices: tuple[int, int, int]) -> None:
    _, high, low = prices
    shares, limit = book[at + _SHARES], book[at + _AT_LIMIT]
    if _takes(limit, shares, low if shares > 0 else high):
        price = min(max(limit, low), high)
        _enter(book, at, fills, price)
        _protect(book, at, fills, (price, high, low))


@part
def _protect(book: Ints, at: int, fills: Ints, prices: tuple[int, int, int]) -> None:
    """The stop of an entry that filled inside the bar, at `prices[0]`. Its target begins with the next bar."""
    market, high, low = prices
    out, stop = -book[at + _HELD], book[at + _X_STOP]
    if stop and _reached(stop, out, high if out > 0 else low):
        # The market may have been beyond the stop already when the entry filled.
        price = max(stop, market) if out > 0 else min(stop, market)
        _leave(book, at, fills, (_slipped(book, price, out, 0), _STOPPED))


@part
def _exit_inside(book: Ints, at: int, fills: Ints, prices: tuple[int, int, int]) -> None:
    _, high, low = prices
    out = -book[at + _HELD]
    stop, take = book[at + _X_STOP], book[at + _X_TAKE]
    if stop and _reached(stop, out, high if out > 0 else low):
        _leave(book, at, fills, (_slipped(book, stop, out, 0), _STOPPED))
    elif take and _takes(take, out, low if out > 0 else high):
        _leave(book, at, fills, (min(max(take, low), high), _TAKEN))


@part
def _stays(book: Ints, at: int, target: float) -> bool:
    """Whether the target asks for nothing new."""
    held = book[at + _HELD]
    if target == 0.0:
        return bool(held == 0 and book[at + _KIND] < 0)
    if held == 0 or book[at + _CLOSING] or book[RESIZES]:
        return False
    return bool((target > 0.0) == (held > 0))


@part
def _decide(book: Ints, at: int, wish: tuple[float, float, float]) -> int:
    """What `reference` does at a bar's close; the wish is target, budget and equity in dollars.

    Returns:
        The shares that an entry is to be sent for.
    """
    if abs(wish[0]) > 1.0:
        book[_STATUS] = BAD_TARGET
    held = book[at + _HELD]
    book[at + _CLOSING] = book[at + _CHANGE] = book[at + _X_STOP] = book[at + _X_TAKE] = 0
    book[at + _KIND] = -1
    desired = _desired(book, at, wish)
    if book[RESIZES] and ((held > 0 and desired > 0) or (held < 0 and desired < 0)):
        book[at + _CHANGE] = desired - held
        return 0
    book[at + _CLOSING] = 1 if held else 0
    return desired


@part
def _await_entry(book: Ints, at: int, shares: int, order: Order) -> None:
    entry, limit, stop, loss, profit = order
    if not _MARKET <= entry <= _STOP_LIMIT:
        book[_STATUS] = BAD_ENTRY
    at_limit, at_stop = order_steps(limit), order_steps(stop)
    if (entry & _LIMIT and not at_limit) or (entry & _STOP and not at_stop):
        return
    book[at + _KIND], book[at + _SHARES], book[at + _SET_OFF] = entry, shares, 0
    book[at + _AT_LIMIT], book[at + _AT_STOP] = at_limit, at_stop
    book[at + _LOSS], book[at + _PROFIT] = order_steps(loss), order_steps(profit)


@part
def _desired(book: Ints, at: int, wish: tuple[float, float, float]) -> int:
    target, budget, worth = wish
    sign = 1 if target > 0.0 else -1
    if target == 0.0:
        return 0
    lot = book[LOT]
    if book[FIXED_SHARES]:
        share = int(np.rint(abs(target) * _MICRO))
        return sign * int(share * book[FIXED_SHARES] // _MICRO // lot * lot)
    gross = abs(float(book[_CASH]))
    equity = book[_CASH]
    for each in range(_HEADER, len(book), _BLOCK):
        gross += abs(float(book[each + _HELD])) * float(book[each + _LAST])
        equity += book[each + _HELD] * book[each + _LAST]
    if gross > _LARGEST or worth * _MICRO * budget > _LARGEST:
        book[_STATUS] = TOO_LARGE
        return 0
    if equity <= 0:
        return 0
    share = int(np.rint(abs(target) * budget * _MICRO))
    # In two parts, since the whole product would not fit; what is cut off is below a step and changes no quotient.
    spent = (equity // _MICRO) * share + (equity % _MICRO) * share // _MICRO
    return sign * int(spent // (book[at + _LAST] * lot) * lot)
