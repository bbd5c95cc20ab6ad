"""Listens for the silence of an alert that should always fire."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from services.automation.alerts import AlertDesk
from services.kit.errors import SightlineError

_log = logging.getLogger("services.automation.watchdog")


@asynccontextmanager
async def listening(desk: AlertDesk, *, every_seconds: float) -> AsyncIterator[None]:
    """Let `desk` notice a silence, as long as the block runs."""
    stopping = asyncio.Event()
    task = asyncio.create_task(_listen(desk, every_seconds, stopping))
    try:
        yield
    finally:
        stopping.set()
        await task


async def _listen(desk: AlertDesk, every_seconds: float, stopping: asyncio.Event) -> None:
    failing = False
    while not stopping.is_set():
        try:
            await asyncio.to_thread(desk.listen)
        except SightlineError as error:
            # The database is away: /readyz and its alert say so. Said once, not at every turn.
            if not failing:
                _log.warning("cannot tell whether alerting is silent: %s", error.detail)
            failing = True
        else:
            failing = False
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), every_seconds)
