"""Gathers what the gate and the choice of a venue look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.contracts.market import Instrument, Side, Symbol
from services.contracts.orders import OrderTicket, VenueName
from services.kit.clock import Clock
from services.trading.brokers.port import Broker, VenueUnavailableError
from services.trading.desk.holdings import Holdings
from services.trading.desk.instrument_cache import InstrumentCache
from services.trading.desk.money import Money
from services.trading.desk.parts import Sessions
from services.trading.desk.prices import Prices
from services.trading.desk.readiness import ReadinessKeeper
from services.trading.desk.sent import SentLog
from services.trading.desk.state import StateKeeper
from services.trading.desk.verdicts import VerdictKeeper
from services.trading.desk.watching import VenueWatch
from services.trading.orders.book import OrderBook
from services.trading.orders.working import WorkingView
from services.trading.portfolio.position import Position
from services.trading.risk.sight import Account, Exposure, Reference, Sight
from services.trading.routing.choice import Candidate, Held

_NOTHING: Final = Decimal(0)
_NO_PRICE: Final = Decimal("NaN")  # no limit lets it pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookups:
    """What may take a call to a venue, and so is done before the lock.

    Attributes:
        instruments: What each venue says of the symbol; a venue that does not answer is missing.
        silent: Why a venue is missing.
    """

    reference: Reference | None
    instruments: Mapping[VenueName, Instrument | None]
    silent: Mapping[VenueName, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """A consistent look at our own books: never less exposure than there is.

    Attributes:
        held_now: What is held, by venue and symbol; what is closed is left out.
    """

    at: datetime
    view: WorkingView
    held_now: Mapping[tuple[VenueName, Symbol], Position]

    def held(self, symbol: Symbol, side: Side) -> dict[VenueName, Held]:
        """What each venue holds of a symbol, and how much of it orders of `side` are closing."""
        return {
            venue: Held(position.quantity, self.view.reserved.get((venue, symbol, side), _NOTHING))
            for (venue, of), position in self.held_now.items()
            if of == symbol
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """Looks at everything that an order depends on. Safe to use from any thread."""

    book: OrderBook
    brokers: Mapping[VenueName, Broker]
    watches: Mapping[VenueName, VenueWatch]
    readiness: ReadinessKeeper
    verdicts: VerdictKeeper
    state: StateKeeper
    money: Money
    holdings: Holdings
    sent: SentLog
    instruments: InstrumentCache
    prices: Prices
    sessions: Sessions
    clock: Clock

    def look_up(self, symbol: Symbol) -> Lookups:
        """What may take a call to a venue the first time that a symbol is used."""
        instruments: dict[VenueName, Instrument | None] = {}
        silent: dict[VenueName, str] = {}
        for venue in self.brokers:
            try:
                instruments[venue] = self.instruments.get(venue, symbol)
            except VenueUnavailableError as error:
                silent[venue] = error.detail
        self._learn_prices()
        return Lookups(reference=self.prices.latest(symbol), instruments=instruments, silent=silent)

    def _learn_prices(self) -> None:
        """What works is counted by its price: after a start nobody may have asked for that of a symbol yet."""
        for _, symbol, _ in self.book.working.view().reserved:
            if self.prices.known(symbol) is None:
                self.prices.latest(symbol)

    def books(self) -> Books:
        """Our own books as they stand.

        Raises:
            DatabaseError: The positions cannot be read.
        """
        # In this order: a fill that comes in between is then counted twice, as held and as reserved, never not at all.
        view = self.book.working.view()
        return Books(at=self.clock.now(), view=view, held_now=self.holdings.now())

    def candidates(self, lookups: Lookups) -> list[Candidate]:
        """Every venue, and whether it may take new exposure in the symbol that was looked up."""
        found = []
        for venue, broker in self.brokers.items():
            reasons = self.readiness.reasons(venue)
            if venue in lookups.silent:
                reasons = (*reasons, lookups.silent[venue])
            found.append(
                Candidate(
                    venue=venue,
                    capabilities=broker.capabilities,
                    healthy=not reasons,
                    score=self.watches[venue].score(ready=not reasons),
                    why_not=reasons,
                )
            )
        return found

    def sight(self, ticket: OrderTicket, venue: VenueName, lookups: Lookups, books: Books) -> Sight:
        """What the gate looks at for an order that would go to a venue."""
        symbol = ticket.symbol
        verdict = self.verdicts.standing(venue)
        return Sight(
            at=books.at,
            venue=venue,
            state=self.state.now.state,
            verdict=verdict.state,
            verdict_detail=verdict.detail,
            unready=self.readiness.reasons(venue),
            # Of a venue that does not answer nothing new is asked; what is held there must be closed all the same.
            instrument=lookups.instruments.get(venue, Instrument(symbol=symbol)),
            market=self.sessions.market(books.at),
            reference=lookups.reference,
            exposures=self._exposures(books, symbol, lookups.reference),
            open_orders=books.view.open_orders,
            sent_at=self.sent.moments(books.at),
            day_result=self.money.day_result,
            account=self._account(venue),
            unknown=self._unknown(books.view, symbol),
        )

    def _exposures(self, books: Books, symbol: Symbol, reference: Reference | None) -> tuple[Exposure, ...]:
        keys = {*books.held_now, *((venue, of) for venue, of, _ in books.view.reserved)}
        return tuple(
            Exposure(
                venue=venue,
                symbol=of,
                price=self._price((venue, of), books, reference if of == symbol else self.prices.known(of)),
                position=_shares(books.held_now.get((venue, of))),
                buying=books.view.reserved.get((venue, of, Side.BUY), _NOTHING),
                selling=books.view.reserved.get((venue, of, Side.SELL), _NOTHING),
            )
            for venue, of in sorted(keys)
        )

    def _price(self, key: tuple[VenueName, Symbol], books: Books, reference: Reference | None) -> Decimal:
        if reference is not None:
            return reference.price
        held = books.held_now.get(key)
        return _NO_PRICE if held is None else held.average_price

    def _account(self, venue: VenueName) -> Account | None:
        known = self.watches[venue].known
        if known.account is None or known.reconciled_at is None:
            return None
        return Account(
            buying_power=known.account.buying_power,
            equity=known.account.equity,
            committed=self.sent.committed(venue, known.reconciled_at),
            blocked=known.account.blocked,
            day_trades=self.money.day_trades(venue),
        )

    def _unknown(self, view: WorkingView, symbol: Symbol) -> tuple[str, ...]:
        if symbol not in view.unknown:
            return ()
        return tuple(order.client_order_id for order in self.book.unknown() if order.ticket.symbol == symbol)


def _shares(position: Position | None) -> Decimal:
    return _NOTHING if position is None else position.quantity
