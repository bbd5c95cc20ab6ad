"""A desk with everything that it stands on, in this process, against a venue that runs in another one.

Everything is real but auth, which vouches for whatever it is asked: database, alpaca-py, stream, logs, metrics, traces.
"""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from alpaca.trading.client import TradingClient
from sqlalchemy import func, insert, select, update

import services.trading.migrations.versions
from benchmarks.harness import python_child
from services.contracts.auth import AccountId
from services.contracts.market import Side, Symbol
from services.contracts.orders import OrderIntent, OrderTicket, VenueName, intent_id
from services.contracts.verdict import Environment
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.ids import SystemRandomness
from services.kit.instruments import Instruments
from services.trading.bootstrap import AlwaysOpen
from services.trading.brokers.alpaca import AlpacaBroker
from services.trading.brokers.alpaca_sites import site_at
from services.trading.desk.desk import Desk
from services.trading.desk.leases import LeaseKeeper
from services.trading.desk.owner import Fenced, Owner
from services.trading.desk.parts import DeskParts, Venue
from services.trading.desk.processes import this_process
from services.trading.desk.verdicts import VerdictKeeper, Vouched
from services.trading.instruments import TABLE
from services.trading.marketdata.latest import Mark
from services.trading.meter import declare_venues
from services.trading.orders.book import OrderBook
from services.trading.orders.tables import INTENTS, ORDERS
from services.trading.portfolio import store as portfolio
from services.trading.risk.limits import Limits, digest
from telemetry.emit.options import TelemetryOptions
from telemetry.emit.setup import setup
from tests.fakes.auth import FakeAuth

ALPHA: Final = VenueName("alpha")
_SYMBOL: Final = Symbol("AAPL")
_VERSIONS: Final = Path(services.trading.migrations.versions.__file__).parent
_SECONDS: Final = 30.0
_MANY: Final = 1_000_000
_LIMITS: Final = Limits(
    order_notional=Decimal(10**9),
    symbol_notional=Decimal(10**12),
    gross_exposure=Decimal(10**12),
    net_exposure=Decimal(10**12),
    open_orders=_MANY,
    orders_in_window=_MANY,
    daily_loss=Decimal(10**9),
    leverage=Decimal(10**5),
)


@dataclass(frozen=True)
class ServedVenue:
    """A paper venue in a process of its own."""

    base_url: str
    key: str
    secret: str

    def raw(self) -> TradingClient:
        """alpaca-py as it comes, with another account: the desk would hear of its orders."""
        return TradingClient(f"{self.key}RAW", self.secret, url_override=self.base_url, raw_data=True)

    @property
    def headers(self) -> dict[str, str]:
        return {"APCA-API-KEY-ID": self.key, "APCA-API-SECRET-KEY": self.secret}


class _Priced:
    """Everything trades at 100 dollars now: what the gate reckons with."""

    def last(self, _symbol: Symbol) -> Mark:
        return Mark(Decimal(100), SystemClock().now())


@contextmanager
def venue(directory: Path) -> Iterator[ServedVenue]:
    """Serve a venue at which AAPL has a price."""
    directory.mkdir(parents=True, exist_ok=True)
    key, secret = "PKBENCH", secrets.token_urlsafe(24)
    with python_child("benchmarks.venue_server", str(directory), key, secret, _SYMBOL) as child:
        assert child.stdout is not None
        served = ServedVenue(f"http://127.0.0.1:{int(child.stdout.readline())}/paper/alpha", key, secret)
        until(lambda: served.raw().get_clock() is not None)
        time.sleep(2.5)  # until the first bar has ended: nothing tells of it but an order
        yield served


class DeskHouse:
    """The desk over a database in `directory`."""

    def __init__(self, directory: Path, served: ServedVenue) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        clock = SystemClock()
        options = TelemetryOptions(
            service_name="trading",
            env="local",
            version="benchmark",
            data_dir=directory,
            console="off",
            embedded_path=directory / "telemetry.db",
        )
        self._telemetry = setup(options)
        declare_venues(self._telemetry.metrics, [ALPHA])
        self.database = Database(f"sqlite:///{directory / 'trading.db'}", service="trading", versions=(_VERSIONS,))
        self.database.migrate()
        facts = Facts(self.database, Instruments(TABLE), self._telemetry, clock, "trading")
        owner = Owner(facts, clock, this_process(SystemRandomness()))
        self.book = OrderBook(
            Fenced(facts, owner),
            self.database,
            clock,
            book_fill=portfolio.book,
            held=lambda connection, venue: {
                each.symbol: each.quantity for each in portfolio.positions(connection, venue) if each.quantity
            },
        )
        account, auth = AccountId(ALPHA), FakeAuth(clock)
        auth.headers = {account: served.headers}
        self._broker = AlpacaBroker(ALPHA, site_at(served.base_url), lambda: served.headers)
        self.desk = Desk(
            DeskParts(
                facts=facts,
                database=self.database,
                clock=clock,
                randomness=SystemRandomness(),
                telemetry=self._telemetry,
                owner=owner,
                book=self.book,
                venues=(
                    Venue(
                        broker=self._broker,
                        streaming=self._broker,
                        account=account,
                        environment=Environment.PAPER,
                    ),
                ),
                limits=_LIMITS,
                prices=_Priced(),
                sessions=AlwaysOpen(),
                verdicts=VerdictKeeper(
                    auth, {ALPHA: Vouched(account, Environment.PAPER)}, lambda: digest(_LIMITS), clock
                ),
                leases=LeaseKeeper(auth, {ALPHA: account}, clock),
            )
        )

    def store_ended(self, at_least: int) -> int:
        """Multiply the orders that there are, which have all ended, under other names; returns how many there are."""
        columns = {"client_order_id", "intent_id", "venue_order_id"}
        with self.database.transaction() as connection:
            connection.execute(update(ORDERS).values(submitted_at_us=1))  # long ago
            count = connection.execute(select(func.count()).select_from(ORDERS)).scalar_one()
            for doubling in range(at_least.bit_length()):
                if count >= at_least:
                    break
                for table in (ORDERS, INTENTS):
                    names = [column.name for column in table.columns]
                    values = [column + f"-{doubling}" if column.name in columns else column for column in table.columns]
                    connection.execute(insert(table).from_select(names, select(*values)))
                count *= 2
        return count

    @contextmanager
    def running(self) -> Iterator[Desk]:
        """Run it; returns once the venue is ready."""
        loop, stop = asyncio.new_event_loop(), asyncio.Event()

        async def run() -> None:
            async with AsyncExitStack() as stack:
                for enter in self.desk.background:
                    await stack.enter_async_context(enter())
                await stop.wait()

        thread = threading.Thread(target=loop.run_until_complete, args=(run(),), name="event loop")
        with ExitStack() as closing:
            closing.callback(self._telemetry.shutdown)
            closing.callback(self._broker.close)
            closing.callback(self.database.close)
            closing.callback(loop.close)
            closing.callback(thread.join)
            closing.callback(loop.call_soon_threadsafe, stop.set)
            thread.start()
            until(lambda: all(each.ready for each in self.desk.state().venues))
            yield self.desk


def wish(number: int) -> OrderIntent:
    """Buy or sell one share at the market, in turn."""
    now, leg = SystemClock().now(), f"leg-{number}"
    side = Side.BUY if number % 2 == 0 else Side.SELL
    return OrderIntent(
        intent_id=intent_id("load", _SYMBOL, now, leg),
        strategy="load",
        signal_at=now,
        leg=leg,
        ticket=OrderTicket(symbol=_SYMBOL, side=side, quantity=Decimal(1)),
        reference_price=Decimal(100),
    )


def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds."""
    deadline = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what is waited for has not come")
        time.sleep(0.02)
