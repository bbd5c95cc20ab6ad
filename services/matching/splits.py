"""What a split makes of an order. Ratio: new shares for each old one, 2 for two for one, 0.1 for one for ten.

Shares that are filled are multiplied, to a billionth; whole numbers of shares that are not filled are rounded down to
whole ones.
Prices are divided and rounded to a tick so that no order trades sooner, or at a worse price, than its owner asked:
a limit to buy and a stop to sell down, a limit to sell and a stop to buy up; the limit of a stop-limit order goes the
way of its stop, so that the two do not cross.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from services.contracts.market import Side, tick_at
from services.matching.book import whole_shares
from services.matching.orders import WorkingOrder

_FRACTION: Final = Decimal("0.000000001")


def apply_split(order: WorkingOrder, ratio: Decimal) -> None:
    """Change the order's terms. It may have nothing left to fill afterwards."""
    working, held = _shares(order.open, ratio), _shares(order.held, ratio)
    order.filled = split_quantity(order.filled, ratio)
    order.held = held
    order.quantity = order.filled + working + held
    up = (order.side is Side.BUY) is (order.stop_price is not None)
    order.limit_price = _price(order.limit_price, ratio, up=up)
    order.stop_price = _price(order.stop_price, ratio, up=up)


def split_quantity(quantity: Decimal, ratio: Decimal) -> Decimal:
    """What becomes of shares that are held or were traded, to a billionth of a share."""
    exact = quantity * ratio
    rounded = exact.quantize(_FRACTION)
    return exact if exact == rounded else rounded  # 20, not 20.000000000


def _shares(quantity: Decimal, ratio: Decimal) -> Decimal:
    if quantity == whole_shares(quantity):
        return whole_shares(quantity * ratio)
    return (quantity * ratio).quantize(_FRACTION, ROUND_FLOOR)


def _price(price: Decimal | None, ratio: Decimal, *, up: bool) -> Decimal | None:
    if price is None:
        return None
    exact = price / ratio
    tick = tick_at(exact)
    return max(exact.quantize(tick, ROUND_CEILING if up else ROUND_FLOOR), tick)
