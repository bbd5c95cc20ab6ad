"""The reference backtest (tier B): the paper venue's matching core, Decimal, one plain step after another.

What a decision at a bar's close leads to, the same in the fast kernel and in live trading:

- No target (NaN): nothing changes. A waiting entry waits on until its session ends.
- The target has the sign of the position, and the strategy does not resize: nothing.
- Otherwise the waiting entry and the exits of the position are canceled. A position that has the other sign, or whose
  target is none, is closed by a market order. If shares are wanted and none are held, or ones of the other sign, an
  entry of the decided type is sent, with its exits. A strategy that resizes trades the difference by a market order.
- A close that still waits for its symbol's next bar is not taken back: what follows is decided as if it were done.
- Entries with a price end with the session of the bar that follows; market orders wait for their symbol's next bar.
- An entry whose price is missing or not above zero is not sent; an exit without a price is left out.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np

from services.contracts.bars import moment_of
from services.contracts.columns import Panel
from services.contracts.market import Bar, OrderType, Side, Symbol, TimeInForce
from services.contracts.orders import VenueOrderId
from services.matching.account import Account
from services.matching.happenings import Filled, Happening
from services.matching.market import Matcher
from services.matching.orders import LIMITS, STOPS, WorkingOrder
from services.matching.rules import Rules
from services.trading.backtest.config import BacktestConfig, Sizing
from services.trading.backtest.errors import BadDecisionError
from services.trading.backtest.result import BacktestResult, Reason
from services.trading.backtest.tape import MICRO, Tape, close_of, tape_of
from services.trading.backtest.trips import FILL_COLUMNS
from services.trading.strategies.order_prices import order_price
from services.trading.strategies.parameters import Params
from services.trading.strategies.protocol import Decisions, EntryCode, Strategy

_ZERO: Final = Decimal(0)
_PPM: Final = Decimal("0.000001")
# The core knows brackets with both exits. One that is not wanted is put where no price goes.
_NEVER_BELOW: Final = Decimal("0.000000001")
_NEVER_ABOVE: Final = Decimal(10) ** 12


def run_reference(strategy: Strategy, panel: Panel, params: Params, config: BacktestConfig) -> BacktestResult:
    """Backtest one setting; a whole one, as `strategy.space.check` gives it.

    Takes about 10 us for a bar of a symbol, 40 us with orders.

    Raises:
        BadPanelError: The bars cannot be traded on.
        BadDecisionError: The strategy broke its protocol.
    """
    tape = tape_of(panel)
    replay = _Replay(tape, config, resizes=strategy.resizes)
    equity = replay.run(strategy.decide(panel, params))
    return BacktestResult(
        strategy=strategy.name,
        version=strategy.version,
        params=params,
        config=config,
        symbols=tape.symbols,
        time_ns=tape.time_ns,
        close=close_of(tape),
        equity=np.array([float(each) for each in equity]),
        fills=np.array(replay.fills, dtype=np.int64).reshape(-1, len(FILL_COLUMNS)),
    )


@dataclass(slots=True)
class _Working:
    """Orders of one symbol that have not ended: the close or resizing, the entry, and the exits that it brings."""

    market: VenueOrderId | None = None
    closes: bool = False
    entry: VenueOrderId | None = None
    exits: list[VenueOrderId] = field(default_factory=list)


class _Replay:
    def __init__(self, tape: Tape, config: BacktestConfig, *, resizes: bool) -> None:
        self.fills: list[tuple[int, ...]] = []
        self._tape = tape
        self._config = config
        self._resizes = resizes
        self._matcher = Matcher(config.costs, Rules())
        self._account = Account(cash=config.capital)
        self._last: dict[Symbol, Decimal] = {}
        self._working = {symbol: _Working() for symbol in tape.symbols}
        self._reasons: dict[VenueOrderId, Reason] = {}
        self._numbers = itertools.count(1)

    def run(self, decided: Mapping[Symbol, Decisions]) -> list[Decimal]:
        """The equity at the close of each bar."""
        equity = []
        end = len(self._tape) - 1
        length = timedelta(seconds=self._tape.seconds)
        for place in range(end + 1):
            start = moment_of(int(self._tape.time_ns[place]))
            for row, symbol in enumerate(self._tape.symbols):
                if self._tape.close[row, place]:
                    bar = self._bar(symbol, row, place, start)
                    self._hear(self._matcher.on_bar(bar), place)
                    self._last[symbol] = bar.close
            equity.append(self._account.equity(self._last))
            if place == end:
                break
            if self._tape.session[place] != self._tape.session[place + 1]:
                self._hear(self._matcher.end_of_session(start + length), place)
            for symbol in self._tape.symbols:
                if not np.isnan(decided[symbol].target[place]) and symbol in self._last:
                    self._act(symbol, decided[symbol], place, equity[-1], start + length)
        if self._config.close_at_end:
            self._close_all(end)
            equity[-1] = self._account.equity(self._last)
        return equity

    def _bar(self, symbol: Symbol, row: int, place: int, start: datetime) -> Bar:
        tape = self._tape
        columns = (tape.open, tape.high, tape.low, tape.close)
        opened, high, low, close = (Decimal(int(each[row, place])).scaleb(-6) for each in columns)
        return Bar(symbol, start, tape.seconds, opened, high, low, close, _ZERO)

    def _act(self, symbol: Symbol, decisions: Decisions, place: int, equity: Decimal, at: datetime) -> None:
        target = float(decisions.target[place])
        working, held = self._working[symbol], self._account.quantity(symbol)
        counted = _ZERO if working.closes else held
        if not self._resizes and target and target * float(counted) > 0:
            return
        self._cancel_all(symbol, at)
        _check(symbol, decisions, place, resizes=self._resizes)
        desired = self._desired(target, self._last[symbol], equity)
        if self._resizes and held * desired > 0:
            self._send_market(symbol, desired - held, Reason.RESIZE, at)
            return
        self._send_market(symbol, -held, Reason.SIGNAL, at)
        if desired:
            self._send_entry(symbol, desired, decisions, place, at)

    def _desired(self, target: float, price: Decimal, equity: Decimal) -> Decimal:
        share = Decimal(round(abs(target) * float(self._config.budget) * MICRO)) * _PPM
        lot = self._config.lot
        if self._config.sizing is Sizing.SHARES:
            share = Decimal(round(abs(target) * MICRO)) * _PPM
            lots = share * self._config.shares // lot
        else:
            lots = max(share * equity, _ZERO) // (price * lot)
        return lots * lot * (1 if target > 0 else -1)

    def _send_market(self, symbol: Symbol, shares: Decimal, reason: Reason, at: datetime) -> None:
        if not shares:
            return
        order = self._order(symbol, shares, OrderType.MARKET, at, reason)
        self._working[symbol].market = order.order_id
        self._working[symbol].closes = reason is Reason.SIGNAL
        self._matcher.submit(order, at)

    def _send_entry(self, symbol: Symbol, shares: Decimal, decisions: Decisions, place: int, at: datetime) -> None:
        kind = EntryCode(int(decisions.entry[place])).order_type
        limit = order_price(float(decisions.limit[place])) if kind in LIMITS else None
        stop = order_price(float(decisions.stop[place])) if kind in STOPS else None
        if (kind in LIMITS and limit is None) or (kind in STOPS and stop is None):
            return
        entry = self._order(symbol, shares, kind, at, Reason.ENTRY, limit=limit, stop=stop)
        self._working[symbol].entry = entry.order_id
        loss = order_price(float(decisions.stop_loss[place]))
        profit = order_price(float(decisions.take_profit[place]))
        if loss is None and profit is None:
            self._matcher.submit(entry, at)
            return
        below, above = (_NEVER_BELOW, _NEVER_ABOVE) if shares > 0 else (_NEVER_ABOVE, _NEVER_BELOW)
        left = self._order(symbol, -shares, OrderType.STOP, at, Reason.STOP, stop=loss or below)
        taken = self._order(symbol, -shares, OrderType.LIMIT, at, Reason.TARGET, limit=profit or above)
        self._working[symbol].exits = [left.order_id, taken.order_id]
        self._matcher.submit_bracket(entry, taken, left, at)

    def _order(  # noqa: PLR0913 -- the terms of an order
        self,
        symbol: Symbol,
        shares: Decimal,
        kind: OrderType,
        at: datetime,
        reason: Reason,
        *,
        limit: Decimal | None = None,
        stop: Decimal | None = None,
    ) -> WorkingOrder:
        order_id = VenueOrderId(str(next(self._numbers)))
        self._reasons[order_id] = reason
        ends = reason is Reason.ENTRY and kind is not OrderType.MARKET
        return WorkingOrder(
            order_id=order_id,
            symbol=symbol,
            side=Side.BUY if shares > 0 else Side.SELL,
            quantity=abs(shares),
            submitted_at=at,
            order_type=kind,
            limit_price=limit,
            stop_price=stop,
            time_in_force=TimeInForce.DAY if ends else TimeInForce.GTC,
        )

    def _cancel_all(self, symbol: Symbol, at: datetime) -> None:
        working = self._working[symbol]
        for order_id in (working.entry, working.market, *working.exits):
            if order_id is not None and self._matcher.get(order_id) is not None:
                self._matcher.cancel(order_id, at)
        self._working[symbol] = _Working()

    def _hear(self, happenings: list[Happening], place: int) -> None:
        for each in happenings:
            if isinstance(each, Filled):
                self._account.apply(each)
                self._book(each, place, self._reasons[each.order_id])
                working = self._working[each.symbol]
                if each.order_id == working.market:
                    working.market, working.closes = None, False

    def _book(self, fill: Filled, place: int, reason: Reason) -> None:
        self.fills.append(
            (
                place,
                self._tape.symbols.index(fill.symbol),
                int(fill.quantity) * fill.side.sign,
                int(fill.price * MICRO),
                int(fill.fee * MICRO),
                reason,
            )
        )

    def _close_all(self, place: int) -> None:
        costs = self._config.costs
        at = moment_of(int(self._tape.time_ns[place])) + timedelta(seconds=self._tape.seconds)
        for symbol in self._tape.symbols:
            held = self._account.quantity(symbol)
            if not held:
                continue
            side = Side.SELL if held > 0 else Side.BUY
            price = costs.slipped(self._last[symbol], side, None)
            fill = Filled(
                order_id=VenueOrderId(str(next(self._numbers))),
                at=at,
                execution=0,
                symbol=symbol,
                side=side,
                quantity=abs(held),
                price=price,
                fee=max(costs.fee(abs(held), price), costs.fee_minimum),
                cumulative=abs(held),
                done=True,
            )
            self._account.apply(fill)
            self._book(fill, place, Reason.END)


def _check(symbol: Symbol, decisions: Decisions, place: int, *, resizes: bool) -> None:
    if abs(decisions.target[place]) > 1:
        raise BadDecisionError(f"{symbol}, bar {place}: a target lies between -1 and 1.")
    if not 0 <= decisions.entry[place] <= max(EntryCode):
        raise BadDecisionError(f"{symbol}, bar {place}: an entry is one of the numbers of `EntryCode`.")
    exits = (decisions.stop_loss[place], decisions.take_profit[place])
    if resizes and (decisions.entry[place] != EntryCode.MARKET or not np.isnan(exits).all()):
        raise BadDecisionError(f"{symbol}, bar {place}: a strategy that resizes has market orders without exits.")
