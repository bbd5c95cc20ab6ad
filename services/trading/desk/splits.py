"""Splits over night, found by their mark: another number of shares at the same cost.

Venues have no common way of telling of a split, and no trade looks like one: who comes to twice as many shares at the
same cost was given them. Ratios that leave fractions which no decimal can hold are left to a person.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal, localcontext
from typing import Final

from services.contracts.market import Symbol
from services.trading.brokers.port import VenuePosition
from services.trading.portfolio.position import EXACT, Position

_SAME_COST: Final = Decimal("0.002")  # venues tell mean prices in cents
_MOST: Final = 100  # the largest ratios, either way, that exchanges see


def splits(ours: Mapping[Symbol, Position], theirs: Iterable[VenuePosition]) -> dict[Symbol, Decimal]:
    """New shares for an old one, by symbol, where that and nothing else explains what the venue holds."""
    found = {each.symbol: _ratio(ours[each.symbol], each) for each in theirs if each.symbol in ours}
    return {symbol: ratio for symbol, ratio in found.items() if ratio is not None}


def _ratio(ours: Position, theirs: VenuePosition) -> Decimal | None:
    if not ours.quantity or ours.quantity == theirs.quantity or ours.quantity * theirs.quantity <= 0:
        return None
    with localcontext(EXACT):
        ratio = theirs.quantity / ours.quantity
        exact = ratio * ours.quantity == theirs.quantity and _usual(ratio)
        moved = abs(theirs.quantity * theirs.average_price - ours.cost)
    return ratio if exact and moved <= abs(ours.cost) * _SAME_COST else None


def _usual(ratio: Decimal) -> bool:
    parts = ratio.as_integer_ratio()
    return max(parts) <= _MOST
