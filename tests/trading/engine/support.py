"""One strategy on a real desk, at a venue in memory whose market orders trade at the open of the next bar.

No thread runs and time moves by hand, so that a test can end the process between any two of its statements.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.contracts.market import Bar, OrderType, Symbol
from services.contracts.orders import ClientOrderId, OrderIntent
from services.kit.database import Database
from services.trading.brokers.port import VenueOrder
from services.trading.desk.owner import Fenced
from services.trading.desk.views import DeskState, Placement
from services.trading.engine import store
from services.trading.engine.config import StrategyConfig
from services.trading.engine.market_time import BarCalendar, ReplayTime
from services.trading.engine.moments import Moments
from services.trading.engine.parts import EngineParts
from services.trading.engine.store import Kept
from services.trading.engine.strategist import Strategist
from services.trading.marketdata.port import Timeframe
from services.trading.orders.order import Order
from services.trading.orders.transactions import Transaction, Transactions
from tests.auth.support import CrashError
from tests.fakes.broker import FakeBroker
from tests.trading.desk.support import DeskHouse

FIRST = datetime(2013, 1, 2, 5, tzinfo=UTC)
DAY = timedelta(days=1)
A, B = Symbol("AAA"), Symbol("BBB")
ENDED = ("filled", "canceled", "rejected", "expired")


def bar(symbol: Symbol, day: int, price: float | Decimal, *, opened: float | Decimal | None = None) -> Bar:
    """A daily bar that closes at a price; it opens there, too, unless told otherwise."""
    close = Decimal(str(price))
    begins = close if opened is None else Decimal(str(opened))
    return Bar(symbol, FIRST + day * DAY, 86_400, begins, max(begins, close), min(begins, close), close, Decimal(1000))


def trend(*symbols: Symbol, **changed: Any) -> StrategyConfig:  # noqa: ANN401 -- fields of a strategy
    """Two short averages: it trades often."""
    usual = {
        "name": "trend",
        "kind": "sma-cross",
        "symbols": symbols or (A,),
        "parameters": {"fast": 2, "slow": 5},
        "capital": "10000",
    }
    return StrategyConfig.model_validate(usual | changed)


class Fuse:
    """Ends the process at its n-th statement: counts what is about to be done, and what has just been done."""

    def __init__(self) -> None:
        self.left: int | None = None

    def step(self) -> None:
        """One more statement."""
        if self.left is None:
            return
        self.left -= 1
        if self.left < 0:
            self.left = None
            raise CrashError


@dataclass(frozen=True)
class FusedFacts:
    """Transactions that may end the process before and after they commit."""

    inner: Transactions
    fuse: Fuse

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[Transaction]:
        self.fuse.step()
        with self.inner.transaction(durable=durable) as tx:
            yield tx
            self.fuse.step()
        self.fuse.step()

    def sync(self) -> None:
        self.inner.sync()


@dataclass(frozen=True)
class FusedOrders:
    """A desk whose calls may end the process before and after they are made."""

    desk: Any
    fuse: Fuse

    def submit(self, intent: OrderIntent) -> Placement:
        return self._around(lambda: self.desk.submit(intent))  # type: ignore[no-any-return]

    def cancel(self, client_order_id: ClientOrderId, actor: str) -> Order:
        return self._around(lambda: self.desk.cancel(client_order_id, actor))  # type: ignore[no-any-return]

    def look(self, client_order_id: ClientOrderId) -> None:
        self._around(lambda: self.desk.look(client_order_id))

    def state(self) -> DeskState:
        return self.desk.state()  # type: ignore[no-any-return]

    def _around(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 -- what the call gives
        self.fuse.step()
        answer = call()
        self.fuse.step()
        return answer


@dataclass
class World:
    """Bars, a venue, a desk, and the strategy's process, which may end at any statement and begins again."""

    database: Database
    config: StrategyConfig
    fuse: Fuse = field(default_factory=Fuse)

    def __post_init__(self) -> None:
        self.house = DeskHouse(self.database, brokers=(FakeBroker("alpha"),)).start()
        self.clock = self.house.clock
        self.past: dict[datetime, dict[Symbol, Bar]] = {}
        self.crashes = 0
        self.begin()

    @property
    def broker(self) -> FakeBroker:
        return self.house.alpha

    @property
    def sent(self) -> list[tuple[str, str, Decimal]]:
        """What the venue was sent: symbol, side, shares."""
        return [(ticket.symbol, ticket.side.value, ticket.quantity) for _, ticket in self.broker.submitted]

    @property
    def look(self) -> Any:  # noqa: ANN401 -- a Look
        return self.strategist.look

    def begin(self, *, fresh: bool = False) -> None:
        """Begin the strategy's process from what is written down."""
        time = ReplayTime(self.clock)
        calendar = BarCalendar(Timeframe.DAY, None)
        for moment in self.past:
            time.heard(calendar.ended(moment))
        self.time, self.calendar = time, calendar
        parts = EngineParts(
            orders=FusedOrders(self.house.desk, self.fuse),
            facts=FusedFacts(Fenced(self.house.facts, self.house.owner), self.fuse),
            database=self.database,
            clock=self.clock,
            time=time,
            calendars={Timeframe.DAY: calendar},
        )
        with self.database.reading() as connection:
            kept = store.load(connection, self.config.name) or Kept(self.config.name, self.config.kind)
        if fresh:
            kept.decided = None
        self.strategist = Strategist(self.config, parts, kept, threading.Event())
        self.moments = Moments(self.config.symbols, self.clock, grace_seconds=2.0, after=kept.decided)
        warm = 0
        for moment, bars in sorted(self.past.items()):
            if kept.decided is not None and moment > kept.decided:
                for each in bars.values():
                    self.moments.add(each)
            else:
                self.strategist.show(moment, bars)
                warm += 1
        self.strategist.begin(warm)
        if self.strategist.decided is not None:
            self.moments.skip(self.strategist.decided)
        self._decide()

    def trade(self, bars: Sequence[Bar]) -> None:
        """The venue works its market orders at the open of bars, before anybody hears of these."""
        opens = {each.symbol: each.open for each in bars}
        for name, order in list(self.broker.orders.items()):
            works = order.status is not None and not order.status.terminal
            if works and order.order_type in {OrderType.MARKET, None} and order.symbol in opens:
                self.broker.fill(name, order.quantity - order.filled, opens[order.symbol])
        for each in bars:
            self.past.setdefault(each.start, {})[each.symbol] = each
            self.house.prices.prices[each.symbol] = each.close
            self.time.heard(self.calendar.ended(each.start))

    def hear(self, bars: Sequence[Bar]) -> None:
        """The stream brings bars; whenever the process ends by it, another one begins."""
        try:
            for each in bars:
                self.moments.add(each)
            self._decide()
        except CrashError:
            self._again()

    def day(self, *bars: Bar) -> None:
        """A day comes and is decided at."""
        self.trade(bars)
        self.hear(bars)

    def _again(self) -> None:
        self.crashes += 1
        try:
            self.begin()
        except CrashError:
            self._again()

    def _decide(self) -> None:
        for moment, bars in self.moments.take():
            self.strategist.at(moment, bars)
        self.strategist.tick()

    def wait(self, seconds: float) -> None:
        """Let time pass, and have the strategy notice."""
        self.house.advance(seconds)
        self.house.renew()
        self.house.settle()
        self.hear(())

    def outcomes(self) -> list[tuple[str, str, str]]:
        """Symbol, leg and outcome of each signal, in their order."""
        with self.database.reading() as connection:
            query = "SELECT symbol, leg, outcome FROM strategy_signals ORDER BY bar_at_us, number"
            return [(row[0], row[1], row[2]) for row in connection.exec_driver_sql(query)]

    def orders(self) -> Mapping[ClientOrderId, VenueOrder]:
        return self.broker.orders
