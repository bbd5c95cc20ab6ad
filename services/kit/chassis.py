"""Puts a service together: everything that each service has, from its settings, in a few lines."""

import asyncio
import atexit
import importlib.metadata
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, Generic, TypeVar

from fastapi import APIRouter, FastAPI
from pydantic import SecretStr

from services.kit.app import AppOptions, ServiceApp, create_app
from services.kit.bus import Consumer
from services.kit.bus_nats import NatsBus
from services.kit.callers import Callers, read_private_key
from services.kit.clock import Clock, SystemClock
from services.kit.database import Database
from services.kit.dead_letter_api import dead_letter_router
from services.kit.dead_letters import DeadLetters
from services.kit.deliveries import Deliveries
from services.kit.errors import StartError
from services.kit.event_side import EventSide
from services.kit.facts import Facts
from services.kit.health import BlockingCheck, Check
from services.kit.http_client import ServiceClient, Timeouts
from services.kit.identity import CallerSigner, CallerVerifier
from services.kit.ids import SystemIds
from services.kit.instruments import Instrument, Instruments
from services.kit.limits import RateLimiter, limits_of
from services.kit.outbox import OutboxDispatcher
from services.kit.service_settings import ServiceSettings
from services.kit.spent_tokens import DatabaseSpentTokens
from telemetry.emit.options import TelemetryOptions
from telemetry.emit.setup import Telemetry, setup

_FLUSH_SECONDS: Final = 5.0
_log = logging.getLogger("services.chassis")

SettingsT = TypeVar("SettingsT", bound=ServiceSettings)
Background = Callable[[], AbstractAsyncContextManager[object]]


class DataDirectoryError(StartError):
    """The data directory cannot be used."""

    code = "bad_data_directory"
    title = "The data directory cannot be used"


class NoIdentityError(StartError):
    """A service that calls others has no key to sign with."""

    code = "no_identity"
    title = "The service has no identity"


class Chassis(Generic[SettingsT]):
    """What a service stands on. Open it in the service's bootstrap; the application's lifespan closes it.

    Attributes:
        settings: The service's settings.
        clock: Time.
        ids: New ids.
        telemetry: Logs, traces and metrics.
        database: The service's database, migrated.
        facts: Transactions in which facts can be recorded.
        deliveries: Events that no consumer could handle; list, discard or handle them again.
    """

    def __init__(
        self,
        settings: SettingsT,
        *,
        clock: Clock,
        telemetry: Telemetry,
        database: Database,
        instruments: Instruments,
    ) -> None:
        name = settings.service_name
        self.settings = settings
        self.clock = clock
        self.ids = SystemIds(clock)
        self.telemetry = telemetry
        self.database = database
        self.facts = Facts(database, instruments, telemetry, clock, name, ids=self.ids)
        dead_letters = DeadLetters(database, telemetry.metrics, clock)
        self.deliveries = Deliveries(self.facts, dead_letters, telemetry, clock)
        self._states_facts = bool(instruments.event_types)
        self._callers = Callers(settings.callers_path)
        spent_tokens = DatabaseSpentTokens(database, clock)
        self._verifier = CallerVerifier(self._callers, spent_tokens, clock, audience=name)
        self._clients: list[ServiceClient] = []

    @classmethod
    def open(
        cls,
        settings: SettingsT,
        *,
        migrations: Sequence[Path] = (),
        instruments: Sequence[Instrument] = (),
        forced_routes: tuple[str, ...] = (),
        clock: Clock | None = None,
    ) -> "Chassis[SettingsT]":
        """Set telemetry up, open and migrate the database, read who may call.

        Args:
            settings: The service's settings.
            migrations: Directories of the service's own migrations.
            instruments: What to log and measure for each event that the service states.
            forced_routes: Path prefixes whose requests are always traced.
            clock: Time; the machine's by default.

        Raises:
            StartError: Something has to be changed first; the message says what.
            DatabaseError: The database is away.
        """
        clock = clock or SystemClock()
        _prepare_directory(settings.data_dir)
        table = Instruments(instruments)
        with ExitStack() as undo:
            telemetry = setup(_telemetry_options(settings, forced_routes))
            undo.callback(telemetry.shutdown, _FLUSH_SECONDS)
            database = Database(
                settings.full_database_url().get_secret_value(), service=settings.service_name, versions=migrations
            )
            undo.callback(database.close)
            database.migrate()
            chassis = cls(settings, clock=clock, telemetry=telemetry, database=database, instruments=table)
            undo.pop_all()
        # For a service that fails between here and its lifespan: the server's signals end the process without it.
        atexit.register(chassis.close)
        return chassis

    def client(self, dependency: str, base_url: str, *, timeouts: Timeouts | None = None) -> ServiceClient:
        """A client for another service, signed with this service's identity; closed with the application.

        Raises:
            NoIdentityError: There is no key to sign with.
            IdentityKeyError: The key cannot be used.
        """
        key = self.settings.identity_key
        name = self.settings.service_name
        if key is None:
            raise NoIdentityError(f"There is no identity/{name}.pem among the secrets; `sightline up` makes it.")
        signer = CallerSigner(name, read_private_key(key.get_secret_value()), self.clock)
        client = ServiceClient(
            base_url,
            dependency,
            signer=signer,
            metrics=self.telemetry.metrics,
            tracer=self.telemetry.tracer("services.kit.http_client"),
            timeouts=timeouts,
        )
        self._clients.append(client)
        return client

    def create_app(  # noqa: PLR0913 -- what a service may add to the shared parts, all but two optional
        self,
        title: str,
        *,
        routers: Sequence[APIRouter],
        consumers: Sequence[Consumer] = (),
        checks: Mapping[str, Check] | None = None,
        fixed_tokens: Mapping[str, SecretStr] | None = None,
        open_paths: frozenset[str] = frozenset(),
        background: Sequence[Background] = (),
    ) -> ServiceApp:
        """Make the application, with database, bus and callers' file as dependencies.

        Args:
            title: Name in the OpenAPI description.
            routers: The service's routes; each has a guard or an open path.
            consumers: Who handles which events.
            checks: Checks of further dependencies, for `/readyz`.
            fixed_tokens: Tokens of callers that cannot sign, by the name that `require_bearer` asks for.
            open_paths: Paths that need no caller.
            background: Context managers that are entered while the application runs.

        Raises:
            UnguardedRouteError: A route has neither a guard nor an open path.
        """
        events = self._events(consumers)
        own: dict[str, Check] = {
            "database": BlockingCheck(self.database.ping),
            "callers": BlockingCheck(self._callers.check),
        }
        if events is not None:
            own["bus"] = events.bus.ping
            own["outbox"] = BlockingCheck(events.dispatcher.check)
        app = create_app(
            AppOptions(
                title=title,
                version=_version(),
                metrics=self.telemetry.metrics,
                telemetry_config=self.telemetry.fastapi_config(),
                verifier=self._verifier,
                routers=[*routers, *([dead_letter_router(self.deliveries)] if consumers else [])],
                checks={**own, **(checks or {})},
                fixed_tokens=fixed_tokens or {},
                open_paths=open_paths,
                max_body_bytes=self.settings.max_body_bytes,
                lifespan=self._lifespan(events, background),
            )
        )
        limiter = RateLimiter(self.database, self.clock, self.telemetry.metrics)
        limiter.declare(limits_of(app.routes))
        app.state.limiter = limiter
        return app

    def close(self) -> None:
        """Close the database and send the telemetry off. The application's lifespan does it by itself."""
        atexit.unregister(self.close)
        self.database.close()
        self.telemetry.flush(_FLUSH_SECONDS)
        self.telemetry.shutdown(_FLUSH_SECONDS)

    def _events(self, consumers: Sequence[Consumer]) -> EventSide | None:
        if not self._states_facts and not consumers:
            return None
        token = self.settings.nats_token.get_secret_value() if self.settings.nats_token else ""
        bus = NatsBus(
            self.settings.nats_url,
            token=token,
            service=self.settings.service_name,
            deliveries=self.deliveries,
            telemetry=self.telemetry,
        )
        return EventSide(self.facts, bus, OutboxDispatcher(self.database, bus, self.telemetry, self.clock), consumers)

    def _lifespan(
        self, events: EventSide | None, background: Sequence[Background]
    ) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
        @asynccontextmanager
        async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
            async with AsyncExitStack() as stack:
                # Left in reverse: what runs stops first, and telemetry, which tells of it, goes last. It goes here
                # and not at exit, because the server ends by the signal that stopped it.
                stack.push_async_callback(asyncio.to_thread, self.close)
                for client in self._clients:
                    stack.push_async_callback(client.close)
                if events is not None:
                    await stack.enter_async_context(events.running())
                for enter in background:
                    await stack.enter_async_context(enter())
                _log.info("started")
                yield
                _log.info("stopping")

        return lifespan


def _telemetry_options(settings: ServiceSettings, forced_routes: tuple[str, ...]) -> TelemetryOptions:
    return TelemetryOptions(
        service_name=settings.service_name,
        env=settings.env,
        version=_version(),
        data_dir=settings.data_dir,
        log_level=settings.log_level,
        console=settings.console,
        loki_url=settings.loki_url,
        otlp_url=settings.otlp_url,
        embedded_path=settings.embedded_path,
        sample_ratio=settings.sample_ratio,
        forced_routes=forced_routes,
        audit_path=settings.data_dir / "audit" / f"{settings.service_name}.jsonl",
    )


def _prepare_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise DataDirectoryError(
            f"{path} cannot be written ({error.strerror}); set SIGHTLINE_DATA_DIR, or give it to the user who runs me."
        ) from None


def _version() -> str:
    try:
        return importlib.metadata.version("sightline")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
