"""One paper venue: its parts, put together, and its paths."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Final, Protocol
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from services.contracts.market import Bar, Instrument, Symbol
from services.kit.clock import Clock
from services.kit.ids import Randomness
from services.matching.account import Account
from services.matching.costs import Costs
from services.matching.market import Matcher
from services.matching.rules import Rules
from services.venue.broker import market_data
from services.venue.broker.accounts import MARGIN, PaperAccount, digest_of
from services.venue.broker.asking import FAILING, Desk, Handler
from services.venue.broker.bar_stream import BarHub
from services.venue.broker.books import Books, Changes
from services.venue.broker.calendar_routes import Calendar
from services.venue.broker.errors import ForbiddenError, NotAuthorizedError
from services.venue.broker.exchange import Exchange
from services.venue.broker.faults import OF_VENUE, Fault, FaultKind, Kind
from services.venue.broker.frames import Frame, News
from services.venue.broker.hours import Hours, TimeSource, VenueTime
from services.venue.broker.hub import Hub
from services.venue.broker.journal import Journal
from services.venue.broker.market_data import MarketData
from services.venue.broker.plan import FaultPlan
from services.venue.broker.prices import Prices
from services.venue.broker.races import Races
from services.venue.broker.rate import RateLimit
from services.venue.broker.severing import Severed
from services.venue.broker.storing import rows_of
from services.venue.broker.terms import Terms
from services.venue.broker.trading import Trading
from services.venue.broker.watching import Unwatched, Watcher

Endpoint = Callable[[Request], Awaitable[Response]]

_UUID_BITS: Final = 128
_CASH: Final = Decimal(100_000)  # what Alpaca gives a paper account


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOptions:
    """How a venue behaves.

    Attributes:
        requests_per_minute: Of each account.
        seed: Of faults that happen with some probability.
    """

    name: str
    rules: Rules
    costs: Costs
    hours: Hours
    time_source: TimeSource = TimeSource.MACHINE
    requests_per_minute: int = 200
    seed: int = 0


class Customers(Protocol):
    """Whoever else knows key pairs: who comes with one of these has an account here from then on."""

    def owns(self, key_id: str, secret: str) -> bool:
        """Whether this is the key pair of a customer who is let in."""


class NoCustomers:
    """Nobody."""

    def owns(self, key_id: str, secret: str) -> bool:  # noqa: ARG002 -- nobody is known
        return False


class PaperVenue:
    """A venue. Used from the event loop's thread alone.

    Args:
        options: How it behaves.
        clock: The machine's time.
        randomness: For ids.
        journal: Where everything is stored.
        customers: Who may open an account by coming with a key.

    Attributes:
        watcher: Hears what happens.
    """

    def __init__(
        self, options: VenueOptions, clock: Clock, randomness: Randomness, journal: Journal, customers: Customers
    ) -> None:
        self.name = options.name
        self.books = Books(Prices())
        self.watcher: Watcher = Unwatched()
        self.plan = FaultPlan(clock, seed=options.seed, happened=self._fault_happened)
        self.rate = RateLimit(clock, options.requests_per_minute)
        self.time = VenueTime(options.time_source, clock)
        self.hub = Hub(self.plan, self.authenticate)
        self.bar_hub = BarHub(self.authenticate)
        self.exchange = Exchange(
            self.books, Matcher(options.costs, options.rules), options.hours, self.time, self._new_id
        )
        self._randomness = randomness
        self._journal = journal
        self._customers = customers
        self._tasks: set[asyncio.Task[None]] = set()

    def _fault_happened(self, fault: FaultKind) -> None:
        self.watcher.happened(fault)

    def _new_id(self) -> str:
        return str(UUID(int=self._randomness.bits(_UUID_BITS), version=4))

    # --- accounts

    def open_account(
        self, name: str, key_id: str, secret: str, *, cash: Decimal = _CASH, multiplier: int = MARGIN
    ) -> PaperAccount:
        """Open an account, or give the one of that key another secret."""
        known = self.books.account_of_key(key_id)
        if known is not None:
            known.secret_digest, known.expired = digest_of(secret), False
            self.books.put_account(known)
            return known
        account = PaperAccount(
            account_id=self._new_id(),
            name=name,
            number=f"PA{self._randomness.bits(40):013d}"[:14],
            key_id=key_id,
            secret_digest=digest_of(secret),
            created_at=self.time.now(),
            money=Account(cash=cash),
            last_equity=cash,
            multiplier=multiplier,
        )
        self.books.put_account(account)
        return account

    def authenticate(self, key_id: str, secret: str) -> PaperAccount:
        """Whose keys these are. Raises `NotAuthorizedError` or `ForbiddenError`."""
        account = self.books.account_of_key(key_id)
        if (account is None or not account.owns(secret)) and self._customers.owns(key_id, secret):
            account = self.open_account(key_id, key_id, secret)
        if account is None or account.expired:
            raise NotAuthorizedError
        if not account.owns(secret):
            raise ForbiddenError("forbidden.")
        return account

    # --- what moves it

    async def settle(self) -> None:
        """Store what was changed, then tell the streams. Raises `DatabaseError`."""
        frames, changes = self.exchange.take_frames(), self.books.changes
        if not changes and not frames:
            await self._journal.settled()
            return
        self.books.changes = Changes()
        rows = rows_of(self.name, changes, self.exchange.instruments, self.books)
        await self._journal.write(rows, partial(self.hub.publish, frames))
        for _ in filter(_tells_of_a_fill, frames):
            self.watcher.filled()

    async def push(self, *bars: Bar) -> int:
        """Take bars in; says how many were new. Raises `DatabaseError`."""
        taken = [bar for bar in bars if self.exchange.on_bar(bar)]
        await self.settle()
        self.bar_hub.publish(taken)
        return len(taken)

    async def look_at_the_clock(self) -> None:
        """Do what the passing of time brings. Raises `DatabaseError`."""
        self.exchange.advance()
        for fault in self.plan.by_time():
            self.happen(fault)
        await self.settle()

    def happen(self, fault: Fault) -> None:
        """Carry out a fault of the venue."""
        symbol = fault.symbol or Symbol("")
        match fault.fault:
            case FaultKind.HALT | FaultKind.RESUME:
                self.set_halted(symbol, halted=fault.fault is FaultKind.HALT)
            case FaultKind.SPLIT if fault.ratio is not None and symbol in self.exchange.instruments:
                self.exchange.split(symbol, fault.ratio)
            case FaultKind.CLOCK_OFFSET:
                self.time.offset = timedelta(seconds=fault.seconds or 0)
            case _:
                pass

    def set_halted(self, symbol: Symbol, *, halted: bool) -> None:
        """Suspend trading in a symbol, or let it go on."""
        known = self.exchange.instruments.get(symbol) or Instrument(symbol=symbol)
        self.exchange.put_instrument(replace(known, halted=halted))

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Do something after so many seconds, and store what it changed."""
        task = asyncio.get_running_loop().create_task(self._later(seconds, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _later(self, seconds: float, work: Callable[[], None]) -> None:
        await asyncio.sleep(seconds)
        work()
        await self.settle()

    # --- paths

    def routes(self) -> list[BaseRoute]:
        """What it serves, below its own prefix."""
        desk = Desk(self.authenticate, self.settle, self.happen, self.plan, self.rate)
        terms = Terms(self.exchange, self._new_id)
        trading = Trading(self.exchange, terms, Races(self.exchange, self.later))
        data, calendar = MarketData(self.exchange), Calendar(self.exchange)
        served: list[tuple[str, str, Kind, Handler]] = [
            ("GET", "/v2/account", Kind.ACCOUNT, trading.account),
            ("GET", "/v2/account/activities", Kind.ACTIVITIES, trading.activities),
            ("GET", "/v2/account/activities/{kind}", Kind.ACTIVITIES, trading.activities),
            ("GET", "/v2/assets", Kind.ASSETS, trading.assets),
            ("GET", "/v2/assets/{symbol}", Kind.ASSET, trading.asset),
            ("GET", "/v2/positions", Kind.POSITIONS, trading.positions),
            ("DELETE", "/v2/positions", Kind.CLOSE_ALL, trading.close_all),
            ("GET", "/v2/positions/{symbol}", Kind.POSITION, trading.position),
            ("DELETE", "/v2/positions/{symbol}", Kind.CLOSE, trading.close),
            ("POST", "/v2/orders", Kind.SUBMIT, trading.submit),
            ("GET", "/v2/orders", Kind.ORDERS, trading.orders),
            ("DELETE", "/v2/orders", Kind.CANCEL_ALL, trading.cancel_all),
            ("GET", "/v2/orders:by_client_order_id", Kind.FIND, trading.find),
            ("GET", "/v2/orders/{order_id}", Kind.ORDER, trading.order),
            ("PATCH", "/v2/orders/{order_id}", Kind.REPLACE, trading.replace),
            ("DELETE", "/v2/orders/{order_id}", Kind.CANCEL, trading.cancel),
            ("GET", "/v2/clock", Kind.CLOCK, calendar.clock),
            ("GET", "/v2/calendar", Kind.CALENDAR, calendar.days),
            ("GET", "/v2/stocks/bars", Kind.BARS, data.bars),
            ("GET", "/v2/stocks/{symbol}/bars", Kind.BARS, data.bars),
        ]
        latest = {
            "bars": market_data.latest_bar_document,
            "trades": market_data.trade_document,
            "quotes": market_data.quote_document,
        }
        for what, make in latest.items():
            handler = data.latest(what, make)
            served.append(("GET", f"/v2/stocks/{what}/latest", Kind.LATEST, handler))
            served.append(("GET", f"/v2/stocks/{{symbol}}/{what}/latest", Kind.LATEST, handler))
        routes: list[BaseRoute] = [
            Route(path, self._watched(kind, desk.endpoint(kind, handler)), methods=[method])
            for method, path, kind, handler in served
        ]
        streams = [WebSocketRoute(f"/v2/{feed}", self._bar_stream) for feed in ("iex", "sip")]
        return [*routes, WebSocketRoute("/stream", self._stream), *streams]

    def _watched(self, kind: Kind, endpoint: Endpoint) -> Endpoint:
        async def serve(request: Request) -> Response:
            response = await endpoint(request)
            if not isinstance(response, Severed):
                self.watcher.answered(kind, response.status_code)
            return response

        return serve

    async def _bar_stream(self, socket: WebSocket) -> None:
        await self.bar_hub.serve(socket)

    async def _stream(self, socket: WebSocket) -> None:
        for fault in self.plan.at_request(Kind.STREAM):
            if fault.fault is FaultKind.LATENCY:
                await asyncio.sleep(self.plan.latency(fault))
            elif fault.fault in OF_VENUE:
                self.happen(fault)
            elif fault.fault in FAILING:
                await socket.close()  # before it is accepted: the client sees a 403
                return
        await self.hub.serve(socket)


def _tells_of_a_fill(frame: Frame) -> bool:
    return frame.news in {News.FILL, News.PARTIAL_FILL}
