"""Everything that one venue remembers, indexed for what is asked of it, and what of it is not stored yet."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from services.contracts.market import OrderType, Side, Symbol
from services.contracts.orders import VenueOrderId
from services.venue.broker.accounts import PaperAccount
from services.venue.broker.orders import Execution, PaperOrder, Status
from services.venue.broker.prices import Prices

_ZERO: Final = Decimal(0)
# Alpaca holds a little more than the price for a short sale, and reckons a market buy above the last price.
_SHORT_MARGIN: Final = Decimal("1.03")


@dataclass(slots=True)
class Changes:
    """What changed since it was last taken, each thing once."""

    accounts: dict[str, PaperAccount] = field(default_factory=dict)
    orders: dict[str, PaperOrder] = field(default_factory=dict)
    executions: dict[str, Execution] = field(default_factory=dict)
    markets: set[Symbol] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.accounts or self.orders or self.executions or self.markets)


@dataclass(slots=True)
class _Side:
    """An account's orders of a symbol and side that work."""

    orders: dict[str, PaperOrder] = field(default_factory=dict)


class Books:
    """Accounts, orders, executions and positions of a venue. Used from one thread.

    Attributes:
        prices: Bars and last prices.
        accounts: By account id.
        orders: By order id, in the order in which they came.
        changes: What is not stored yet.
    """

    def __init__(self, prices: Prices) -> None:
        self.prices = prices
        self.accounts: dict[str, PaperAccount] = {}
        self.orders: dict[VenueOrderId, PaperOrder] = {}
        self.changes = Changes()
        self._by_key: dict[str, PaperAccount] = {}
        self._by_client_id: dict[tuple[str, str], PaperOrder] = {}
        self._of_account: dict[str, list[PaperOrder]] = {}
        self._executions: dict[str, list[Execution]] = {}
        self._working: dict[tuple[str, Symbol, Side], _Side] = {}
        self._reserved: dict[str, Decimal] = {}  # order id -> dollars
        self._reserved_sum: dict[str, Decimal] = {}  # account id -> dollars
        self._order_count = 0
        self._execution_count = 0

    # --- accounts

    def put_account(self, account: PaperAccount) -> None:
        """A new or changed account."""
        self.accounts[account.account_id] = account
        self._by_key[account.key_id] = account
        self._of_account.setdefault(account.account_id, [])
        self._executions.setdefault(account.account_id, [])
        self.changes.accounts[account.account_id] = account

    def account_of_key(self, key_id: str) -> PaperAccount | None:
        """Whose key this is."""
        return self._by_key.get(key_id)

    # --- orders

    def next_order(self) -> int:
        """The number of the next order."""
        self._order_count += 1
        return self._order_count

    def put_order(self, order: PaperOrder) -> None:
        """A new or changed order."""
        if order.order_id not in self.orders:
            self.orders[order.order_id] = order
            self._by_client_id[order.account_id, order.client_order_id] = order
            self._of_account[order.account_id].append(order)
            self._order_count = max(self._order_count, order.sequence)
        side = self._working.setdefault((order.account_id, order.symbol, order.side), _Side())
        if order.working:
            side.orders[order.order_id] = order
        else:
            side.orders.pop(order.order_id, None)
        self._reserve(order)
        self.changes.orders[order.order_id] = order

    def order(self, order_id: str) -> PaperOrder | None:
        """The order of an id."""
        return self.orders.get(VenueOrderId(order_id))

    def order_of_client_id(self, account_id: str, client_order_id: str) -> PaperOrder | None:
        """The order that the customer calls so."""
        return self._by_client_id.get((account_id, client_order_id))

    def orders_of(self, account_id: str) -> list[PaperOrder]:
        """An account's orders, the oldest first. Not to be changed."""
        return self._of_account[account_id]

    def working(self, account_id: str, symbol: Symbol, side: Side) -> Iterable[PaperOrder]:
        """An account's orders of a symbol and side that work, the oldest first."""
        return tuple(self._working.get((account_id, symbol, side), _Side()).orders.values())

    def all_working(self) -> Iterator[PaperOrder]:
        """Every account's orders that work, the oldest first."""
        found = (order for side in self._working.values() for order in side.orders.values())
        return iter(sorted(found, key=lambda order: order.sequence))

    def working_of(self, account_id: str) -> list[PaperOrder]:
        """An account's orders that work, the oldest first."""
        sides = (side for (owner, _, _), side in self._working.items() if owner == account_id)
        return sorted((order for side in sides for order in side.orders.values()), key=lambda order: order.sequence)

    # --- executions and money

    def next_execution(self) -> int:
        """The number of the next execution."""
        self._execution_count += 1
        return self._execution_count

    def add_execution(self, execution: Execution) -> None:
        """One more fill."""
        self._executions[execution.account_id].append(execution)
        self._execution_count = max(self._execution_count, execution.sequence)
        self.changes.executions[execution.execution_id] = execution

    def executions_of(self, account_id: str) -> list[Execution]:
        """An account's fills, the oldest first. Not to be changed."""
        return self._executions[account_id]

    def quantity(self, account_id: str, symbol: Symbol) -> Decimal:
        """Shares that an account holds, negative when short."""
        return self.accounts[account_id].money.quantity(symbol)

    def marks(self, account: PaperAccount) -> dict[Symbol, Decimal]:
        """The price of everything that an account holds; what it cost where there is no other."""
        holdings = account.money.holdings.items()
        return {symbol: self.prices.last(symbol) or each.average_price for symbol, each in holdings if each.quantity}

    def buying_power(self, account: PaperAccount) -> Decimal:
        """What new orders may cost, in dollars: open orders are taken off."""
        power = account.money.buying_power(self.marks(account), multiplier=account.multiplier)
        return max(power - self._reserved_sum.get(account.account_id, _ZERO), _ZERO)

    # --- what is held back

    def held(self, account_id: str, symbol: Symbol) -> Decimal:
        """Shares of the position that orders against it hold: a target and a stop of one pair hold them once."""
        quantity = self.quantity(account_id, symbol)
        against = Side.SELL if quantity > 0 else Side.BUY
        groups: dict[str, Decimal] = {}
        for order in self.working(account_id, symbol, against):
            if order.status is Status.HELD:
                continue
            group = order.parent or order.order_id
            groups[group] = max(groups.get(group, _ZERO), order.rest)
        return sum(groups.values(), _ZERO)

    def cost_of(self, order: PaperOrder) -> Decimal:
        """Dollars of buying power that an order needs: nothing where it closes what is held, or depends on another."""
        if order.parent is not None:
            return _ZERO
        held = self.quantity(order.account_id, order.symbol)
        if held * order.side.sign < 0:
            return _ZERO
        price = order.limit_price or order.stop_price or self.prices.last(order.symbol) or _ZERO
        if order.side is Side.SELL:
            price = max(price, self.prices.last(order.symbol) or _ZERO) * _SHORT_MARGIN
        elif order.order_type is OrderType.MARKET and order.notional is not None:
            return order.notional
        return order.rest * price

    @contextmanager
    def without(self, order: PaperOrder) -> Iterator[None]:
        """Look, for the length of the block, as if the order did not work."""
        side = self._working[order.account_id, order.symbol, order.side]
        reserved = self._reserved.get(order.order_id, _ZERO)
        kept = dict(side.orders)
        side.orders.pop(order.order_id, None)
        self._reserved_sum[order.account_id] = self._reserved_sum.get(order.account_id, _ZERO) - reserved
        try:
            yield
        finally:
            side.orders.clear()
            side.orders.update(kept)
            self._reserved_sum[order.account_id] += reserved

    def _reserve(self, order: PaperOrder) -> None:
        before = self._reserved.pop(order.order_id, _ZERO)
        after = self.cost_of(order) if order.working else _ZERO
        if after:
            self._reserved[order.order_id] = after
        if before != after:
            self._reserved_sum[order.account_id] = self._reserved_sum.get(order.account_id, _ZERO) + after - before
