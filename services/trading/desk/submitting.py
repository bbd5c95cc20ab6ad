"""The order path: gate and durable intent under one lock, then route by route until an outcome that ends it.

Nothing is sent that is not written down for good before. A second venue is tried only on proof that the first one has
no order that may work: `routing.failover` says what proof is, and nothing here knows better.
"""

import logging
import threading
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from opentelemetry.trace import Tracer

from services.contracts.orders import DenyReason, OrderIntent, OrderTicket, VenueName
from services.contracts.trading import FailedOver
from services.kit.clock import Clock
from services.kit.database_errors import DatabaseError
from services.trading.brokers.port import NotSent, SubmitOutcome
from services.trading.desk.answers import Answers, send
from services.trading.desk.errors import NotOwnerError
from services.trading.desk.in_flight import InFlight
from services.trading.desk.owner import Owner
from services.trading.desk.sighting import Books, Lookups, Sighting
from services.trading.desk.tracing import sending, submitting
from services.trading.desk.views import Denial, Placement
from services.trading.meter import OrderMeter, outcome_word
from services.trading.orders.book import OrderBook
from services.trading.orders.errors import RouteNotProvenError
from services.trading.orders.order import Order
from services.trading.orders.transactions import Transactions
from services.trading.risk.form import fitted
from services.trading.risk.gate import check
from services.trading.risk.limits import Limits
from services.trading.risk.sight import at_venue, reduces
from services.trading.routing.choice import Choice, rank
from services.trading.routing.failover import Onward, may_fail_over

_NOTHING: Final = Decimal(0)
_MOST_ROUTES: Final = 4
_NOT_SECURED: Final = "the disk did not take the order down for good, so nothing was sent"
_HALTED: Final = "trading was halted, or another process took over, before anything was sent"

_log = logging.getLogger("services.trading.desk.submitting")


@dataclass(frozen=True, slots=True)
class _Way:
    """An order that is written down and goes out next, and whether it closes a position."""

    order: Order
    closes: bool


@dataclass(slots=True)
class _Journey:
    """What has been done about one wish so far."""

    intent: OrderIntent
    lookups: Lookups
    orders: list[Order] = field(default_factory=list)
    last: SubmitOutcome | None = None
    in_venues_seconds: float = 0.0

    @property
    def tried(self) -> set[VenueName]:
        return {order.venue for order in self.orders}


class Submitter:
    """Sends wishes out, each once. Safe to use from any thread.

    Args:
        sighting: What gate and routing look at.
        limits: What the gate holds orders to.
        answers: Takes in what venues answer.
        in_flight: Lets no call begin once trading is halted, and tells when none is under way.
        facts: Where failovers are stated.
    """

    def __init__(  # noqa: PLR0913 -- the order path joins all rooms of trading, here and nowhere else
        self,
        sighting: Sighting,
        book: OrderBook,
        limits: Limits,
        *,
        answers: Answers,
        owner: Owner,
        in_flight: InFlight,
        facts: Transactions,
        meter: OrderMeter,
        tracer: Tracer,
        clock: Clock,
    ) -> None:
        self._sighting = sighting
        self._book = book
        self._limits = limits
        self._answers = answers
        self._owner = owner
        self._in_flight = in_flight
        self._facts = facts
        self._meter = meter
        self._tracer = tracer
        self._clock = clock
        self._in_use: VenueName | None = None
        self.gate = threading.Lock()  # one view, one decision, one intent at a time

    def submit(self, intent: OrderIntent) -> Placement:
        """Send what is wanted, once; see `Desk.submit`."""
        started = self._clock.monotonic()
        # The value that is judged is the value that is written down and sent.
        intent = intent.model_copy(update={"ticket": fitted(intent.ticket)})
        with submitting(self._tracer, intent):
            journey = _Journey(intent, self._sighting.look_up(intent.ticket.symbol))
            way = self._set_out(journey)
            if isinstance(way, Placement):
                return way
            self._travel(journey, way)
            if journey.last is not None:
                added = self._clock.monotonic() - started - journey.in_venues_seconds
                self._meter.placed(journey.last, added)
            return Placement(intent=intent, orders=tuple(journey.orders))

    def _known(self, intent: OrderIntent) -> Placement | None:
        orders = self._book.of_intent(intent.intent_id)
        return Placement(intent=intent, orders=tuple(orders), known=True) if orders else None

    def _set_out(self, journey: _Journey) -> _Way | Placement:
        """Judge the wish and write it down, or say why not."""
        intent = journey.intent
        with self.gate:
            known = self._known(intent)
            if known is not None:
                return known
            way = self._decide(journey, intent, route=0)
        if isinstance(way, _Way):
            self._secure(way)
            return way
        self._book.deny(intent, way.reason, way.detail)
        self._meter.denied()
        return Placement(intent=intent, denial=way)

    def _decide(self, journey: _Journey, intent: OrderIntent, *, route: int) -> _Way | Denial:
        """Choose a venue, ask the gate, write the order down. Called with the gate held; asks no venue."""
        books = self._sighting.books()
        choice = self._choice(journey, intent.ticket, books)
        if choice.reason is not None:
            return self._nearer(journey, choice, Denial(choice.reason, choice.detail), books)
        venue = choice.venues[0]
        sight = self._sighting.sight(intent.ticket, venue, journey.lookups, books)
        denied = check(intent, sight, self._limits)
        if denied is not None:
            return Denial(denied.reason, denied.detail)
        closes = reduces(intent.ticket, at_venue(sight, intent.ticket.symbol))
        order, _ = self._book.begin(intent, venue, route, durable=False)
        self._sighting.sent.add(books.at, venue, _NOTHING if closes else _cost(intent.ticket, journey.lookups))
        if not closes:
            self._sighting.watches[venue].submitting(books.at)
            self._in_use = venue
        return _Way(order, closes)

    def _secure(self, way: _Way) -> None:
        """Wait until what was written down under the lock is on the disk: nothing is sent before."""
        try:
            self._book.secure()
        except DatabaseError:
            self._answers.note(way.order, NotSent(_NOT_SECURED))
            raise

    def _nearer(self, journey: _Journey, choice: Choice, general: Denial, books: Books) -> Denial:
        """What the gate says of the venue that the order would have gone to, where that says more."""
        if choice.nearest is None:
            return general
        intent = journey.intent
        denied = check(
            intent, self._sighting.sight(intent.ticket, choice.nearest, journey.lookups, books), self._limits
        )
        if denied is None or denied.reason is DenyReason.NOT_READY:
            return general
        return Denial(denied.reason, denied.detail)

    def _choice(self, journey: _Journey, ticket: OrderTicket, books: Books) -> Choice:
        bound = journey.intent.venue
        candidates = [
            each
            for each in self._sighting.candidates(journey.lookups)
            if each.venue not in journey.tried and bound in {None, each.venue}
        ]
        held = books.held(ticket.symbol, ticket.side)
        if bound is not None:  # what others hold elsewhere is not this wish's to close
            held = {venue: each for venue, each in held.items() if venue == bound}
        return rank(candidates, ticket, held, self._in_use)

    def _travel(self, journey: _Journey, way: _Way) -> None:
        """Send the order, and go on to other venues as far as there is proof that it may."""
        while True:
            outcome = self._send(journey, way.order)
            order = self._answers.note(way.order, outcome)
            journey.orders.append(order)
            journey.last = outcome
            onward = may_fail_over(outcome, order.quantity, closes=way.closes)
            if onward is None or len(journey.orders) == _MOST_ROUTES:
                return
            following = self._go_on(journey, order, onward)
            if following is None:
                return
            way = following

    def _go_on(self, journey: _Journey, order: Order, onward: Onward) -> _Way | None:
        """The way to another venue; None when there is none that may take it now."""
        try:
            with self.gate:
                way = self._decide(journey, journey.intent, route=order.route + 1)
            if isinstance(way, _Way):
                self._secure(way)
        except (RouteNotProvenError, DatabaseError, NotOwnerError) as error:
            # The first venue's stream has said more by now, or nothing can be written: then nothing goes on.
            _log.warning("%s does not go on to another venue: %s", order.client_order_id, error)
            return None
        if isinstance(way, Denial):
            return None
        with self._facts.transaction() as tx:
            tx.record(
                FailedOver(
                    subject=journey.intent.intent_id,
                    from_venue=order.venue,
                    to_venue=way.order.venue,
                    cause=onward.cause,
                    symbol=order.ticket.symbol,
                    quantity=onward.quantity,
                )
            )
        return way

    def _send(self, journey: _Journey, order: Order) -> SubmitOutcome:
        venue = order.venue
        broker = self._sighting.brokers[venue]
        with self._in_flight.call(venue) as allowed, sending(self._tracer, order) as span:
            if not allowed or not self._owner.sure:
                return NotSent(_HALTED)
            began = self._clock.monotonic()
            outcome = send(lambda: broker.submit(order.client_order_id, order.ticket))
            seconds = self._clock.monotonic() - began
            span.set_attribute("sightline.outcome", outcome_word(outcome))
            self._meter.submitted(venue, outcome, seconds)
        self._sighting.watches[venue].submitted(outcome, seconds)
        journey.in_venues_seconds += seconds
        return outcome


def _cost(ticket: OrderTicket, lookups: Lookups) -> Decimal:
    """What the order may cost, in dollars, as far as that is known."""
    known = lookups.reference.price if lookups.reference is not None else _NOTHING
    return ticket.quantity * (ticket.limit_price or ticket.stop_price or known)
