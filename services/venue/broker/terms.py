"""Makes orders of what customers ask for, once everything that can be refused was refused."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Final

from services.contracts.market import OrderClass, OrderType, Side, Symbol
from services.contracts.orders import VenueOrderId
from services.venue.broker import checks
from services.venue.broker.accounts import PaperAccount
from services.venue.broker.books import Books
from services.venue.broker.errors import ForbiddenError, InvalidError, MissingError, UnprocessableError
from services.venue.broker.exchange import Exchange
from services.venue.broker.orders import PaperOrder, Status
from services.venue.broker.reading import NewOrder, Replacement
from services.venue.broker.wire import symbol_of

_SHARE_STEP: Final = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class Terms:
    """Makes orders for one venue."""

    exchange: Exchange
    new_id: Callable[[], str]

    def new_order(self, account: PaperAccount, new: NewOrder) -> tuple[PaperOrder, list[PaperOrder]]:
        """The order and its legs.

        Raises:
            InvalidError: The client order id was used before.
            UnprocessableError: Its terms do not fit each other, the symbol or the tick.
            ForbiddenError: The account may not send it, or cannot afford it.
        """
        books = self.exchange.books
        _check_may_trade(account)
        name = new.client_order_id or self.new_id()
        _check_name(books, account, name)
        symbol = symbol_of(new.symbol)
        instrument = self.exchange.instruments.get(symbol)
        if instrument is None:
            raise UnprocessableError(f'asset "{symbol}" not found')
        if not instrument.tradable:
            raise UnprocessableError(f'asset "{symbol}" is not tradable')
        new = _as_oco(new)
        checks.check_size(new, instrument)
        checks.check_time_in_force(new)
        checks.check_prices(new.type, new.limit_price, new.stop_price)
        order = self._order(account, new, symbol, name)
        legs = self._legs(order, new)
        order.legs = tuple(leg.order_id for leg in legs)
        checks.check_account(books, account, instrument, order)
        return order, legs

    def replacement(self, account: PaperAccount, old: PaperOrder, change: Replacement) -> PaperOrder:
        """The order that takes the place of `old`.

        Its quantity is what was asked for, else that of the old order, and all of it is still to be had: as Alpaca
        does, shares that the old order filled are not taken off
        (https://github.com/alpacahq/Alpaca-API/issues/165).

        Raises:
            InvalidError: The client order id was used before.
            UnprocessableError: The order has ended, or the new terms do not fit.
            ForbiddenError: The account may not send it, or cannot afford it.
        """
        books = self.exchange.books
        _check_may_trade(account)
        if not old.working or old.status in {Status.PENDING_CANCEL, Status.PENDING_REPLACE}:
            raise UnprocessableError(f'order is already in "{old.status}" state')
        name = change.client_order_id or self.new_id()
        _check_name(books, account, name)
        instrument = self.exchange.instrument(old.symbol)
        # A leg's quantity follows its entry's.
        quantity = change.qty or (old.quantity if old.parent is None else old.rest)
        limit_price, stop_price = change.limit_price or old.limit_price, change.stop_price or old.stop_price
        checks.check_prices(old.order_type, limit_price, stop_price)
        if quantity % 1 or old.notional is not None:
            raise UnprocessableError("fractional orders cannot be replaced")
        now = self.exchange.time.now()
        new = PaperOrder(
            order_id=VenueOrderId(self.new_id()),
            account_id=account.account_id,
            client_order_id=name,
            sequence=books.next_order(),
            symbol=old.symbol,
            side=old.side,
            quantity=quantity,
            order_type=old.order_type,
            time_in_force=change.time_in_force or old.time_in_force,
            order_class=old.order_class,
            status=Status.ACCEPTED if old.status is Status.ACCEPTED else Status.PENDING_NEW,
            created_at=now,
            updated_at=now,
            submitted_at=now,
            limit_price=limit_price,
            stop_price=stop_price,
            extended_hours=old.extended_hours,
            replaces=old.order_id,
            parent=old.parent,
            legs=old.legs,
        )
        if old.parent is None:
            with books.without(old):
                checks.check_account(books, account, instrument, new)
        return new

    def _order(self, account: PaperAccount, new: NewOrder, symbol: Symbol, name: str) -> PaperOrder:
        now = self.exchange.time.now()
        return PaperOrder(
            order_id=VenueOrderId(self.new_id()),
            account_id=account.account_id,
            client_order_id=name,
            sequence=self.exchange.books.next_order(),
            symbol=symbol,
            side=new.side,
            quantity=new.qty or self._shares_for(new, symbol),
            notional=new.notional,
            order_type=new.type,
            time_in_force=new.time_in_force,
            order_class=new.order_class,
            status=Status.PENDING_NEW if self.exchange.is_open() else Status.ACCEPTED,
            created_at=now,
            updated_at=now,
            submitted_at=now,
            limit_price=new.limit_price,
            stop_price=new.stop_price,
            extended_hours=new.extended_hours,
        )

    def _shares_for(self, new: NewOrder, symbol: Symbol) -> Decimal:
        """Dollars become shares at the last price, which an exchange of whole shares cannot do later."""
        price = self.exchange.books.prices.last(symbol)
        if price is None or new.notional is None:
            raise UnprocessableError(f"no price is known for {symbol}")
        try:
            shares = (new.notional / price).quantize(_SHARE_STEP, ROUND_DOWN)
        except InvalidOperation:  # more digits than there are
            raise UnprocessableError("notional is too large") from None
        if not shares:
            raise UnprocessableError("notional is too small")
        return shares

    def _legs(self, order: PaperOrder, new: NewOrder) -> list[PaperOrder]:
        if new.order_class is OrderClass.SIMPLE:
            if new.take_profit or new.stop_loss:
                raise UnprocessableError("take_profit and stop_loss require a bracket or oco order_class")
            return []
        if new.take_profit is None or new.stop_loss is None:
            raise UnprocessableError(
                f"{new.order_class} orders require take_profit.limit_price and stop_loss.stop_price"
            )
        if order.quantity % 1:
            raise UnprocessableError(f"fractional orders cannot be {new.order_class} orders")
        target, stop, limit = new.take_profit.limit_price, new.stop_loss.stop_price, new.stop_loss.limit_price
        for name, price in (("take_profit", target), ("stop_loss", stop), ("stop_loss.limit_price", limit)):
            checks.check_tick(name, price)
        exits = order.side.opposite if new.order_class is OrderClass.BRACKET else order.side
        if (target <= stop) if exits is Side.SELL else (target >= stop):
            raise UnprocessableError("take_profit.limit_price must lie beyond stop_loss.stop_price")
        kind = OrderType.STOP if limit is None else OrderType.STOP_LIMIT
        legs = []
        if new.order_class is OrderClass.BRACKET:  # an OCO order is its own target
            legs.append(self._leg(order, exits, OrderType.LIMIT, limit=target, stop=None))
        return [*legs, self._leg(order, exits, kind, limit=limit, stop=stop)]

    def _leg(
        self, order: PaperOrder, side: Side, kind: OrderType, *, limit: Decimal | None, stop: Decimal | None
    ) -> PaperOrder:
        return PaperOrder(
            order_id=VenueOrderId(self.new_id()),
            account_id=order.account_id,
            client_order_id=self.new_id(),
            sequence=self.exchange.books.next_order(),
            symbol=order.symbol,
            side=side,
            quantity=order.quantity,
            order_type=kind,
            time_in_force=order.time_in_force,
            order_class=order.order_class,
            status=Status.HELD,
            created_at=order.created_at,
            updated_at=order.created_at,
            submitted_at=order.created_at,
            limit_price=limit,
            stop_price=stop,
            parent=order.order_id,
        )


def order_of(books: Books, account: PaperAccount, order_id: str) -> PaperOrder:
    """The account's order of that id. Raises `MissingError`."""
    found = books.order(order_id)
    if found is None or found.account_id != account.account_id:
        raise MissingError(f"order not found for {order_id}")
    return found


def market_order(symbol: Symbol, quantity: Decimal) -> dict[str, object]:
    """The body of an order that closes a position of `quantity` shares."""
    return {
        "symbol": symbol,
        "qty": abs(quantity),
        "side": Side.SELL if quantity > 0 else Side.BUY,
        "type": OrderType.MARKET,
        "time_in_force": "day",
    }


def _as_oco(new: NewOrder) -> NewOrder:
    """The target's price of an OCO order may stand in take_profit alone."""
    if new.order_class is OrderClass.OCO and new.limit_price is None and new.take_profit is not None:
        return new.model_copy(update={"limit_price": new.take_profit.limit_price})
    return new


def _check_may_trade(account: PaperAccount) -> None:
    if account.trading_blocked:
        raise ForbiddenError("new orders are rejected: trading is blocked for this account")


def _check_name(books: Books, account: PaperAccount, name: str) -> None:
    if books.order_of_client_id(account.account_id, name) is not None:
        raise InvalidError("client_order_id must be unique")
