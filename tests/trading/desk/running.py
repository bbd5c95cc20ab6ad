"""A desk that runs: its own threads, the real clock, and the real alpaca-py at paper venues that serve on loopback."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.contracts.auth import AccountId
from services.contracts.market import OrderType, Side
from services.contracts.orders import OrderIntent, OrderStatus, OrderTicket, VenueName, intent_id
from services.contracts.verdict import Environment
from services.kit.chassis import Background
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.ids import SystemRandomness
from services.kit.instruments import Instruments
from services.trading.brokers.alpaca import AlpacaBroker
from services.trading.brokers.alpaca_sites import AlpacaSite
from services.trading.desk.desk import Desk
from services.trading.desk.leases import LeaseKeeper
from services.trading.desk.owner import Fenced, Owner
from services.trading.desk.parts import DeskParts, DeskRules, Venue
from services.trading.desk.processes import this_process
from services.trading.desk.verdicts import VerdictKeeper, Vouched
from services.trading.instruments import TABLE
from services.trading.marketdata.latest import Mark, PriceSource
from services.trading.meter import declare_venues
from services.trading.orders.book import OrderBook
from services.trading.orders.news import Patience
from services.trading.portfolio import store
from services.trading.risk.limits import Limits, digest
from services.trading.wire.calls import Patience as CallPatience
from tests.fakes.auth import FakeAuth
from tests.trading.brokers.papers import HASTY_STREAM
from tests.trading.conformance.gate import Gate
from tests.trading.desk.support import AAPL, VERSIONS, WIDE, Market24, Traces
from tests.trading.orders.support import held
from tests.venue.broker.serving import ServedVenue, serving

_PATIENCE = CallPatience(connect_seconds=1.0, read_seconds=2.0, total_seconds=5.0)
_SECONDS = 20.0


@dataclass
class Paper:
    """A paper venue, the way to it, and the adapter that goes that way."""

    served: ServedVenue
    gate: Gate
    broker: AlpacaBroker

    def names(self) -> list[str]:
        """The client order ids that the venue has ever had."""
        return self.served.do(lambda: [each.client_order_id for each in self.served.venue.books.orders.values()])


class HundredDollars:
    """Everything trades at 100 dollars now."""

    def last(self, _symbol: object) -> Mark:
        return Mark(Decimal(100), SystemClock().now())


def _hasty() -> DeskRules:
    return DeskRules(reconcile_every=1.0, reconcile_slack=10.0, mute_after=1.0)


@dataclass
class RunningDesk:
    """The desk and what it stands on; `desk` runs within `running`."""

    directory: Path
    papers: dict[VenueName, Paper]
    auth: FakeAuth = field(default_factory=lambda: FakeAuth(SystemClock()))
    patience: Patience | None = None
    prices: PriceSource = field(default_factory=HundredDollars)
    limits: Limits = WIDE
    rules: DeskRules = field(default_factory=_hasty)

    def __post_init__(self) -> None:
        clock = SystemClock()
        self.telemetry = Traces()
        declare_venues(self.telemetry.metrics, self.papers)
        self.database = Database(f"sqlite:///{self.directory / 'trading.db'}", service="trading", versions=(VERSIONS,))
        self.database.migrate()
        self.facts = facts = Facts(self.database, Instruments(TABLE), self.telemetry, clock, "trading")
        self.owner = owner = Owner(facts, clock, this_process(SystemRandomness()))
        self.book = OrderBook(
            Fenced(facts, owner), self.database, clock, book_fill=store.book, held=held, patience=self.patience
        )
        accounts = {name: AccountId(name) for name in self.papers}
        self.auth.headers = {accounts[name]: paper.served.headers for name, paper in self.papers.items()}
        vouched = {name: Vouched(account, Environment.PAPER) for name, account in accounts.items()}
        self.leases = LeaseKeeper(self.auth, accounts, clock)
        self.desk = Desk(
            DeskParts(
                facts=facts,
                database=self.database,
                clock=clock,
                randomness=SystemRandomness(),
                telemetry=self.telemetry,
                owner=owner,
                book=self.book,
                venues=tuple(
                    Venue(
                        broker=paper.broker,
                        streaming=paper.broker,
                        account=accounts[name],
                        environment=Environment.PAPER,
                    )
                    for name, paper in self.papers.items()
                ),
                limits=self.limits,
                prices=self.prices,
                sessions=Market24(),
                verdicts=VerdictKeeper(self.auth, vouched, lambda: digest(self.limits), clock),
                leases=self.leases,
                rules=self.rules,
            )
        )

    @property
    def background(self) -> Sequence[Background]:
        """What runs while the application does."""
        return self.desk.background

    @contextmanager
    def running(self) -> Iterator[Desk]:
        """Run what the application would run; returns once every venue is ready."""
        loop = asyncio.new_event_loop()
        stop, started = asyncio.Event(), threading.Event()

        async def run() -> None:
            async with AsyncExitStack() as stack:
                for enter in self.background:
                    await stack.enter_async_context(enter())
                started.set()
                await stop.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
        thread.start()
        try:
            assert started.wait(_SECONDS)
            self.wait_for(lambda: all(venue.ready for venue in self.desk.state().venues))
            yield self.desk
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(_SECONDS)
            loop.close()
            self.database.close()

    def prefer(self, venue: VenueName) -> None:
        """Have new orders go to a venue first: the others have been slow."""
        for name, watch in self.desk._made.watches.items():
            watch._note(latency_seconds=0.01 if name == venue else 10.0)

    def warm_up(self, venue: VenueName) -> None:
        """Have every venue told of AAPL, by an order that is filled, and prefer one from then on."""
        (order,) = self.desk.submit(self.intent("warm-up", quantity=Decimal(1))).orders
        self.wait_for(lambda: self.book.get(order.client_order_id).status is OrderStatus.FILLED)
        self.wait_for(lambda: self.desk.unended() == ())
        self.prefer(venue)

    def wait_for(self, condition: Callable[[], bool], seconds: float = _SECONDS) -> None:
        """Return once the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"the condition never held: {self.desk.state()}"
            time.sleep(0.02)

    def intent(self, leg: str = "entry", **terms: Any) -> OrderIntent:  # noqa: ANN401 -- fields of a ticket
        """Buy ten AAPL at the market, unless told otherwise."""
        now = SystemClock().now()
        usual = {"symbol": AAPL, "side": Side.BUY, "quantity": Decimal(10)}
        return OrderIntent(
            intent_id=intent_id("trend", AAPL, now, leg),
            strategy="trend",
            signal_at=now,
            leg=leg,
            ticket=OrderTicket.model_validate(usual | terms),
            reference_price=Decimal(100),
        )

    def limit(self, leg: str, price: int = 90, **terms: Any) -> OrderIntent:  # noqa: ANN401 -- fields of a ticket
        """The same with a limit below the market: it works."""
        return self.intent(leg, order_type=OrderType.LIMIT, limit_price=Decimal(price), **terms)


@contextmanager
def papers(directory: Path, *names: str, **terms: Any) -> Iterator[RunningDesk]:  # noqa: ANN401 -- of `serving`
    """Serve paper venues and make a desk for them."""
    with ExitStack() as stack:
        found: dict[VenueName, Paper] = {}
        for name in names:
            served = stack.enter_context(serving(directory, name=name, **terms))
            gate = stack.enter_context(Gate(served.base_url))
            site = AlpacaSite(gate.url, served.stream_url, served.base_url, Environment.PAPER)
            broker = AlpacaBroker(
                VenueName(name),
                site,
                lambda served=served: served.headers,
                patience=_PATIENCE,
                stream_patience=HASTY_STREAM,
            )
            stack.callback(broker.close)
            found[VenueName(name)] = Paper(served, gate, broker)
        yield RunningDesk(directory, found)
