"""Whether the broker takes an order: Alpaca's rules, in the order in which it applies them."""

from decimal import Decimal
from typing import Final

from services.contracts.market import Instrument, OrderClass, OrderType, Side, TimeInForce, on_tick
from services.matching.orders import AT_ONCE, LIMITS, STOPS
from services.venue.broker.accounts import PaperAccount
from services.venue.broker.books import Books
from services.venue.broker.errors import ForbiddenError, UnprocessableError
from services.venue.broker.figures import decimal_text
from services.venue.broker.orders import PaperOrder
from services.venue.broker.reading import NewOrder

_WASH: Final = "potential wash trade detected. use complex orders"


def check_prices(kind: OrderType, limit_price: Decimal | None, stop_price: Decimal | None) -> None:
    """Raise `UnprocessableError` where prices do not fit the type, or the tick (SEC Rule 612)."""
    if (limit_price is not None) is not (kind in LIMITS):
        need = "require a limit price" if kind in LIMITS else "must not have a limit price"
        raise UnprocessableError(f"{kind} orders {need}")
    if (stop_price is not None) is not (kind in STOPS):
        need = "require a stop price" if kind in STOPS else "must not have a stop price"
        raise UnprocessableError(f"{kind} orders {need}")
    for name, price in (("limit_price", limit_price), ("stop_price", stop_price)):
        check_tick(name, price)


def check_tick(name: str, price: Decimal | None) -> None:
    """Raise `UnprocessableError` for a price that no exchange takes."""
    if price is not None and not on_tick(price):
        raise UnprocessableError(
            f"invalid {name} {decimal_text(price)}. sub-penny increment does not fulfill minimum pricing criteria"
        )


def check_time_in_force(new: NewOrder) -> None:
    """Raise `UnprocessableError` where an order that waits for something would have to trade at once."""
    if new.time_in_force not in AT_ONCE:
        return
    if new.type in STOPS:
        raise UnprocessableError(f"{new.type} orders must be DAY or GTC orders")
    if new.order_class is not OrderClass.SIMPLE:
        raise UnprocessableError(f"{new.order_class} orders must be DAY or GTC orders")


def check_size(new: NewOrder, instrument: Instrument) -> None:
    """Raise `UnprocessableError` where quantity, dollars and time in force do not go together."""
    if (new.qty is None) is (new.notional is None):
        raise UnprocessableError("qty or notional is required" if new.qty is None else "only one of qty or notional")
    if new.extended_hours and (new.type is not OrderType.LIMIT or new.time_in_force is not TimeInForce.DAY):
        raise UnprocessableError("extended hours order must be DAY limit orders")
    if new.notional is not None and new.type is not OrderType.MARKET:
        raise UnprocessableError("notional orders must be market orders")
    if new.qty is None or new.qty % 1:
        check_fraction(instrument, new.type, new.time_in_force)


def check_fraction(instrument: Instrument, kind: OrderType, time_in_force: TimeInForce) -> None:
    """Raise `UnprocessableError` unless a part of a share may be traded so."""
    if not instrument.fractionable:
        raise UnprocessableError(f'asset "{instrument.symbol}" is not fractionable')
    if time_in_force is not TimeInForce.DAY:
        raise UnprocessableError("fractional orders must be DAY orders")
    if kind is not OrderType.MARKET:
        raise UnprocessableError("fractional orders must be market orders")


def check_account(books: Books, account: PaperAccount, instrument: Instrument, order: PaperOrder) -> None:
    """Raise `ForbiddenError` unless the account may send this order and can pay for it."""
    _check_wash(books, order)
    held = account.money.quantity(order.symbol)
    if held * order.side.sign < 0:
        _check_available(books, order, held)
        return
    if order.side is Side.SELL:
        if not (account.shorting and instrument.shortable):
            raise ForbiddenError(f'asset "{order.symbol}" cannot be sold short')
        if order.quantity % 1:
            raise ForbiddenError("fractional orders cannot be sold short")
    cost, power = books.cost_of(order), books.buying_power(account)
    if cost > power:
        raise ForbiddenError(
            "insufficient buying power", buying_power=decimal_text(power), cost_basis=decimal_text(cost)
        )


def _check_available(books: Books, order: PaperOrder, position: Decimal) -> None:
    held = books.held(order.account_id, order.symbol)
    available = max(abs(position) - held, Decimal(0))
    if order.quantity <= available:
        return
    working = books.working(order.account_id, order.symbol, order.side)
    raise ForbiddenError(
        f"insufficient qty available for order "
        f"(requested: {decimal_text(order.quantity)}, available: {decimal_text(available)})",
        symbol=order.symbol,
        existing_qty=decimal_text(abs(position)),
        held_for_orders=decimal_text(held),
        available=decimal_text(available),
        related_orders=[each.order_id for each in working],
    )


def _check_wash(books: Books, order: PaperOrder) -> None:
    """An order must not be able to trade with one of the account's own.

    See https://docs.alpaca.markets/docs/user-protection#wash-trade-protection.
    """
    for other in books.working(order.account_id, order.symbol, order.side.opposite):
        if order.parent is not None or other.parent is not None or not _could_meet(order, other):
            continue
        kind = "limit" if other.limit_price is not None else "market/stop"
        raise ForbiddenError(
            _WASH,
            reject_reason=f"opposite side {kind} order exists",
            existing_order_id=other.order_id,
            related_orders=[other.order_id],
        )


def _could_meet(order: PaperOrder, other: PaperOrder) -> bool:
    if order.limit_price is None or other.limit_price is None:
        return True
    buys, sells = (order, other) if order.side is Side.BUY else (other, order)
    return (buys.limit_price or 0) >= (sells.limit_price or 0)
