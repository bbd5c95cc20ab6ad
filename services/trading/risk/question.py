"""What a rule of the gate is asked, what it answers, and the sums that several of them need."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Final

from services.contracts.market import OrderType, Side
from services.contracts.orders import DenyReason, OrderIntent, OrderTicket
from services.trading.risk.limits import Limits
from services.trading.risk.sight import Exposure, Sight, at_venue, reduces
from services.trading.risk.state import KILL_SWITCH

_NOTHING: Final = Decimal(0)
_NO_NUMBER: Final = Decimal("NaN")
_MAGNITUDES: Final = range(-18, 18)


@dataclass(frozen=True, slots=True)
class Denied:
    """Why an order is not sent, with the numbers, and what to change."""

    reason: DenyReason
    detail: str


@dataclass(frozen=True, slots=True)
class Weight:
    """What exposures come to at worst, in dollars: when all that makes them larger fills, and nothing else does.

    Attributes:
        symbol: Of the order's symbol alone, over all venues.
        gross: Long and short together.
        net: Their difference.
        venue: Long and short at the order's venue alone.
    """

    symbol: Decimal
    gross: Decimal
    net: Decimal
    venue: Decimal


@dataclass(frozen=True)
class Question:
    """May this order be sent, as things stand?"""

    intent: OrderIntent
    sight: Sight
    limits: Limits

    @property
    def ticket(self) -> OrderTicket:
        """What to trade and how."""
        return self.intent.ticket

    @property
    def kill_switch(self) -> bool:
        """The order is one of the kill switch's own."""
        return self.intent.strategy == KILL_SWITCH

    @cached_property
    def held(self) -> Exposure:
        """What the venue has of the symbol."""
        return at_venue(self.sight, self.ticket.symbol)

    @cached_property
    def reducing(self) -> bool:
        """The order only takes away from the venue's position."""
        return reduces(self.ticket, self.held)

    @cached_property
    def price(self) -> Decimal:
        """What a share is taken to cost, in dollars.

        The limit for what is bought with one, otherwise the highest price that the order or the market names.
        """
        ticket, reference = self.ticket, self.sight.reference
        if ticket.side is Side.BUY and ticket.limit_price is not None:
            return ticket.limit_price
        named = (ticket.limit_price, ticket.stop_price, None if reference is None else reference.price)
        return max((price for price in named if price is not None), default=_NO_NUMBER)

    @property
    def worth(self) -> Decimal:
        """What the order is worth, in dollars."""
        return self.ticket.quantity * self.price

    @property
    def opening(self) -> Decimal:
        """The shares of the order that do not close what is held."""
        closable = self.held.shortest if self.ticket.side is Side.SELL else -self.held.longest
        return self.ticket.quantity - max(closable, _NOTHING)

    @property
    def cost(self) -> Decimal:
        """The buying power that the order takes, in dollars."""
        cushion = self.limits.market_cushion if self.ticket.order_type is OrderType.MARKET else _NOTHING
        return self.opening * self.price * (1 + cushion)

    @cached_property
    def before(self) -> Weight:
        """The exposures as they are."""
        return self._weighed(_NOTHING)

    @cached_property
    def after(self) -> Weight:
        """The exposures with the order working."""
        return self._weighed(self.worth)

    def _weighed(self, worth: Decimal) -> Weight:
        key = (self.sight.venue, self.ticket.symbol)
        others = (each for each in self.sight.exposures if (each.venue, each.symbol) != key)
        buys = self.ticket.side is Side.BUY
        here = (
            self.held.longest * self.held.price + (worth if buys else _NOTHING),
            self.held.shortest * self.held.price - (_NOTHING if buys else worth),
        )
        symbol = gross = venue = _larger(here)
        longest, shortest = here
        for each in others:
            ends = (each.longest * each.price, each.shortest * each.price)
            larger = _larger(ends)
            gross += larger
            longest += ends[0]
            shortest += ends[1]
            symbol += larger if each.symbol == self.ticket.symbol else _NOTHING
            venue += larger if each.venue == self.sight.venue else _NOTHING
        return Weight(symbol=symbol, gross=gross, net=_larger((longest, shortest)), venue=venue)


def dollars(amount: Decimal) -> str:
    """An amount for people: thousands separated, cents only where there are some."""
    return _told(amount, "{:,.2f}").removesuffix(".00")


def plainly(number: Decimal) -> str:
    """A quantity or a price for people, with all its decimals."""
    return _told(number, "{:,f}")


def sound(number: Decimal) -> bool:
    """Whether it can be a quantity, a price or an amount: sums of such numbers are exact to the cent."""
    return number.is_finite() and (not number or number.adjusted() in _MAGNITUDES)


def _told(number: Decimal, form: str) -> str:
    if not number.is_finite():
        return "no number of"
    return form.format(number) if sound(number) else f"{number:.2E}"


def _larger(ends: Iterable[Decimal]) -> Decimal:
    return max(abs(end) for end in ends)
