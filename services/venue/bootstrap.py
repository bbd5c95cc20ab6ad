"""Where the venue is put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from services.kit.chassis import Chassis
from services.kit.clock import Clock
from services.kit.ids import SystemRandomness
from services.venue.logins.simulators import PREFIXES, LoginSimulators
from services.venue.logins.sms import NoSms, SmsSender, TwilioSimulator
from services.venue.settings import VenueSettings

_TIMEOUT = httpx.Timeout(5.0, connect=1.0)


class BrokersBeside:
    """Leads brokers' paths to the simulators, which speak the brokers' own protocols, and the rest to the service."""

    def __init__(self, service: ASGIApp, brokers: ASGIApp) -> None:
        self._service = service
        self._brokers = brokers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = scope.get("path", "").split("/")[1:2]
        for_brokers = scope["type"] == "http" and f"/{''.join(first)}" in PREFIXES
        await (self._brokers if for_brokers else self._service)(scope, receive, send)


def build(settings: VenueSettings, *, clock: Clock | None = None) -> ASGIApp:
    """Make the application. Raises `StartError` or `DatabaseError`."""
    chassis = Chassis.open(settings, clock=clock)
    client = httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=False)
    randomness = SystemRandomness()
    sms: SmsSender = NoSms()
    if settings.twilio_auth_token is not None:
        token = settings.twilio_auth_token.get_secret_value()
        sms = TwilioSimulator(client, settings.webhook_url, token, randomness)
    simulators = LoginSimulators(chassis.clock, randomness, sms)
    service = chassis.create_app("Sightline venue", routers=[], background=[partial(_closing, client)])
    return BrokersBeside(service, simulators.app)


@asynccontextmanager
async def _closing(client: httpx.AsyncClient) -> AsyncIterator[None]:
    async with client:
        yield
