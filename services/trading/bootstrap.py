"""Where the trading service is put together."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final

from sqlalchemy import Connection

from services.clients.auth import AuthClient
from services.contracts.auth import AccountId
from services.contracts.market import Symbol
from services.contracts.orders import VenueName
from services.contracts.verdict import Environment
from services.kit.app import ServiceApp
from services.kit.chassis import Background, Chassis
from services.kit.clock import Clock
from services.kit.errors import StartError
from services.kit.ids import SystemRandomness
from services.kit.market_calendar import MarketCalendar
from services.kit.repeating import repeating
from services.trading.api import order_router, standing_router
from services.trading.brokers.alpaca import AlpacaBroker
from services.trading.brokers.alpaca_sites import LIVE_URL, PAPER_URL, AlpacaSite, site_at
from services.trading.brokers.port import VenueRefusesKeysError
from services.trading.desk.desk import Desk
from services.trading.desk.leases import LeaseKeeper
from services.trading.desk.market_hours import MarketHours
from services.trading.desk.owner import Fenced, Owner
from services.trading.desk.parts import DeskParts, Sessions, Venue
from services.trading.desk.processes import this_process
from services.trading.desk.verdicts import VerdictKeeper, Vouched
from services.trading.engine import store as engine_store
from services.trading.engine.engine import Engine
from services.trading.engine.view import EngineView
from services.trading.gauges import TradingGauges
from services.trading.marketdata.alpaca_latest import LatestPrices
from services.trading.meter import declare_venues
from services.trading.opening import open_chassis
from services.trading.orders.book import OrderBook
from services.trading.portfolio import store as portfolio
from services.trading.risk.limits import digest
from services.trading.risk.sight import Market
from services.trading.settings import TradingFile, TradingSettings, VenueConfig
from services.trading.strategies.registry import STRATEGIES
from services.trading.strategy_api import strategy_router
from services.trading.strategy_gauges import (
    BarMeter,
    StrategyGauges,
    declare_left_over,
    declare_strategies,
    declare_tuned,
)
from services.trading.strategy_wiring import BarSite, engine_of
from services.trading.studies import StudyFollower, ledger_at

_PRICES_SECONDS: Final = 2.0
_STUDIES_SECONDS: Final = 5.0
_PRUNE_SECONDS: Final = 600.0
_ALPACA: Final = {Environment.PAPER: PAPER_URL, Environment.LIVE: LIVE_URL}


class EnvironmentMismatchError(StartError):
    """A venue's address is of the other kind of account than the trading file says."""

    code = "environment_mismatch"
    title = "The venue's address does not fit its environment"

    def __init__(self, venue: VenueConfig) -> None:
        super().__init__(
            f"{venue.name} is said to be {venue.environment}, and its address is not. Correct one of them."
        )


class AlwaysOpen:
    """Sessions of a market that never closes, as local paper venues are."""

    def market(self, at: datetime) -> Market:  # noqa: ARG002 -- open at any moment
        """Open."""
        return Market.OPEN


def build(settings: TradingSettings, *, clock: Clock | None = None) -> ServiceApp:
    """Make the application. Raises `StartError` or `DatabaseError`."""
    trading = settings.trading()
    chassis = open_chassis(settings, clock=clock)
    declare_venues(chassis.telemetry.metrics, [venue.name for venue in trading.venues])
    house = _House(chassis, trading)
    desk = Desk(house.parts())
    sessions = house.sessions
    gauges = TradingGauges(
        desk,
        working=desk.unended,
        market=sessions.market,
        daily_loss=trading.limits.daily_loss,
        metrics=chassis.telemetry.metrics,
        clock=chassis.clock,
    )
    chassis.telemetry.metrics.before_collecting(gauges.refresh)
    declare_tuned(chassis.telemetry.metrics, STRATEGIES)
    engine = house.engine(desk)
    view = EngineView(engine)
    strategy_gauges = StrategyGauges(view, metrics=chassis.telemetry.metrics, clock=chassis.clock)
    chassis.telemetry.metrics.before_collecting(strategy_gauges.refresh)
    return chassis.create_app(
        "Sightline trading",
        routers=[order_router(desk, house.book, chassis.clock), standing_router(desk), strategy_router(engine, view)],
        # The engine comes last and so ends first: while a strategy's last order goes out, the desk is there.
        background=[*house.background(), *desk.background, *([engine.running] if trading.strategies else [])],
    )


class _House:
    """Parts that several others share."""

    def __init__(self, chassis: Chassis[TradingSettings], trading: TradingFile) -> None:
        self.chassis = chassis
        self.trading = trading
        self.randomness = SystemRandomness()
        auth = AuthClient(chassis.client("auth", chassis.settings.auth_base_url))
        accounts = {venue.name: AccountId(venue.name) for venue in trading.venues}
        self.leases = LeaseKeeper(auth, accounts, chassis.clock)
        self.verdicts = VerdictKeeper(
            auth,
            {venue.name: Vouched(accounts[venue.name], venue.environment) for venue in trading.venues},
            lambda: digest(trading),
            chassis.clock,
        )
        self.owner = Owner(chassis.facts, chassis.clock, this_process(self.randomness))
        self.book = OrderBook(
            Fenced(chassis.facts, self.owner),
            chassis.database,
            chassis.clock,
            book_fill=portfolio.book,
            held=_held,
        )
        self.sessions: Sessions = (
            AlwaysOpen() if trading.sessions == "always" else MarketHours(MarketCalendar(chassis.clock))
        )
        first, *_ = self.sites = {venue.name: self._site(venue) for venue in trading.venues}
        # Prices are the same whichever account reads them: the first one does.
        self.prices = LatestPrices(
            self.sites[first].data_url,
            lambda: self.sites[first].keys(self._headers(first)()),
            clock=chassis.clock,
            randomness=self.randomness,
            feed=chassis.settings.price_feed,
        )

    def parts(self) -> DeskParts:
        """What the desk stands on."""
        chassis = self.chassis
        return DeskParts(
            facts=chassis.facts,
            database=chassis.database,
            clock=chassis.clock,
            randomness=self.randomness,
            telemetry=chassis.telemetry,
            owner=self.owner,
            book=self.book,
            venues=[self._venue(venue) for venue in self.trading.venues],
            limits=self.trading.limits,
            prices=self.prices,
            sessions=self.sessions,
            verdicts=self.verdicts,
            leases=self.leases,
        )

    def engine(self, desk: Desk) -> Engine:
        """The strategies of the trading file, on a desk."""
        chassis, trading = self.chassis, self.trading
        data = trading.bars.venue or trading.venues[0].name
        symbols = sorted({symbol for config in trading.strategies for symbol in config.symbols})
        declare_strategies(chassis.telemetry.metrics, [config.name for config in trading.strategies], symbols)
        with chassis.database.reading() as connection:
            declare_left_over(chassis.telemetry.metrics, engine_store.unstopped(connection))
        return engine_of(
            trading,
            BarSite(
                site=self.sites[data],
                keys=lambda: self.sites[data].keys(self._headers(data)()),
                feed=chassis.settings.price_feed,
            ),
            orders=desk,
            facts=Fenced(chassis.facts, self.owner),
            database=chassis.database,
            clock=chassis.clock,
            randomness=self.randomness,
            counts=BarMeter(chassis.telemetry.metrics, symbols),
        )

    def background(self) -> list[Background]:
        """What runs beside the desk."""
        return [
            self._closing,
            partial(repeating, self.prices.refresh, every_seconds=_PRICES_SECONDS, purpose="read the latest prices"),
            self._following_studies,
            partial(repeating, self.book.prune, every_seconds=_PRUNE_SECONDS, purpose="forget old raw frames"),
        ]

    def _venue(self, venue: VenueConfig) -> Venue:
        broker = AlpacaBroker(
            venue.name,
            self.sites[venue.name],
            self._headers(venue.name),
            clock=self.chassis.clock,
            randomness=self.randomness,
        )
        return Venue(broker=broker, streaming=broker, account=AccountId(venue.name), environment=venue.environment)

    def _site(self, venue: VenueConfig) -> AlpacaSite:
        settings = self.chassis.settings
        site = site_at(
            venue.base_url or _ALPACA[venue.environment],
            allow_live=settings.allow_live,
            simulator_hosts=frozenset(settings.simulator_hosts),
        )
        if site.environment is not venue.environment:
            raise EnvironmentMismatchError(venue)
        return site

    def _headers(self, venue: VenueName) -> Callable[[], Mapping[str, str]]:
        def headers() -> Mapping[str, str]:
            held = self.leases.headers(venue)
            if held is None:
                raise VenueRefusesKeysError(
                    f"Auth has given no session for {venue} yet. `sightline auth report` tells why."
                )
            return held

        return headers

    @asynccontextmanager
    async def _following_studies(self) -> AsyncIterator[None]:
        chassis, settings = self.chassis, self.chassis.settings
        follower = StudyFollower(
            ledger_at(settings.tuning_storage, settings.data_dir / "tuning"),
            facts=chassis.facts,
            metrics=chassis.telemetry.metrics,
            kinds=STRATEGIES,
        )
        try:
            async with repeating(follower.look, every_seconds=_STUDIES_SECONDS, purpose="follow studies"):
                yield
        finally:
            await asyncio.to_thread(follower.close)

    @asynccontextmanager
    async def _closing(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.to_thread(self.prices.close)


def _held(connection: Connection, venue: VenueName) -> Mapping[Symbol, Decimal]:
    return {each.symbol: each.quantity for each in portfolio.positions(connection, venue) if each.quantity}
