"""What is held, what it cost, and what was earned with it: exact arithmetic, no clock and no database.

Profit and loss follow the average-cost method: what is sold leaves at the mean price of what is held, so that a partial
sale leaves that mean as it is. The cost is kept as a sum, not as a mean: whatever a mean is rounded to, cash, cost and
profit of a position add up to the cent.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from typing import Final

from services.contracts.market import Symbol
from services.contracts.orders import Fill, VenueName

# Shares have 18 digits at most and prices 18: their products fit, and so do sums of a great many of them.
EXACT: Final = Context(prec=60)
_COST_STEP: Final = Decimal("1E-12")
_NOTHING: Final = Decimal(0)
_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What one venue holds of one symbol. Money is in dollars.

    Attributes:
        quantity: Shares; negative when short.
        cost: What the present shares cost; negative when short: what they brought in.
        realised: Profit from what was closed, before fees.
        fees: Paid so far.
        adopted: The part of the cost that no fill of ours explains: shares that were there before.
    """

    venue: VenueName
    symbol: Symbol
    quantity: Decimal = _NOTHING
    cost: Decimal = _NOTHING
    realised: Decimal = _NOTHING
    fees: Decimal = _NOTHING
    adopted: Decimal = _NOTHING

    @property
    def average_price(self) -> Decimal:
        """Mean price of the present shares, in dollars a share; 0 when nothing is held."""
        if not self.quantity:
            return _NOTHING
        with localcontext(EXACT):
            return plain((self.cost / self.quantity).quantize(_COST_STEP))

    @property
    def cash(self) -> Decimal:
        """What our fills have brought in altogether, less fees; negative when they cost more."""
        with localcontext(EXACT):
            return self.realised - (self.cost - self.adopted) - self.fees


def apply(position: Position, fill: Fill) -> Position:
    """The position after a fill; one that is larger than what is held turns it round.

    Raises:
        ValueError: The fill is for another venue or symbol.
    """
    if (fill.venue, fill.symbol) != (position.venue, position.symbol):
        raise ValueError(f"a fill of {fill.symbol} at {fill.venue} is none of {position.symbol} at {position.venue}")
    with localcontext(EXACT):
        signed = fill.side.sign * fill.quantity
        closing = _closing(position.quantity, signed)
        released = _released(position, closing)
        return replace(
            position,
            quantity=plain(position.quantity + signed),
            cost=plain(position.cost - released + (signed + closing) * fill.price),
            realised=plain(position.realised + closing * fill.price - released),
            fees=plain(position.fees + fill.fee),
        )


def unrealised(position: Position, mark: Decimal) -> Decimal:
    """What closing at `mark`, in dollars a share, would earn; negative for a loss. Fees are not in it."""
    with localcontext(EXACT):
        return position.quantity * mark - position.cost


def split(position: Position, ratio: Decimal) -> Position:
    """The position after a split: `ratio` new shares for each old one. What it cost stays.

    Raises:
        ValueError: The ratio is not above zero.
    """
    if not (ratio.is_finite() and ratio > 0):
        raise ValueError(f"a split gives more than 0 new shares for an old one, not {ratio}")
    with localcontext(EXACT):
        return replace(position, quantity=plain(position.quantity * ratio))


def adopt(position: Position, quantity: Decimal, average_price: Decimal) -> Position:
    """The position as the venue tells it, where fills do not explain it: no profit, no cash and no fees come of it."""
    with localcontext(EXACT):
        cost = plain(quantity * average_price)
        adopted = plain(position.adopted + cost - position.cost)
        return replace(position, quantity=plain(quantity), cost=cost, adopted=adopted)


def cash_by_venue(positions: Iterable[Position]) -> dict[VenueName, Decimal]:
    """What our fills have brought in at each venue, less fees. Positions that were closed count too."""
    cash: dict[VenueName, Decimal] = {}
    with localcontext(EXACT):
        for position in positions:
            cash[position.venue] = cash.get(position.venue, _NOTHING) + position.cash
    return cash


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent, so that equal numbers are written alike."""
    with localcontext(EXACT):
        short = (value + 0).normalize()  # adding 0 makes a negative zero a zero
        return short.quantize(_ONE) if short == short.to_integral_value() else short


def _closing(held: Decimal, signed: Decimal) -> Decimal:
    """How much of what is held the fill closes, with the sign of what is held."""
    if held * signed >= 0:
        return _NOTHING
    return held if abs(signed) >= abs(held) else -signed


def _released(position: Position, closing: Decimal) -> Decimal:
    if closing == position.quantity:
        return position.cost if closing else _NOTHING
    return (position.cost * closing / position.quantity).quantize(_COST_STEP)
