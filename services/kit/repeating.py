"""Looks again and again, because what is missing sends no notification: a silence, a resolution that never came."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from services.kit.errors import SightlineError

_log = logging.getLogger("services.kit.repeating")


@asynccontextmanager
async def repeating(look: Callable[[], object], *, every_seconds: float, purpose: str) -> AsyncIterator[None]:
    """Call `look` in a thread again and again, as long as the block runs.

    Args:
        look: May raise `SightlineError`, which is logged once until it succeeds again.
        every_seconds: Pause between two calls.
        purpose: What a failure keeps from happening: "cannot {purpose}".
    """
    stopping = asyncio.Event()
    task = asyncio.create_task(_repeat(look, every_seconds, purpose, stopping))
    try:
        yield
    finally:
        stopping.set()
        await task


async def _repeat(look: Callable[[], object], every_seconds: float, purpose: str, stopping: asyncio.Event) -> None:
    failing = False
    while not stopping.is_set():
        try:
            await asyncio.to_thread(look)
        except SightlineError as error:
            # What is away has its own alert. Said once, not at every turn.
            if not failing:
                _log.warning("cannot %s: %s", purpose, error.detail)
            failing = True
        else:
            failing = False
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), every_seconds)
