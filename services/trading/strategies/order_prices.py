"""From a price that a strategy names to one that an order can have: the same in backtests, in paper and live."""

from decimal import Decimal
from typing import Final

from services.contracts.bars import decimal_of

HIGHEST: Final = 1e9
"""Dollars; a price above stands for this one, which nothing reaches."""


def order_price(value: float) -> Decimal | None:
    """The price on its tick, half to even; None where there is none: NaN, or nothing above zero is left of it."""
    if not value > 0:
        return None
    return decimal_of(min(value, HIGHEST)) or None
