"""Closing one position for the kill switch: one order at work at a time, each try under a name that is known before.

A name is made of the pull, the venue, the symbol and the number of the try. Whoever goes on with a pull that was begun,
after a crash as well, comes to the same names and so finds at the venue what was sent under them.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol

from services.contracts.market import Side, Symbol
from services.contracts.orders import (
    ClientOrderId,
    IntentId,
    OrderIntent,
    OrderTicket,
    VenueName,
    VenueOrderId,
    client_order_id,
    intent_id,
)
from services.kit.clock import Clock
from services.trading.brokers.port import (
    Accepted,
    Broker,
    OutcomeUnknown,
    Snapshot,
    SubmitOutcome,
    VenueOrder,
    VenuePosition,
)
from services.trading.desk.answers import send
from services.trading.desk.kill_store import Pull
from services.trading.risk.state import KILL_SWITCH

if TYPE_CHECKING:
    from decimal import Decimal

MOST_TRIES: Final = 60
_SETTLING_SECONDS: Final = 2.0  # a venue may tell of a fill before its positions show it


class Known(Enum):
    """What our books know of a closing order that is about to be sent."""

    NOTHING = auto()
    SENT = auto()
    UNKNOWN = auto()
    ENDED = auto()


class KillBooks(Protocol):
    """Our own books, as far as they can be kept. None of these raises for a database that is away."""

    def begin(self, intent: OrderIntent, venue: VenueName) -> Known:
        """Note that the order is about to be sent; tells what became of it when it was sent before."""

    def answered(self, order: ClientOrderId, outcome: SubmitOutcome) -> None:
        """Note what became of it."""

    def at_work(self, venue: VenueName) -> tuple[VenueOrderId, ...]:
        """The orders that work at the venue, as far as we know."""

    def unknown(self, venue: VenueName) -> tuple[ClientOrderId, ...]:
        """Orders of which nobody knows whether they are at the venue."""

    def agree(self, venue: VenueName, snapshot: Snapshot, asked_at: datetime) -> None:
        """Take over what the venue told at the end, and whatever could not be noted before."""


class Closing:
    """The closing of one symbol at one venue. Used by one thread at a time."""

    def __init__(self, broker: Broker, books: KillBooks, clock: Clock, pull: Pull, symbol: Symbol) -> None:
        self._broker = broker
        self._books = books
        self._clock = clock
        self._pull = pull
        self._symbol = symbol
        self._number = 0
        self._known = Known.NOTHING
        self._held: Decimal | None = None  # when the order at work was sent; None when another run sent it
        self._ended_since: float | None = None
        self._problem = ""

    def step(self, position: VenuePosition, orders: Mapping[ClientOrderId, VenueOrder]) -> str:
        """See to it that an order for the whole of a position is at work; says what is in the way, "" for nothing.

        Args:
            position: As the venue tells it, read after `orders`.
            orders: Everything that the venue told of since the pull.

        Raises:
            VenueUnavailableError: The venue does not answer what became of a try.
        """
        while self._number < MOST_TRIES:
            seen = orders.get(closing_name(self._pull, self._broker.name, self._symbol, self._number))
            if seen is None:
                return self._begin(position)
            if seen.status is None or not seen.status.terminal or not self._settled(seen, position):
                return ""
            self._next()
        return f"{MOST_TRIES} orders to close {self._symbol} came to nothing; the last one: {self._problem}"

    def _begin(self, position: VenuePosition) -> str:
        intent = closing_intent(self._pull, self._broker.name, position, self._number)
        name = client_order_id(intent.intent_id, 0)
        if self._known is Known.NOTHING:
            self._known = self._books.begin(intent, self._broker.name)
        if self._known is Known.UNKNOWN:
            return self._resolve(name, intent, position)
        if self._known is Known.SENT:
            return ""  # the venue took it: the next look shows it
        if self._known is Known.ENDED:
            self._next()
            return self._problem
        return self._send(name, intent, position)

    def _resolve(self, name: ClientOrderId, intent: OrderIntent, position: VenuePosition) -> str:
        if self._broker.find(name) is not None:
            self._known = Known.SENT
            return ""
        if not self._broker.capabilities.idempotent_submit:
            return f"nobody knows whether the order to close {self._symbol} arrived"
        # The venue refuses a second order of this name, so at most one of the two becomes an order.
        return self._send(name, intent, position)

    def _send(self, name: ClientOrderId, intent: OrderIntent, position: VenuePosition) -> str:
        self._held = position.quantity
        outcome = send(lambda: self._broker.submit(name, intent.ticket))
        self._books.answered(name, outcome)
        if isinstance(outcome, Accepted):
            self._known = Known.SENT
            return ""
        self._problem = f"{self._symbol}: {outcome.reason}"
        if isinstance(outcome, OutcomeUnknown):
            self._known = Known.UNKNOWN
        else:
            self._next()
        return self._problem

    def _settled(self, ended: VenueOrder, position: VenuePosition) -> bool:
        """Whether the position shown is the one after this order, so that what is left may be closed with another."""
        if self._held is not None and position.quantity == self._held + ended.side.sign * ended.filled:
            return True
        self._ended_since = self._clock.monotonic() if self._ended_since is None else self._ended_since
        return self._clock.monotonic() - self._ended_since >= _SETTLING_SECONDS

    def _next(self) -> None:
        self._number += 1
        self._known = Known.NOTHING
        self._held = None
        self._ended_since = None


def closing_intent(pull: Pull, venue: VenueName, position: VenuePosition, number: int) -> OrderIntent:
    """The wish to close a position, as the `number`-th try of a pull, counted from 0."""
    return OrderIntent(
        intent_id=_intent_id(pull, venue, position.symbol, number),
        strategy=KILL_SWITCH,
        signal_at=pull.pulled_at,
        leg=f"flatten-{number}",
        ticket=OrderTicket(
            symbol=position.symbol,
            side=Side.SELL if position.quantity > 0 else Side.BUY,
            quantity=abs(position.quantity),
        ),
        reference_price=position.market_price,
    )


def closing_name(pull: Pull, venue: VenueName, symbol: Symbol, number: int) -> ClientOrderId:
    """Our name for the order of that try."""
    return client_order_id(_intent_id(pull, venue, symbol, number), 0)


def _intent_id(pull: Pull, venue: VenueName, symbol: Symbol, number: int) -> IntentId:
    return intent_id(KILL_SWITCH, f"{venue}/{symbol}", pull.pulled_at, f"{pull.halt_id}-{number}")
