"""A session keeper over a real database, a real vault and the simulated brokers, with a clock that tests move."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import httpx
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.auth.accounts import Account, Accounts, MfaMethod
from services.auth.logins.alpaca import AlpacaLogin
from services.auth.logins.ibkr import IbkrLogin
from services.auth.logins.port import BrokerLogin
from services.auth.logins.robinhood import RobinhoodLogin
from services.auth.logins.schwab import SchwabLogin
from services.auth.logins.wire import Wire
from services.auth.secret import OneTimeCode, Secret
from services.auth.sessions.journal import Journal
from services.auth.sessions.keeper import KeeperParts, SessionKeeper
from services.auth.sessions.parts import LoginParts
from services.auth.sessions.single_flight import SingleFlight
from services.auth.sessions.threads import Threads
from services.auth.sms.correlator import SmsCorrelator, SmsMessage
from services.auth.sms.patterns import standard_patterns
from services.auth.totp.clock_offset import ClockWatch
from services.auth.totp.issuer import CodeIssuer, Waiter
from services.auth.totp.seeds import TotpSeed
from services.contracts.auth import AccountId, Broker, CredentialKind
from services.contracts.verdict import Environment
from services.kit.clock import Clock
from services.kit.ids import Randomness, SystemRandomness
from services.venue.logins.customers import Customer, Factor
from services.venue.logins.simulators import LoginSimulators
from tests.auth.support import OPERATOR, SEED, House
from tests.fakes.clock import FakeClock

NUMBER = "+15005550100"
PASSWORD = "canary-password-5150"
APP_SECRET = "canary-app-secret-77"
NAMES = {
    Broker.ALPACA: AccountId("alpaca-paper"),
    Broker.SCHWAB: AccountId("schwab-main"),
    Broker.IBKR: AccountId("ibkr-main"),
    Broker.ROBINHOOD: AccountId("robinhood-main"),
}

Result = TypeVar("Result")


class AdvancingWaiter:
    """Lets the clock do the waiting."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def wait(self, seconds: float) -> None:
        self._clock.advance(seconds)


class RealWaiter:
    """Waits for another thread for a moment, without moving the clock."""

    def wait(self, seconds: float) -> None:
        threading.Event().wait(min(seconds, 0.005))


@dataclass
class ScriptedPauses:
    """Moves the clock instead of waiting, and does at the n-th pause what the test says for it."""

    clock: FakeClock
    paused: list[float] = field(default_factory=list)
    at: dict[int, Callable[[], object]] = field(default_factory=dict)

    async def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.clock.advance(seconds)
        self.at.get(len(self.paused), object)()
        await asyncio.sleep(0)


class DirectSms:
    """Brings text messages straight to the inbox."""

    def __init__(self, inbox: SmsCorrelator, clock: Clock) -> None:
        self._inbox = inbox
        self._clock = clock
        self.sent = 0
        self.lost = False

    async def send(self, number: str, body: str) -> None:
        self.sent += 1
        if not self.lost:
            self._inbox.offer(SmsMessage(f"SM{self.sent:032x}", number, body, self._clock.now()))


class AskedInbox(SmsCorrelator):
    """Lets a test act as the person from whom a code is wanted, at the moment it is."""

    person: Callable[[str], str | None] | None = None

    def wait(self, challenge_id: str, timeout_seconds: float) -> OneTimeCode:
        brought = self.person(challenge_id) if self.person else None
        if brought is not None:
            self.enter(challenge_id, brought)
        return super().wait(challenge_id, timeout_seconds)


@dataclass
class Interference(httpx.AsyncBaseTransport):
    """Stands between auth and the brokers: breaks off, or lets something happen, when a request passes."""

    brokers: httpx.ASGITransport
    break_before: Callable[[httpx.Request], bool] = field(default=lambda _request: False)
    break_after: Callable[[httpx.Request], bool] = field(default=lambda _request: False)
    meanwhile: Callable[[httpx.Request], Awaitable[None]] | None = None
    requests: list[str] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(f"{request.method} {request.url.path}")
        if self.break_before(request):
            raise httpx.ConnectError("refused", request=request)
        response = await self.brokers.handle_async_request(request)
        if self.meanwhile is not None:
            await self.meanwhile(request)
        if self.break_after(request):
            raise httpx.ReadTimeout("no answer", request=request)
        return response


class Keeping:
    """The keeper and everything around it."""

    def __init__(self, house: House, clock: FakeClock) -> None:
        self.house = house
        self.clock = clock
        self.randomness: Randomness = SystemRandomness()
        self.inbox = AskedInbox(standard_patterns(), clock, self.randomness)
        self.sms = DirectSms(self.inbox, clock)
        self.venue = LoginSimulators(clock, self.randomness, self.sms)
        self.net = Interference(httpx.ASGITransport(self.venue.app))
        self.pauses = ScriptedPauses(clock)
        self.spans = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.login_due = dict[AccountId, datetime | None]()
        self.keeper = self.another()

    def another(self, waiter: Waiter | None = None, *, sms_wait_seconds: float = 0.05) -> SessionKeeper:
        """A keeper on the same database, as in another process or after a restart."""
        house, clock = self.house, self.clock
        waiter = waiter or AdvancingWaiter(clock)
        client = httpx.AsyncClient(transport=self.net)
        login = LoginParts(
            logins=logins(Wire(client, clock), clock, self.randomness),
            journal=Journal(house.facts, house.database, house.vault, clock),
            issuer=CodeIssuer(house.vault, house.facts, clock, waiter=waiter, correction=ClockWatch()),
            inbox=self.inbox,
            clock=clock,
            randomness=self.randomness,
            tracer=self.provider.get_tracer("auth"),
            pauses=self.pauses,
            threads=Threads(),
            sms_wait_seconds=sms_wait_seconds,
        )
        return SessionKeeper(
            KeeperParts(
                accounts=Accounts(),
                readings=house.database,
                vault=house.vault,
                flight=SingleFlight(house.facts, house.database, clock, self.randomness, waiter),
                login=login,
                login_due=self.login_due.__setitem__,
            )
        )

    def register(self, broker: Broker, mfa: MfaMethod, data: dict[str, str], factor: Factor = Factor.NONE) -> Customer:
        """An account here, and the customer there."""
        name = NAMES[broker]
        account = Account(name, broker, Environment.PAPER, mfa, f"http://127.0.0.1:8740/{broker}", data)
        with self.house.database.transaction() as connection:
            Accounts().put(connection, account, self.clock.now())
        user = data.get("username") or data.get("app_key") or "KEYID"
        customer = Customer(broker, user, PASSWORD, factor, SEED if factor is Factor.TOTP else "", NUMBER)
        return self.venue.customers.put(customer)

    def alpaca(self) -> Customer:
        """A key pair."""
        self.store(Broker.ALPACA, CredentialKind.API_KEY, f"KEYID:{PASSWORD}")
        return self.register(Broker.ALPACA, MfaMethod.NONE, {})

    def schwab(self) -> Customer:
        """An app."""
        self.store(Broker.SCHWAB, CredentialKind.API_KEY, PASSWORD)
        data = {"app_key": "the-app", "callback_url": "https://127.0.0.1:8182/"}
        return self.register(Broker.SCHWAB, MfaMethod.NONE, data)

    def ibkr(self) -> Customer:
        """A gateway."""
        return self.register(Broker.IBKR, MfaMethod.APPROVAL, {})

    def robinhood(self, factor: Factor = Factor.TOTP) -> Customer:
        """A user name and a second factor."""
        mfa = {Factor.TOTP: MfaMethod.TOTP, Factor.SMS: MfaMethod.SMS, Factor.SMS_CHALLENGE: MfaMethod.SMS}
        self.store(Broker.ROBINHOOD, CredentialKind.PASSWORD, PASSWORD)
        if factor is Factor.TOTP:
            self.store(Broker.ROBINHOOD, CredentialKind.TOTP_SEED, None)
        data = {"username": "me@example.com", "sms_number": NUMBER}
        return self.register(Broker.ROBINHOOD, mfa.get(factor, MfaMethod.APPROVAL), data, factor)

    def store(self, broker: Broker, kind: CredentialKind, text: str | None) -> None:
        """Put a secret into the vault; none stands for the seed."""
        secret = TotpSeed.from_text(SEED).to_vault() if text is None else Secret(text)
        self.house.vault.put(NAMES[broker], kind, secret, actor=OPERATOR)

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run it to its end."""
        return asyncio.run(work)

    def told(self) -> list[str]:
        """Types of the facts about logins and sessions, in order."""
        rooms = ("auth.login", "auth.session")
        return [each.event_type[5:] for each in self.house.facts.facts if each.event_type.startswith(rooms)]


def logins(wire: Wire, clock: Clock, randomness: Randomness) -> dict[Broker, BrokerLogin]:
    """Every broker's login."""
    return {
        Broker.ALPACA: AlpacaLogin(wire),
        Broker.SCHWAB: SchwabLogin(wire, clock, randomness),
        Broker.IBKR: IbkrLogin(wire, clock),
        Broker.ROBINHOOD: RobinhoodLogin(wire, clock, randomness),
    }
