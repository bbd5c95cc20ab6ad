"""Everything that the gate may look at, as one frozen value: the desk gathers it under its lock, the gate judges it.

Money is in dollars, quantities are in shares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from services.contracts.market import Instrument, OrderClass, Side, Symbol
from services.contracts.orders import OrderTicket, TradingState, VenueName

_NOTHING: Final = Decimal(0)


class VerdictState(StrEnum):
    """Whether auth vouches for a venue's account at present."""

    MISSING = "missing"
    VALID = "valid"
    EXPIRED = "expired"
    INVALID = "invalid"


class Market(StrEnum):
    """What the calendar says of the venue's market."""

    OPEN = "open"  # the regular session
    EXTENDED = "extended"  # before or after it: what we send waits for the regular session
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Reference:
    """The last price that the market is known to have traded at, and when that was."""

    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A venue's account as it was told last.

    Attributes:
        committed: What orders of ours that were sent since then may cost: not in `buying_power` yet.
        blocked: The venue takes no new orders from it.
        day_trades: What we counted in the last five sessions; None when not counted.
    """

    buying_power: Decimal
    equity: Decimal
    committed: Decimal = _NOTHING
    blocked: bool = False
    day_trades: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What is held of one symbol at one venue, and what working orders may still make of it.

    Attributes:
        position: Negative when short.
        buying, selling: What working and unknown orders may still buy and sell; never negative.
        price: What a share is worth: the present price, or where none is known what it cost.
    """

    venue: VenueName
    symbol: Symbol
    price: Decimal
    position: Decimal = _NOTHING
    buying: Decimal = _NOTHING
    selling: Decimal = _NOTHING

    @property
    def longest(self) -> Decimal:
        """The position if all that buys fills and nothing that sells does."""
        return self.position + self.buying

    @property
    def shortest(self) -> Decimal:
        """The position if all that sells fills and nothing that buys does."""
        return self.position - self.selling

    @property
    def worst(self) -> Decimal:
        """The most that it may come to, in dollars."""
        return max(abs(self.longest), abs(self.shortest)) * self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How things stand at the moment of the check, for an order that would go to `venue`.

    Attributes:
        at: The moment of the check.
        unready: What keeps the venue from being ready, in words; empty when it is.
        instrument: None when the venue does not know the symbol.
        reference: None when no price of the symbol is known.
        exposures: All that is held or worked at any venue, one for each venue and symbol; legs of which only one can
            fill count once.
        open_orders: Orders that work or may work, at all venues; the legs of a group count once.
        sent_at: When the latest orders were sent, at all venues, oldest first; as far back as the rate's window.
        day_result: Profit of the session so far, realised and unrealised, after fees; negative for a loss.
        account: None before it was first told.
        unknown: Orders in the symbol, at any venue, of which nobody knows whether they are there.
    """

    at: datetime
    venue: VenueName
    state: TradingState
    verdict: VerdictState
    verdict_detail: str = ""
    unready: tuple[str, ...] = ()
    instrument: Instrument | None
    market: Market
    reference: Reference | None
    exposures: Sequence[Exposure] = ()
    open_orders: int = 0
    sent_at: Sequence[datetime] = ()
    day_result: Decimal = _NOTHING
    account: Account | None
    unknown: tuple[str, ...] = ()


def at_venue(sight: Sight, symbol: Symbol) -> Exposure:
    """The exposure in a symbol at the venue that the order would go to."""
    for exposure in sight.exposures:
        if (exposure.venue, exposure.symbol) == (sight.venue, symbol):
            return exposure
    return Exposure(venue=sight.venue, symbol=symbol, price=_NOTHING)


def reduces(ticket: OrderTicket, exposure: Exposure) -> bool:
    """Whether an order only takes away from a venue's position: against it, and no more than is not being closed yet.

    A bracket is never that: once its entry is filled, its legs trade the other way.
    """
    if ticket.order_class is OrderClass.BRACKET:
        return False
    if ticket.side is Side.SELL:
        return _NOTHING < ticket.quantity <= exposure.shortest
    return _NOTHING < ticket.quantity <= -exposure.longest
