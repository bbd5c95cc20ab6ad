"""Where the venue is put together."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from services.contracts.auth import Broker
from services.kit.chassis import Chassis
from services.kit.clock import Clock
from services.kit.ids import SystemRandomness
from services.venue.broker.admin import Venues, admin_router
from services.venue.broker.app import PREFIX, broker_app
from services.venue.broker.market import PaperMarket
from services.venue.broker.opening import MIGRATIONS
from services.venue.logins.customers import Customers, customers_in
from services.venue.logins.simulators import PREFIXES, LoginSimulators
from services.venue.logins.sms import NoSms, SmsSender, TwilioSimulator
from services.venue.meter import watch
from services.venue.settings import VenueSettings

_TIMEOUT = httpx.Timeout(5.0, connect=1.0)


class BrokersBeside:
    """Leads brokers' paths to the simulators, which speak the brokers' own protocols, and the rest to the service."""

    def __init__(self, service: ASGIApp, brokers: ASGIApp, paper: ASGIApp) -> None:
        self._service = service
        self._brokers = brokers
        self._paper = paper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app_for(scope)(scope, receive, send)

    def _app_for(self, scope: Scope) -> ASGIApp:
        if scope["type"] not in {"http", "websocket"}:
            return self._service
        first = f"/{''.join(scope.get('path', '').split('/')[1:2])}"
        if first == PREFIX:
            return self._paper
        return self._brokers if scope["type"] == "http" and first in PREFIXES else self._service


class AlpacaCustomers:
    """Customers of the simulated Alpaca, who may trade at the paper venues as well."""

    def __init__(self, customers: Customers) -> None:
        self._customers = customers

    def owns(self, key_id: str, secret: str) -> bool:
        """Whether this is the key pair of a customer who is let in."""
        customer = self._customers.find(Broker.ALPACA, key_id)
        if customer is None or customer.closed or not customer.secret:
            return False
        return hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), customer.secret.encode())


def build(settings: VenueSettings, *, clock: Clock | None = None) -> ASGIApp:
    """Make the application. Raises `StartError` or `DatabaseError`."""
    chassis = Chassis.open(settings, migrations=[MIGRATIONS], clock=clock)
    client = httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=False)
    randomness = SystemRandomness()
    sms: SmsSender = NoSms()
    if settings.twilio_auth_token is not None:
        token = settings.twilio_auth_token.get_secret_value()
        sms = TwilioSimulator(client, settings.webhook_url, token, randomness)
    simulators = LoginSimulators(chassis.clock, randomness, sms)
    if settings.paper_logins is not None:
        for customer in customers_in(settings.paper_logins.get_secret_value()):
            simulators.customers.put(customer)
    customers = AlpacaCustomers(simulators.customers)
    paper = PaperMarket(settings, chassis.database, chassis.clock, randomness, customers)
    watch(paper.venues.values(), chassis.telemetry.metrics)
    service = chassis.create_app(
        "Sightline venue",
        routers=[admin_router(Venues(paper.venues), randomness)],
        background=[partial(_closing, client), *paper.background],
    )
    return BrokersBeside(service, simulators.app, broker_app(paper.venues.values()))


@asynccontextmanager
async def _closing(client: httpx.AsyncClient) -> AsyncIterator[None]:
    async with client:
        yield
