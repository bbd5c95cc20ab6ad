"""Where the console service is put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.clients.automation import AutomationClient
from services.console.api import alert_router, telemetry_router
from services.console.settings import ConsoleSettings
from services.kit.app import ServiceApp
from services.kit.chassis import Chassis
from services.kit.clock import Clock
from telemetry.query.open import Readers, ReadersOptions, open_readers


def build(settings: ConsoleSettings, *, clock: Clock | None = None) -> ServiceApp:
    """Make the application. Raises `StartError` or `DatabaseError`."""
    chassis = Chassis.open(settings, clock=clock)
    readers = open_readers(
        ReadersOptions(
            loki_url=settings.loki_url,
            tempo_url=settings.tempo_url,
            prometheus_url=settings.prometheus_url,
            embedded_path=settings.embedded_path,
        )
    )
    automation = AutomationClient(chassis.client("automation", settings.automation_base_url))
    return chassis.create_app(
        "Sightline console",
        routers=[telemetry_router(readers, chassis.clock), alert_router(automation)],
        background=[partial(_closing, readers)],
    )


@asynccontextmanager
async def _closing(readers: Readers) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(readers.close)
