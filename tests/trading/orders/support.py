"""What the tests of the book share: a book on a database of its own, and a venue's words made by hand."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

import services.trading.migrations.versions
from services.contracts.events import Event
from services.contracts.market import OrderClass, OrderType, Side, Symbol
from services.contracts.orders import (
    ClientOrderId,
    ExecutionId,
    OrderIntent,
    OrderStatus,
    OrderTicket,
    StopLoss,
    VenueName,
    VenueOrderId,
    intent_id,
)
from services.kit.database import Database
from services.trading.brokers.port import (
    Accepted,
    Snapshot,
    Update,
    VenueAccount,
    VenueClock,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from services.trading.orders.book import OrderBook, ReconcileReport
from services.trading.orders.order import Order
from services.trading.orders.tables import METADATA
from services.trading.portfolio import store as portfolio
from tests.auth.support import KeptFacts
from tests.fakes.clock import FakeClock

VERSIONS = Path(services.trading.migrations.versions.__file__).parent
ALPHA = VenueName("alpha")
BETA = VenueName("beta")
AAPL = Symbol("AAPL")

_numbers = itertools.count(1)


def open_database(path: Path) -> Database:
    """A migrated SQLite database in a file."""
    database = Database(f"sqlite:///{path}", service="trading", versions=(VERSIONS,))
    database.migrate()
    return database


def ticket(quantity: object = 10, **terms: Any) -> OrderTicket:  # noqa: ANN401 -- fields of OrderTicket
    """Buy AAPL at 100 or better, unless told otherwise."""
    usual = {
        "symbol": AAPL,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "limit_price": Decimal(100),
        "quantity": Decimal(str(quantity)),
    }
    return OrderTicket.model_validate(usual | terms)


def bracket(quantity: object = 10) -> OrderTicket:
    """The same with a target at 110 and a stop at 90."""
    legs = {"take_profit": Decimal(110), "stop_loss": StopLoss(stop_price=Decimal(90))}
    return ticket(quantity, order_class=OrderClass.BRACKET, **legs)


def intent(wanted: OrderTicket | None = None, *, at: datetime = FakeClock().now(), leg: str = "entry") -> OrderIntent:  # noqa: B008 -- the same moment for all
    """A wish, another one at each call unless `leg` and the ticket are the same."""
    wanted = wanted or ticket()
    name = intent_id("momentum", wanted.symbol, at + timedelta(microseconds=next(_numbers)), leg)
    return OrderIntent(intent_id=name, strategy="momentum", signal_at=at, ticket=wanted, reference_price=Decimal(100))


def venue_order(  # noqa: PLR0913 -- what a venue tells
    order: Order,
    status: OrderStatus | None = OrderStatus.OPEN,
    filled: object = 0,
    average: object | None = None,
    *,
    at: datetime,
    word: str = "",
    name: str = "",
) -> VenueOrder:
    """How a venue says that our order stands."""
    shares = Decimal(str(filled))
    mean = Decimal(str(average)) if average is not None else (Decimal(100) if shares else None)
    return VenueOrder(
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id or VenueOrderId(name or f"at-venue:{order.client_order_id}"),
        symbol=order.ticket.symbol,
        side=order.ticket.side,
        quantity=order.ticket.quantity,
        status=status,
        substatus=word or (status.value if status else "strange"),
        filled=shares,
        average_price=mean,
        updated_at=at,
        order_type=order.ticket.order_type,
        limit_price=order.ticket.limit_price,
    )


def venue_fill(
    told: VenueOrder, quantity: object, cumulative: object, *, price: object = 100, name: str = ""
) -> VenueFill:
    """An execution of an order."""
    return VenueFill(
        execution_id=ExecutionId(name or f"exec-{next(_numbers)}"),
        venue_order_id=told.venue_order_id,
        client_order_id=told.client_order_id,
        symbol=told.symbol,
        side=told.side,
        quantity=Decimal(str(quantity)),
        price=Decimal(str(price)),
        cumulative=Decimal(str(cumulative)),
        executed_at=told.updated_at,
    )


def snapshot(
    orders: tuple[VenueOrder, ...] = (),
    fills: tuple[VenueFill, ...] = (),
    *,
    at: datetime,
    positions: Mapping[str, object] | None = None,
) -> Snapshot:
    """What a venue answers when it is compared with."""
    held = (positions or {}).items()
    return Snapshot(
        orders=orders,
        fills=fills,
        positions=tuple(
            VenuePosition(symbol=Symbol(symbol), quantity=Decimal(str(shares)), average_price=Decimal(100))
            for symbol, shares in held
        ),
        account=VenueAccount(cash=Decimal(1000), equity=Decimal(1000), buying_power=Decimal(1000)),
        clock=VenueClock(at=at, is_open=True, next_open=at, next_close=at),
        skew_seconds=0.0,
    )


def held(connection: Connection, venue: VenueName) -> dict[Symbol, Decimal]:
    """What the portfolio says is held."""
    return {each.symbol: each.quantity for each in portfolio.positions(connection, venue)}


class House:
    """A book on a database, with facts that are kept, and a clock that moves by hand."""

    def __init__(self, database: Database, clock: FakeClock | None = None) -> None:
        self.database = database
        self.clock = clock or FakeClock()
        self.facts = KeptFacts(database)
        self.book = self.another_book()

    def another_book(self) -> OrderBook:
        """A book on the same database, as after a crash."""
        return OrderBook(self.facts, self.database, self.clock, book_fill=portfolio.book, held=held)

    def crash(self) -> list[Order]:
        """Lose everything but the database, and start again."""
        self.book = self.another_book()
        return self.book.recover()

    def begun(self, wanted: OrderTicket | None = None, *, venue: VenueName = ALPHA) -> Order:
        """An order that was just sent."""
        order, new = self.book.begin(intent(wanted), venue, 0)
        assert new
        return order

    def opened(self, wanted: OrderTicket | None = None, *, venue: VenueName = ALPHA) -> Order:
        """An order that the venue has taken."""
        order = self.begun(wanted, venue=venue)
        return self.book.submit_answered(order.client_order_id, Accepted(self.says(order)))

    def says(
        self,
        order: Order,
        status: OrderStatus | None = OrderStatus.OPEN,
        filled: object = 0,
        **more: Any,  # noqa: ANN401 -- of venue_order
    ) -> VenueOrder:
        """The venue's word on an order, at this moment."""
        return venue_order(order, status, filled, at=self.clock.now(), **more)

    def streams(
        self, told: VenueOrder, fill: VenueFill | None = None, raw: str = "{}", *, venue: VenueName = ALPHA
    ) -> None:
        """A frame comes."""
        self.book.frame(venue, raw)
        self.book.update(venue, Update(order=told, fill=fill), raw)

    def fills(self, order: Order, quantity: object, cumulative: object, **more: Any) -> Order:  # noqa: ANN401 -- of venue_fill
        """The stream tells of an execution, with the status that follows from it."""
        whole = Decimal(str(cumulative)) >= order.ticket.quantity
        told = self.says(order, OrderStatus.FILLED if whole else OrderStatus.PARTIAL, cumulative)
        self.streams(told, venue_fill(told, quantity, cumulative, **more), venue=order.venue)
        return self.now(order)

    def now(self, order: Order | ClientOrderId) -> Order:
        """The order as it stands in the books."""
        return self.book.get(order if isinstance(order, str) else order.client_order_id)

    def compares(
        self,
        *orders: VenueOrder,
        fills: tuple[VenueFill, ...] = (),
        positions: Mapping[str, object] | None = None,
        venue: VenueName = ALPHA,
        trigger: str = "interval",
    ) -> ReconcileReport:
        """The venue is asked for everything, now."""
        now = self.clock.now()
        told = snapshot(orders, fills, at=now, positions=positions)
        return self.book.reconcile(venue, told, trigger, asked_at=now)

    def position(self, symbol: Symbol = AAPL, venue: VenueName = ALPHA) -> Decimal:
        """Shares in the portfolio."""
        with self.database.reading() as connection:
            return held(connection, venue).get(symbol, Decimal(0))

    def rows(self, table: str) -> int:
        """How many rows a table has."""
        with self.database.reading() as connection:
            return connection.execute(select(func.count()).select_from(METADATA.tables[table])).scalar_one()

    def said(self, *kinds: type[Event]) -> list[str]:
        """The names of the committed facts, of the given types only when there are any."""
        return [type(fact).__name__ for fact in self.facts.facts if not kinds or isinstance(fact, kinds)]

    def incidents(self) -> list[str]:
        """The kinds of the incidents that were stated, in order."""
        return [fact.kind.value for fact in self.facts.facts if type(fact).__name__ == "OrderIncident"]


def later(told: VenueOrder, seconds: float = 1) -> VenueOrder:
    """The same said with a later time."""
    return replace(told, updated_at=told.updated_at + timedelta(seconds=seconds))
