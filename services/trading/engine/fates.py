"""What is known of the orders of one signal: whether a venue has one, none has, or nobody can say yet."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from services.contracts.orders import OrderStatus
from services.trading.orders.order import UNSETTLED, Order

# A rejection is the venue's word on the order, and is not asked for again.
_NEVER_THERE: Final = frozenset({OrderStatus.NOT_SENT, OrderStatus.NOT_FOUND_CONFIRMED})


class Fate(Enum):
    """Of a signal."""

    NOT_TRIED = auto()
    IN_QUESTION = auto()
    NEVER_THERE = auto()  # it was tried, and no venue has or had it
    THERE = auto()


def fate_of(orders: Sequence[Order]) -> Fate:
    """What the orders of a signal's intent say."""
    if not orders:
        return Fate.NOT_TRIED
    if any(order.filled or order.status not in _NEVER_THERE | UNSETTLED for order in orders):
        return Fate.THERE
    if any(order.status in UNSETTLED for order in orders):
        return Fate.IN_QUESTION
    return Fate.NEVER_THERE
