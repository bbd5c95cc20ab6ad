"""A strategy's own account: what its orders have bought, sold and left open. Other strategies' orders are not in it.

It is kept with the strategy's progress, in one transaction, so that both are of the same moment. Fees are not in it:
no venue tells them with the fill.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import Connection, select

from services.contracts.market import OrderClass, OrderType, Symbol
from services.contracts.orders import IntentId
from services.trading.engine.deciding import CLOSE, ENTRY
from services.trading.orders import store
from services.trading.orders.order import Order
from services.trading.orders.tables import ORDERS

_ZERO: Final = Decimal(0)
_EXITS: Final = 2  # of a bracket


class Open(BaseModel):
    """An intent that has not come to its end.

    Attributes:
        bar_at: Start of the bar that it was decided at.
    """

    symbol: Symbol
    leg: str
    bar_at: AwareDatetime


class Baseline(BaseModel):
    """From where on the reference can be run beside a strategy: it had nothing open then.

    Attributes:
        after: Start of the last bar before.
        equity: In dollars.
    """

    after: AwareDatetime | None
    equity: Decimal


class Account(BaseModel):
    """What is kept of an account.

    Attributes:
        flows: Dollars that came in less those that went out, of all intents that have ended.
        shares: Shares that these left, by symbol; negative when short.
        open: The intents that have not ended.
        acting: What is done about the last bar: the symbols, and whether a close that works goes on.
        day, opened: How many orders were sent on a day that open something.
        baseline: For parity; None while something is open from before.
        splits: The names of those that are in `shares`, or were before its time.
        settings: The digest of the setting that it last ran by.
    """

    flows: Decimal = _ZERO
    shares: dict[Symbol, Decimal] = Field(default_factory=dict)
    open: dict[IntentId, Open] = Field(default_factory=dict)
    acting: dict[Symbol, bool] = Field(default_factory=dict)
    day: date | None = None
    opened: int = 0
    baseline: Baseline | None = None
    splits: tuple[str, ...] = ()
    settings: str = ""


class Ledger:
    """An account with its open orders as the book has them. One thread's.

    Args:
        account: Changed as intents end.
        capital: What it began with, in dollars.
    """

    def __init__(self, account: Account, capital: Decimal) -> None:
        self.account = account
        self._capital = capital
        self._families: dict[IntentId, list[Order]] = {}

    def refresh(self, connection: Connection) -> None:
        """Read what became of the open intents, and settle those that have ended."""
        names = list(self.account.open)
        if not names:
            self._families = {}
            return
        found: dict[IntentId, list[Order]] = {name: [] for name in names}
        for order in store.orders(connection, select(ORDERS).where(ORDERS.c.intent_id.in_(names))):
            found[order.intent_id].append(order)
        for name, family in list(found.items()):
            if _has_ended(family):
                self._settle(name, found.pop(name))
        self._families = found

    def held(self, symbol: Symbol) -> Decimal:
        """Shares of a symbol, negative when short."""
        filled = (_filled(order) for order in self._orders() if order.ticket.symbol == symbol)
        return self.account.shares.get(symbol, _ZERO) + sum(filled, _ZERO)

    @property
    def holdings(self) -> Mapping[Symbol, Decimal]:
        """What is held."""
        symbols = {*self.account.shares, *(order.ticket.symbol for order in self._orders())}
        return {symbol: held for symbol in sorted(symbols) if (held := self.held(symbol))}

    def equity(self, last: Mapping[Symbol, Decimal]) -> Decimal:
        """Capital, profit and loss, in dollars, with what is held valued at the last closes."""
        flows = self.account.flows + sum((_flow(order) for order in self._orders()), _ZERO)
        return self._capital + flows + sum((held * last[symbol] for symbol, held in self.holdings.items()), _ZERO)

    def exposures(self, last: Mapping[Symbol, Decimal]) -> dict[Symbol, Decimal]:
        """By symbol the worth of what is held, and of what works to open more, in dollars."""
        worth = {symbol: abs(held) * last[symbol] for symbol, held in self.holdings.items()}
        for order in self.entries():
            symbol = order.ticket.symbol
            price = order.ticket.limit_price or order.ticket.stop_price or last.get(symbol, _ZERO)
            worth[symbol] = worth.get(symbol, _ZERO) + order.open_quantity * price
        return worth

    def working(self, symbol: Symbol | None = None) -> list[Order]:
        """Its orders that have not ended."""
        return [
            order
            for order in self._orders()
            if not order.status.terminal and (symbol is None or order.ticket.symbol == symbol)
        ]

    def works(self, order: Order) -> bool:
        """Whether an order can trade: an exit does once its entry has filled."""
        family = self._families.get(order.intent_id, [])
        entry = next((each for each in family if each.client_order_id == order.parent), None)
        return entry is None or bool(entry.filled)

    def entries(self) -> list[Order]:
        """Its working orders that open something."""
        return [order for order in self.working() if order.parent is None and self.leg(order) == ENTRY]

    def closing(self, symbol: Symbol) -> bool:
        """Whether an order that closes what is held of a symbol works."""
        return any(self.leg(order) == CLOSE for order in self.working(symbol))

    def leg(self, order: Order) -> str:
        """What an order of an open intent is for."""
        return self.account.open[order.intent_id].leg

    @property
    def flat(self) -> bool:
        """Nothing is held, and nothing works."""
        return not self.account.open and not any(self.account.shares.values())

    def split(self, symbol: Symbol, ratio: Decimal) -> None:
        """Make `ratio` new shares of each old one that is held. What they cost stays."""
        held = self.held(symbol)
        if held:
            shares = self.account.shares.get(symbol, _ZERO) + held * (ratio - 1)
            self.account.shares = {**self.account.shares, symbol: shares}

    def forget(self, intent_id: IntentId) -> None:
        """An intent came to nothing: no order was made."""
        self.account.open.pop(intent_id, None)

    def _orders(self) -> list[Order]:
        return [order for family in self._families.values() for order in family]

    def _settle(self, name: IntentId, family: Sequence[Order]) -> None:
        account = self.account
        symbol = account.open.pop(name).symbol
        left = account.shares.get(symbol, _ZERO) + sum(map(_filled, family), _ZERO)
        account.shares = {**account.shares, symbol: left}
        if not left:
            del account.shares[symbol]
        account.flows += sum(map(_flow, family), _ZERO)


def _has_ended(family: Sequence[Order]) -> bool:
    if not family or not all(order.settled for order in family):
        return False
    bought = any(order.filled and order.ticket.order_class is OrderClass.BRACKET for order in family)
    exits = [order for order in family if order.parent is not None]
    return not bought or len(exits) >= _EXITS  # the venue has still to tell of them


def _filled(order: Order) -> Decimal:
    return order.filled * order.ticket.side.sign


def _flow(order: Order) -> Decimal:
    return -order.ledger.value * order.ticket.side.sign


def may_have_traded(order: Order, low: Decimal, high: Decimal) -> bool:
    """Whether an order that works should have traded in a bar of this range."""
    ticket = order.ticket
    buys = ticket.side.sign > 0
    if ticket.stop_price is not None:
        return high >= ticket.stop_price if buys else low <= ticket.stop_price
    if ticket.order_type is OrderType.LIMIT and ticket.limit_price is not None:
        return low <= ticket.limit_price if buys else high >= ticket.limit_price
    return True
