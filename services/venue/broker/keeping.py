"""Lets venues notice the time: sessions open and close, and faults of the venue become due, without a request."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from services.kit.errors import SightlineError
from services.venue.broker.venue import PaperVenue

_EVERY_SECONDS: Final = 0.25
_log = logging.getLogger("services.venue.broker")


@asynccontextmanager
async def watching_the_clock(venues: Sequence[PaperVenue]) -> AsyncIterator[None]:
    """Look as long as the block runs."""
    task = asyncio.create_task(_watch(venues))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _watch(venues: Sequence[PaperVenue]) -> None:
    failing = False
    while True:
        try:
            for venue in venues:
                await venue.look_at_the_clock()
        except SightlineError as error:
            if not failing:
                _log.warning("the paper venues cannot store what the time brought: %s", error.detail)
            failing = True
        else:
            failing = False
        await asyncio.sleep(_EVERY_SECONDS)
