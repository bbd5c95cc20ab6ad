"""Serves one paper venue on a free port, with a clock that the test moves and a handle to push bars and plan faults.

with serving(tmp_path) as venue:
    client = venue.trading_client()
    venue.push("AAPL", 100)
    client.submit_order(...)
"""

import asyncio
import secrets
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from alpaca.trading.client import TradingClient
from starlette.types import ASGIApp, Receive, Scope, Send

from services.contracts.market import Bar, Symbol
from services.contracts.orders import VenueOrderId
from services.kit.clock import Clock, SystemClock
from services.kit.database import Database
from services.kit.ids import SystemRandomness
from services.kit.server import listen
from services.matching.costs import Costs
from services.matching.rules import FillRule, Rules
from services.venue.broker.app import broker_app
from services.venue.broker.faults import Fault, FaultKind
from services.venue.broker.hours import AlwaysOpen, Hours, TimeSource
from services.venue.broker.journal import Journal
from services.venue.broker.opening import MIGRATIONS, load
from services.venue.broker.orders import PaperOrder
from services.venue.broker.venue import NoCustomers, PaperVenue, VenueOptions

_START_SECONDS = 30.0
T = TypeVar("T")


class MovableClock:
    """The machine's clock, as far ahead as a test moves it."""

    def __init__(self) -> None:
        self._real = SystemClock()
        self._ahead = timedelta()
        self._set_to: datetime | None = None

    def now(self) -> datetime:
        return (self._set_to or self._real.now()) + self._ahead

    def monotonic(self) -> float:
        return self._real.monotonic() + self._ahead.total_seconds()

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)

    def set_to(self, moment: datetime) -> None:
        """Stand still at a moment; `advance` still moves it."""
        self._set_to, self._ahead = moment, timedelta()


@dataclass
class ServedVenue:
    """A venue that serves, and what a test does to it. Its methods may be called from any thread.

    Attributes:
        base_url: For `TradingClient(url_override=...)` and the data clients.
        stream_url: For `TradingStream(url_override=...)`.
        key_id, secret_key: Of the account that is open.
        clock: The venue's machine's.
    """

    venue: PaperVenue
    loop: asyncio.AbstractEventLoop
    base_url: str
    key_id: str
    secret_key: str
    clock: MovableClock
    _starts: dict[str, datetime] = field(default_factory=dict)

    @property
    def stream_url(self) -> str:
        return f"{self.base_url.replace('http', 'ws', 1)}/stream"

    @property
    def headers(self) -> dict[str, str]:
        return {"APCA-API-KEY-ID": self.key_id, "APCA-API-SECRET-KEY": self.secret_key}

    def trading_client(self, **options: Any) -> TradingClient:  # noqa: ANN401 -- alpaca-py's own
        return TradingClient(self.key_id, self.secret_key, url_override=self.base_url, **options)

    def do(self, work: Callable[[], T]) -> T:
        """Run `work` where the venue runs, and wait until what it changed is stored and told."""

        async def run() -> T:
            result = work()
            await self.venue.settle()
            return result

        return self._await(run())

    def push(self, symbol: str, price: float | str, *, volume: int = 1_000_000, seconds: int = 60) -> Bar:
        """A bar of one price."""
        return self.push_bar(symbol, price, price, price, price, volume=volume, seconds=seconds)

    def push_bar(  # noqa: PLR0913 -- the parts of a bar
        self,
        symbol: str,
        opened: float | str,
        high: float | str,
        low: float | str,
        close: float | str,
        *,
        volume: int = 1_000_000,
        seconds: int = 60,
        start: datetime | None = None,
    ) -> Bar:
        """A bar; it starts now or after the last one of the symbol, whichever is later, unless `start` says when."""
        begins = start or max(self.clock.now(), self._starts.get(symbol, datetime.min.replace(tzinfo=UTC)))
        self._starts[symbol] = begins + timedelta(seconds=seconds)
        prices = [Decimal(str(price)) for price in (opened, high, low, close)]
        bar = Bar(Symbol(symbol), begins, seconds, *prices, volume=Decimal(volume))
        self._await(self.venue.push(bar))
        return bar

    def push_bars(self, bars: Sequence[Bar]) -> None:
        """Bars as they are, in their order."""
        self._await(self.venue.push(*bars))

    def fault(self, kind: FaultKind | str, **terms: Any) -> int:  # noqa: ANN401 -- the fields of Fault
        """Plan a fault; gives its number."""
        planned = Fault.model_validate({"fault": kind, **terms})
        return self.do(lambda: self.venue.plan.add(planned)[0].number)

    def scenario(self, *faults: Mapping[str, Any]) -> None:
        """Plan faults in their order."""
        planned = [Fault.model_validate(each) for each in faults]
        self.do(lambda: self.venue.plan.add(*planned))

    def clear_faults(self) -> None:
        self.do(self.venue.plan.clear)

    def order(self, order_id: object) -> PaperOrder:
        """An order as the venue keeps it."""
        return self.venue.books.orders[VenueOrderId(str(order_id))]

    def fill(self, order_id: object, quantity: float | str, price: float | str | None = None) -> None:
        """Fill an order by hand, also one that has ended."""
        shares, dollars = Decimal(str(quantity)), None if price is None else Decimal(str(price))
        self.do(lambda: self.venue.exchange.fill_by_hand(self.order(order_id), shares, dollars))

    def halt(self, symbol: str, *, halted: bool = True) -> None:
        self.do(lambda: self.venue.set_halted(Symbol(symbol), halted=halted))

    def split(self, symbol: str, ratio: float | str) -> None:
        self.do(lambda: self.venue.exchange.split(Symbol(symbol), Decimal(str(ratio))))

    def tick(self) -> None:
        """Let the venue notice the time."""
        self._await(self.venue.look_at_the_clock())

    def wait_for(self, condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
        """Return once the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the condition never held"
            time.sleep(0.005)

    def wait_for_listeners(self, count: int = 1) -> None:
        """Return once so many streams are listening."""
        self.wait_for(lambda: self.venue.hub.listeners >= count)

    def _await(self, work: Awaitable[T]) -> T:
        async def run() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(_START_SECONDS)


@contextmanager
def serving(  # noqa: PLR0913 -- how a venue may differ, all optional
    directory: Path,
    *,
    name: str = "alpha",
    fill_rule: FillRule = FillRule.IMMEDIATE,
    participation: Decimal | None = None,
    costs: Costs | None = None,
    hours: Hours | None = None,
    time_source: TimeSource = TimeSource.MACHINE,
    requests_per_minute: int = 1_000_000,
    prices: Mapping[str, float | str] | None = None,
    cash: Decimal = Decimal(100_000),
    keys: tuple[str, str] | None = None,
    clock: MovableClock | None = None,
    port: int = 0,
    database_url: str | None = None,
) -> Iterator[ServedVenue]:
    """Serve a venue whose database lies in `directory`; a second time with the same one, it goes on where it was.

    `prices` are symbols and their first prices, AAPL at 100 and MSFT at 200 by default, {} for none; `keys` are the
    account's, made up by default.
    """
    clock = clock or MovableClock()
    options = VenueOptions(
        name=name,
        rules=Rules(fill_rule=fill_rule, participation=participation),
        costs=costs or Costs(),
        hours=hours or AlwaysOpen(),
        time_source=time_source,
        requests_per_minute=requests_per_minute,
    )
    key_id, secret_key = keys or (f"PK{secrets.token_hex(9).upper()}", secrets.token_urlsafe(30))
    url = database_url or f"sqlite:///{directory / f'{name}.db'}"
    database = Database(url, service="venue", versions=[MIGRATIONS])
    database.migrate()
    journal = Journal(database)
    venue = PaperVenue(options, _as_clock(clock), SystemRandomness(), journal, NoCustomers())
    load(database, [venue])
    listener = listen("127.0.0.1", port)
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/paper/{name}"
    with _running(broker_app([venue]), journal, listener) as loop:
        served = ServedVenue(venue, loop, base_url, key_id, secret_key, clock)
        served.do(lambda: venue.open_account("tester", key_id, secret_key, cash=cash))
        if not venue.exchange.instruments:
            start = clock.now()
            for symbol, price in ({"AAPL": 100, "MSFT": 200} if prices is None else prices).items():
                served.push_bar(symbol, price, price, price, price, start=start)
        yield served
    database.close()


@contextmanager
def _running(app: ASGIApp, journal: Journal, listener: Any) -> Iterator[asyncio.AbstractEventLoop]:  # noqa: ANN401 -- a socket
    started: list[asyncio.AbstractEventLoop] = []
    ready = threading.Event()

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        async with journal.running():
            started.append(asyncio.get_running_loop())
            ready.set()
            yield

    server = uvicorn.Server(
        uvicorn.Config(
            _WithLifespan(app, lifespan),
            lifespan="on",
            log_config=None,
            access_log=False,
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    assert ready.wait(_START_SECONDS), "the venue does not serve"
    try:
        yield started[0]
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)


class _WithLifespan:
    """An application that enters a context manager at the start and leaves it at the end."""

    def __init__(self, app: ASGIApp, lifespan: Callable[[], Any]) -> None:
        self._app = app
        self._lifespan = lifespan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        await receive()
        async with self._lifespan():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _as_clock(clock: MovableClock) -> Clock:
    return clock
