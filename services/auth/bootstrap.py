"""Where the auth service is put together."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event as Flag

import httpx

from services.auth import paper
from services.auth.accounts import Accounts
from services.auth.anchoring import EVERY_SECONDS as ANCHOR_SECONDS
from services.auth.anchoring import AuditAnchor
from services.auth.api import account_router, step_up_router, vault_router
from services.auth.audit_watch import AuditWatch
from services.auth.canaries import Canaries
from services.auth.clock_keeping import EVERY_SECONDS as CLOCK_SECONDS
from services.auth.clock_keeping import ClockKeeping
from services.auth.door import VaultDoor
from services.auth.gateway_trust import trusting
from services.auth.gauges import AccountGauges, AccountLabels
from services.auth.key_sources import KeySources
from services.auth.logged_anchors import LoggedAnchors
from services.auth.logins.alpaca import AlpacaLogin
from services.auth.logins.ibkr import IbkrLogin
from services.auth.logins.port import BrokerLogin
from services.auth.logins.robinhood import RobinhoodLogin
from services.auth.logins.schwab import SchwabLogin
from services.auth.logins.wire import Wire
from services.auth.opening import open_chassis, operations_over, private_paths
from services.auth.paper import PaperAccounts
from services.auth.preflight.adapters import EmittedTelemetry, StoredAccountState, StoredCanaries, VaultStore
from services.auth.preflight.api import preflight_router
from services.auth.preflight.broker_access import LiveBroker
from services.auth.preflight.endpoints import EndpointTable
from services.auth.preflight.log_search import ConsoleLogSearch
from services.auth.preflight.runner import Preflight
from services.auth.preflight.table import Sights, standard_checks
from services.auth.preflight.workers import Workers
from services.auth.rehearsal import EVERY_SECONDS as REHEARSAL_SECONDS
from services.auth.rehearsal import Rehearsal
from services.auth.secret import Secret
from services.auth.sessions.journal import Journal
from services.auth.sessions.keeper import KeeperParts, SessionKeeper
from services.auth.sessions.parts import LoginParts, TimedPauses
from services.auth.sessions.single_flight import SingleFlight
from services.auth.sessions.threads import Threads
from services.auth.sessions_api import session_router
from services.auth.settings import AuthSettings
from services.auth.sms.correlator import SmsCorrelator
from services.auth.sms.patterns import standard_patterns
from services.auth.sms.side import SmsParts, SmsSide, TwilioOptions, sms_side
from services.auth.sms.stages_api import stage_router
from services.auth.sms.tracker import EVERY_SECONDS as STAGE_SECONDS
from services.auth.sms.tracker import MfaTracker
from services.auth.step_up import StepUp
from services.auth.totp.clock_offset import ClockWatch
from services.auth.totp.issuer import CodeIssuer, StoppableWaiter
from services.auth.vault.compared import ComparedSecrets
from services.auth.vault.vault import Vault
from services.auth.verdict_keys import key_id_of, verdict_key_router
from services.auth.verdicts import VerdictSigner
from services.clients.console import ConsoleClient
from services.contracts.auth import AccountId, Broker
from services.kit.app import ServiceApp
from services.kit.callers import read_private_key
from services.kit.chassis import Background, Chassis
from services.kit.clock import Clock
from services.kit.health import BlockingCheck
from services.kit.ids import SystemRandomness
from services.kit.repeating import repeating
from telemetry.catalogue import AUTH_LOGIN_DUE

_UNSEAL_SECONDS = 5.0
_TIMEOUT = httpx.Timeout(10.0, connect=3.0)
_MACHINE_ID = Path("/etc/machine-id")


def build(settings: AuthSettings, *, clock: Clock | None = None) -> ServiceApp:
    """Make the application; it serves sealed when no key is at hand. Raises `StartError` or `DatabaseError`."""
    house = _House(open_chassis(settings, clock=clock))
    chassis, metrics = house.chassis, house.chassis.telemetry.metrics
    gauges = AccountGauges(house.accounts, chassis.database, metrics, chassis.clock)
    gauges.refresh()
    metrics.before_collecting(gauges.refresh)
    door = VaultDoor(house.vault, KeySources(settings), chassis.database, metrics)
    door.open_at_start()
    keeper, sms = _keeper(house), _sms(house)
    verdict_key = read_private_key(settings.verdict_key.get_secret_value())
    signer = VerdictSigner(verdict_key, key_id_of(verdict_key), chassis.clock)
    return chassis.create_app(
        "Sightline auth",
        routers=[
            account_router(house.accounts, house.vault, chassis.database),
            vault_router(door, house.vault),
            step_up_router(house.step_up),
            session_router(keeper),
            preflight_router(_preflight(house, keeper, signer)),
            verdict_key_router(verdict_key),
            stage_router(house.tracker),
            *sms.routers,
        ],
        checks={"vault": BlockingCheck(door.check)},
        open_paths=sms.open_paths,
        background=[*_background(house, door), *sms.background, keeper.keep_alive, *_paper(house, door, keeper)],
    )


class _House:
    """Parts that several others share."""

    def __init__(self, chassis: Chassis[AuthSettings]) -> None:
        self.chassis = chassis
        self.accounts = Accounts(AccountLabels(chassis.telemetry.metrics).learn)
        self.watch = ClockWatch()
        self.endpoints = EndpointTable(simulator_hosts=frozenset(chassis.settings.simulator_hosts))
        self.randomness = SystemRandomness()
        self.stopping = Flag()
        self.workers = Workers()
        self.vault = Vault(chassis.facts, chassis.database, chassis.clock)
        compared = ComparedSecrets(self.vault, chassis.facts, chassis.database, chassis.clock)
        self.step_up = StepUp(self.vault, compared, chassis.facts, chassis.clock)
        self.trail = AuditWatch(self.vault, chassis.database, chassis.clock)
        self.console = ConsoleClient(chassis.client("console", chassis.settings.console_base_url))
        self.anchors = LoggedAnchors(self.console, chassis.clock)
        self.canaries = Canaries(self.vault, chassis.database, self.randomness)
        self.tracker = MfaTracker(chassis.facts, chassis.database, self.accounts, chassis.clock)
        self.inbox = SmsCorrelator(standard_patterns(), chassis.clock, self.randomness)
        self.brokers = httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, trust_env=False)
        # A client of its own: what is trusted at the gateway on this machine is trusted nowhere else.
        self.gateway = httpx.AsyncClient(
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            verify=trusting(chassis.settings.ibkr_ca_file),
        )


def _keeper(house: _House) -> SessionKeeper:
    chassis = house.chassis
    facts, database, clock = chassis.facts, chassis.database, chassis.clock
    waiter = StoppableWaiter(house.stopping)
    metrics = chassis.telemetry.metrics

    def login_due(account: AccountId, at: datetime | None) -> None:
        metrics.gauge(AUTH_LOGIN_DUE, account=account).set(0.0 if at is None else at.timestamp())

    login = LoginParts(
        logins=_logins(house, house.brokers, house.gateway),
        journal=Journal(facts, database, house.vault, clock, house.endpoints),
        issuer=CodeIssuer(house.vault, facts, clock, waiter=waiter, correction=house.watch),
        inbox=house.inbox,
        clock=clock,
        randomness=house.randomness,
        tracer=chassis.telemetry.tracer("services.auth.sessions"),
        pauses=TimedPauses(),
        threads=Threads(),
    )
    return SessionKeeper(
        KeeperParts(
            accounts=house.accounts,
            readings=database,
            vault=house.vault,
            flight=SingleFlight(facts, database, clock, house.randomness, waiter),
            login=login,
            login_due=login_due,
        )
    )


def _sms(house: _House) -> SmsSide:
    chassis, settings, options = house.chassis, house.chassis.settings, None
    if settings.twilio_auth_token is not None:
        options = TwilioOptions(
            account_id=settings.twilio_account_id,
            auth_token=Secret(settings.twilio_auth_token.get_secret_value()),
            webhook_url=settings.sms_webhook_address,
            api_url=settings.twilio_api_url,
        )
    parts = SmsParts(
        inbox=house.inbox,
        transactions=chassis.facts,
        accounts=house.accounts,
        metrics=chassis.telemetry.metrics,
        clock=chassis.clock,
    )
    return sms_side(options, parts)


def _logins(house: _House, brokers: httpx.AsyncClient, gateway: httpx.AsyncClient) -> dict[Broker, BrokerLogin]:
    clock, wire = house.chassis.clock, Wire(brokers, house.chassis.clock)
    return {
        Broker.ALPACA: AlpacaLogin(wire),
        Broker.SCHWAB: SchwabLogin(wire, clock, house.randomness),
        Broker.IBKR: IbkrLogin(Wire(gateway, clock), clock),
        Broker.ROBINHOOD: RobinhoodLogin(wire, clock, house.randomness),
    }


def _preflight(house: _House, keeper: SessionKeeper, signer: VerdictSigner) -> Preflight:
    chassis, workers = house.chassis, house.workers
    facts, database, clock = chassis.facts, chassis.database, chassis.clock
    metrics, settings = chassis.telemetry.metrics, chassis.settings
    sights = Sights(
        vault=house.vault,
        store=VaultStore(house.vault, house.trail, house.anchors, private_paths(settings), workers),
        state=StoredAccountState(
            house.vault, transactions=facts, readings=database, clock=clock, workers=workers, host=_host()
        ),
        broker=LiveBroker(
            house.brokers, house.endpoints, keeper.probe, clock, own_clients={Broker.IBKR: house.gateway}
        ),
        telemetry=EmittedTelemetry(metrics, clock, workers),
        logs=ConsoleLogSearch(house.console, clock),
        endpoints=house.endpoints,
        canaries=StoredCanaries(house.canaries, workers),
    )
    return Preflight(
        standard_checks(sights, clock),
        accounts=house.accounts,
        transactions=facts,
        readings=database,
        signer=signer,
        metrics=metrics,
        clock=clock,
        workers=workers,
    )


def _background(house: _House, door: VaultDoor) -> list[Background]:
    anchor = AuditAnchor(house.vault, house.trail, lambda: house.anchors.known, house.chassis.telemetry.metrics)
    client = httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False)
    clocks = ClockKeeping(
        watch=house.watch,
        client=client,
        urls=house.chassis.settings.clock_urls,
        accounts=house.accounts,
        endpoints=house.endpoints,
        readings=house.chassis.database,
        metrics=house.chassis.telemetry.metrics,
        clock=house.chassis.clock,
    )
    rehearsal = Rehearsal(
        house.canaries,
        house.vault,
        house.accounts,
        house.chassis.database,
        lambda nowhere: _logins(house, nowhere, nowhere),
    )
    return [
        partial(_closing, house, client),
        house.anchors.reading_back,
        partial(repeating, door.look, every_seconds=_UNSEAL_SECONDS, purpose="unseal the vault"),
        partial(repeating, anchor.look, every_seconds=ANCHOR_SECONDS, purpose="anchor the audit trail"),
        partial(repeating, rehearsal.look, every_seconds=REHEARSAL_SECONDS, purpose="look for ways secrets get out"),
        partial(repeating, clocks.look, every_seconds=CLOCK_SECONDS, purpose="compare clocks"),
        partial(repeating, house.tracker.look, every_seconds=STAGE_SECONDS, purpose="note which seeds have logged in"),
    ]


def _paper(house: _House, door: VaultDoor, keeper: SessionKeeper) -> list[Background]:
    settings = house.chassis.settings
    openings = []
    if settings.paper_accounts is not None:
        openings += paper.at_venues(settings.paper_accounts.get_secret_value(), settings.paper_base_url)
    if settings.paper_logins is not None:
        openings += paper.at_simulators(settings.paper_logins.get_secret_value(), settings.paper_base_url)
    if settings.alpaca_paper_keys is not None:
        openings += paper.at_alpaca(settings.alpaca_paper_keys.get_secret_value())
    if not openings:
        return []
    opening = PaperAccounts(
        openings,
        operations=operations_over(house.chassis, house.vault, door, house.accounts, actor="auth"),
        vault=house.vault,
        keeper=keeper,
        clock=house.chassis.clock,
    )
    return [opening.opening]


@asynccontextmanager
async def _closing(house: _House, client: httpx.Client) -> AsyncIterator[None]:
    try:
        yield
    finally:
        house.stopping.set()  # whoever waits for a code's time step goes home
        house.workers.close()
        await house.brokers.aclose()
        await house.gateway.aclose()
        await asyncio.to_thread(client.close)


def _host() -> str:
    """A name for this machine that outlives a restart."""
    return _MACHINE_ID.read_text(encoding="ascii").strip() if _MACHINE_ID.is_file() else socket.gethostname()
