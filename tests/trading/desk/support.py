"""A desk with venues in memory, a real database and a clock that moves by hand.

Its threads do not run: `settle` does what they would do next.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import services.trading.migrations.versions
from services.contracts.auth import AccountId
from services.contracts.events import Event
from services.contracts.market import OrderType, Side, Symbol
from services.contracts.orders import OrderIntent, OrderTicket, VenueName, intent_id
from services.contracts.verdict import Environment
from services.kit.database import Database
from services.kit.database_errors import DatabaseError
from services.kit.ids import SystemRandomness
from services.trading.desk.desk import Desk
from services.trading.desk.leases import LeaseKeeper
from services.trading.desk.owner import Fenced, Owner
from services.trading.desk.parts import DeskParts, DeskRules, Venue
from services.trading.desk.verdicts import VerdictKeeper, Vouched
from services.trading.marketdata.latest import Mark
from services.trading.meter import declare_venues
from services.trading.orders.book import OrderBook
from services.trading.portfolio import store
from services.trading.risk.limits import Limits, digest
from services.trading.risk.sight import Market
from telemetry.emit.metrics import Metrics
from tests.auth.support import KeptFacts
from tests.fakes.auth import FakeAuth
from tests.fakes.broker import MORNING, FakeBroker
from tests.fakes.clock import FakeClock
from tests.kit.conftest import _TelemetryClock
from tests.trading.orders.support import held

VERSIONS = Path(services.trading.migrations.versions.__file__).parent
ALPHA, BETA = VenueName("alpha"), VenueName("beta")
AAPL, MSFT = Symbol("AAPL"), Symbol("MSFT")
WIDE = Limits(
    order_notional=Decimal(1_000_000),
    symbol_notional=Decimal(10_000_000),
    gross_exposure=Decimal(10_000_000),
    net_exposure=Decimal(10_000_000),
    open_orders=10_000,
    orders_in_window=10_000,
    leverage=Decimal(100),
)


class PlainBroker(FakeBroker):
    """A venue without the one call that cancels everything."""

    cancel_all = None  # type: ignore[assignment]


class Traces:
    """Metrics and spans, kept."""

    def __init__(self) -> None:
        self.metrics = Metrics(_TelemetryClock())
        self.spans = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = provider.get_tracer


class Market24:
    """A market that is as the test says."""

    state = Market.OPEN

    def market(self, _at: datetime) -> Market:
        return self.state


class FixedPrices:
    """Every symbol trades at 100 dollars at this moment, unless told otherwise."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.prices: dict[Symbol, Decimal | None] = {}

    def last(self, symbol: Symbol) -> Mark | None:
        price = self.prices.get(symbol, Decimal(100))
        return None if price is None else Mark(price, self._clock.now())


class DeskHouse:
    """One process with its desk. `another` is a second process on the same database, at the same venues."""

    def __init__(
        self,
        database: Database,
        *,
        brokers: tuple[FakeBroker, ...] = (),
        limits: Limits = WIDE,
        clock: FakeClock | None = None,
        rules: DeskRules | None = None,
    ) -> None:
        self.database = database
        self.clock = clock or FakeClock(MORNING)
        self.brokers = {each.name: each for each in brokers or (FakeBroker("alpha"), FakeBroker("beta"))}
        self.limits = limits
        self.rules = rules or DeskRules()
        self.auth = FakeAuth(self.clock)
        self.prices = FixedPrices(self.clock)
        self.market = Market24()
        self.telemetry = Traces()
        declare_venues(self.telemetry.metrics, self.brokers)
        self.facts = KeptFacts(database)
        self.owner = Owner(self.facts, self.clock, f"process-{next(_PROCESSES)}")
        fenced = Fenced(self.facts, self.owner)
        self.book = OrderBook(fenced, database, self.clock, book_fill=store.book, held=held)
        names = {name: AccountId(name) for name in self.brokers}
        vouched = {name: Vouched(account, Environment.PAPER) for name, account in names.items()}
        self.verdicts = VerdictKeeper(self.auth, vouched, lambda: digest(self.limits), self.clock)
        self.leases = LeaseKeeper(self.auth, names, self.clock)
        self.desk = Desk(self._parts())
        self.made = self.desk._made

    def _parts(self) -> DeskParts:
        return DeskParts(
            facts=self.facts,
            database=self.database,
            clock=self.clock,
            randomness=SystemRandomness(),
            telemetry=self.telemetry,
            owner=self.owner,
            book=self.book,
            venues=tuple(
                Venue(broker=each, streaming=each, account=AccountId(name), environment=Environment.PAPER)
                for name, each in self.brokers.items()
            ),
            limits=self.limits,
            prices=self.prices,
            sessions=self.market,
            verdicts=self.verdicts,
            leases=self.leases,
            pause=self.advance,
            rules=self.rules,
        )

    def another(self) -> "DeskHouse":
        """A second process: after a crash of this one, or beside it."""
        return DeskHouse(
            self.database,
            brokers=tuple(self.brokers.values()),
            limits=self.limits,
            clock=self.clock,
            rules=self.rules,
        )

    def start(self) -> "DeskHouse":
        """Log in, take over, connect the streams and reconcile."""
        self.renew()
        self.made.leader.tick()
        for name, broker in self.brokers.items():
            broker._listener = self.made.listeners[name]
            self.made.listeners[name].connected()
        self.settle()
        return self

    def renew(self) -> None:
        """Take new leases and verdicts."""
        for name in self.brokers:
            asyncio.run(self.leases.renew(name))
            asyncio.run(self.verdicts.renew(name))

    def settle(self) -> None:
        """Do what the desk's threads would do now."""
        self.made.leader.tick()
        for tender in self.made.tenders.values():
            tender.tick()

    def advance(self, seconds: float) -> None:
        """Let time pass, also at the venues."""
        self.clock.advance(seconds)
        for broker in self.brokers.values():
            broker.clock = replace(broker.clock, at=self.clock.now())

    @property
    def alpha(self) -> FakeBroker:
        return self.brokers[ALPHA]

    @property
    def beta(self) -> FakeBroker:
        return self.brokers[BETA]

    def intent(self, *, leg: str = "entry", strategy: str = "trend", **terms: Any) -> OrderIntent:  # noqa: ANN401 -- fields of a ticket
        """Buy ten shares of AAPL at the market, unless told otherwise."""
        ticket = OrderTicket.model_validate({"symbol": AAPL, "side": Side.BUY, "quantity": Decimal(10), **terms})
        now = self.clock.now()
        return OrderIntent(
            intent_id=intent_id(strategy, ticket.symbol, now, leg),
            strategy=strategy,
            signal_at=now,
            leg=leg,
            ticket=ticket,
            reference_price=Decimal(100),
        )

    def limit(self, price: int = 99, *, leg: str = "entry", **terms: Any) -> OrderIntent:  # noqa: ANN401 -- fields of a ticket
        """The same with a limit: it works until the venue fills it."""
        return self.intent(leg=leg, order_type=OrderType.LIMIT, limit_price=Decimal(price), **terms)

    def hold(self, broker: FakeBroker, shares: int = 10, *, leg: str = "held", symbol: Symbol = AAPL) -> None:
        """Have shares at a venue, by an order of ours that was filled."""
        others = [each for each in self.brokers.values() if each is not broker]
        for other in others:
            self.made.listeners[other.name].disconnected("so that the order goes elsewhere")
        side = Side.BUY if shares > 0 else Side.SELL
        placed = self.desk.submit(self.intent(leg=leg, symbol=symbol, side=side, quantity=Decimal(abs(shares))))
        assert placed.denial is None, placed.denial
        assert placed.orders[-1].venue == broker.name
        broker.fill(placed.orders[-1].client_order_id, abs(shares), 100)
        for other in others:
            self.made.listeners[other.name].connected()
        self.settle()

    def said(self, kind: type[Event]) -> list[Any]:
        """The committed facts of one type."""
        return self.facts.of(kind)


def failing_once(call: Callable[..., Any]) -> Callable[..., Any]:
    """`call`, but the first time the database is away."""
    errors = [DatabaseError("the disk is full")]

    def called(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401 -- stands for any method
        if errors:
            raise errors.pop()
        return call(*arguments, **named)

    return called


_PROCESSES = count(1)
