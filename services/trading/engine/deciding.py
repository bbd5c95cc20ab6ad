"""From what a strategy decides at a bar to orders: the rules of `backtest.reference`, for an account that lives.

The reference says what a decision leads to. Where a venue differs from it, this is how: exits go with their entry as a
bracket, whose unwanted side stands where no price goes; every order works until it is canceled, since the exits of a
bracket end with it, and the engine itself ends entries with a price; and an entry that turns a position around waits
until the old one is closed, because no account holds both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np

from services.contracts.market import OrderClass, OrderType, Side, Symbol, TimeInForce
from services.contracts.orders import NEVER_ABOVE, NEVER_BELOW, OrderTicket, StopLoss
from services.trading.backtest.errors import BadDecisionError
from services.trading.strategies.order_prices import order_price
from services.trading.strategies.protocol import Decisions, EntryCode

CLOSE: Final = "close"
RESIZE: Final = "resize"
ENTRY: Final = "entry"

_ZERO: Final = Decimal(0)
_MICRO: Final = 1_000_000
_PPM: Final = Decimal("0.000001")
_LIMITS: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


@dataclass(frozen=True, slots=True)
class Decision:
    """What a strategy decides at one bar of one symbol; `protocol.Decisions` has the meaning of the numbers."""

    target: float
    entry: int
    limit: float
    stop: float
    stop_loss: float
    take_profit: float


@dataclass(frozen=True, slots=True)
class Stand:
    """How a strategy stands in a symbol when it decides.

    Attributes:
        held: Its shares, negative when short.
        closing: An order that closes them works.
        last: The symbol's last close, in dollars.
        equity: The strategy's, at the last closes, in dollars.
        part: The share of the equity that a target of 1 stands for.
    """

    held: Decimal
    closing: bool
    last: Decimal
    equity: Decimal
    part: Decimal


@dataclass(frozen=True, slots=True)
class Wish:
    """An order that a decision leads to; `leg` says whether it closes, resizes or opens."""

    leg: str
    ticket: OrderTicket

    @property
    def opens(self) -> bool:
        """Whether it may add to what is held."""
        return self.leg != CLOSE


@dataclass(frozen=True, slots=True)
class Act:
    """What is done about a decision: what works for the symbol is canceled, then these orders are sent.

    Attributes:
        keeps_close: A close that works is not canceled: it goes on as it was sent.
    """

    wishes: tuple[Wish, ...]
    keeps_close: bool = True


def last_decisions(decided: Mapping[Symbol, Decisions]) -> dict[Symbol, Decision]:
    """What is decided at the last bar, for each symbol."""
    return {
        symbol: Decision(
            *(float(each.target[-1]), int(each.entry[-1]), float(each.limit[-1])),
            *(float(each.stop[-1]), float(each.stop_loss[-1]), float(each.take_profit[-1])),
        )
        for symbol, each in decided.items()
    }


def act_of(symbol: Symbol, decision: Decision, stand: Stand, *, resizes: bool) -> Act | None:
    """What follows from a decision; None: leave all as it is.

    Raises:
        BadDecisionError: The strategy broke its protocol.
    """
    target = decision.target
    if np.isnan(target):
        return None
    counted = _ZERO if stand.closing else stand.held
    if not resizes and target and target * float(counted) > 0:
        return None
    _check(symbol, decision, resizes=resizes)
    desired = _desired(target, stand)
    order = _Maker(symbol, decision)
    if resizes and stand.held * desired > 0:
        more = desired - stand.held
        return Act((order.market(RESIZE, more),) if more else (), keeps_close=False)
    closing = (order.market(CLOSE, -stand.held),) if stand.held and not stand.closing else ()
    entry = order.entry(desired) if desired else None
    return Act(closing if entry is None else (*closing, entry))


def _desired(target: float, stand: Stand) -> Decimal:
    share = Decimal(round(abs(target) * float(stand.part) * _MICRO)) * _PPM
    shares = max(share * stand.equity, _ZERO) // stand.last
    return shares * (1 if target > 0 else -1)


@dataclass(frozen=True, slots=True)
class _Maker:
    symbol: Symbol
    decision: Decision

    def market(self, leg: str, shares: Decimal) -> Wish:
        return Wish(leg, _ticket(self.symbol, shares))

    def entry(self, shares: Decimal) -> Wish | None:
        decision = self.decision
        kind = EntryCode(decision.entry).order_type
        limit = order_price(decision.limit) if kind in _LIMITS else None
        stop = order_price(decision.stop) if kind in _STOPS else None
        if (kind in _LIMITS and limit is None) or (kind in _STOPS and stop is None):
            return None
        loss, profit = order_price(decision.stop_loss), order_price(decision.take_profit)
        terms: dict[str, object] = {"order_type": kind, "limit_price": limit, "stop_price": stop}
        if loss is not None or profit is not None:
            below, above = (NEVER_BELOW, NEVER_ABOVE) if shares > 0 else (NEVER_ABOVE, NEVER_BELOW)
            terms |= {
                "order_class": OrderClass.BRACKET,
                "stop_loss": StopLoss(stop_price=loss or below),
                "take_profit": profit or above,
            }
        return Wish(ENTRY, _ticket(self.symbol, shares, **terms))


def _ticket(symbol: Symbol, shares: Decimal, **terms: object) -> OrderTicket:
    side = Side.BUY if shares > 0 else Side.SELL
    what = {"symbol": symbol, "side": side, "quantity": abs(shares), "time_in_force": TimeInForce.GTC}
    return OrderTicket.model_validate({**what, **terms})


def _check(symbol: Symbol, decision: Decision, *, resizes: bool) -> None:
    if abs(decision.target) > 1:
        raise BadDecisionError(f"{symbol}: a target lies between -1 and 1, not at {decision.target:g}.")
    if not 0 <= decision.entry <= max(EntryCode):
        raise BadDecisionError(f"{symbol}: an entry is one of the numbers of `EntryCode`, not {decision.entry}.")
    exits = (decision.stop_loss, decision.take_profit)
    if resizes and (decision.entry != EntryCode.MARKET or not all(map(np.isnan, exits))):
        raise BadDecisionError(f"{symbol}: a strategy that resizes has market orders without exits.")
