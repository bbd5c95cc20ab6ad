"""Reads back, by way of the console, what was anchored in the logs: auth itself does not read telemetry."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Final

from services.auth.anchoring import FIRST_WORDS, LOGGER, anchor_of
from services.auth.vault.audit import Anchor
from services.clients.console import ConsoleClient
from services.kit.clock import Clock
from services.kit.errors import SightlineError

# Logs are kept for thirty days, and Loki takes no question about more.
KEPT: Final = timedelta(days=29)
LATELY: Final = timedelta(minutes=15)
# At one a minute sixteen hours: for so long the log store may have been away after an earlier start, unnoticed.
_MOST: Final = 1_000
_MOST_LATELY: Final = 30
_AHEAD: Final = timedelta(seconds=15)
_AGAIN_SECONDS: Final = 5.0


class LoggedAnchors:
    """What this service and those before it have anchored.

    Args:
        console: Searches the logs.
        clock: Tells now from before the start.
    """

    def __init__(self, console: ConsoleClient, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._started_at = clock.now()
        self._earlier: Sequence[Anchor] | None = None

    @property
    def known(self) -> Sequence[Anchor]:
        """What was anchored before the start, as far as it could be read."""
        return self._earlier or ()

    async def read(self) -> Sequence[Anchor]:
        """What was anchored before the start and lately.

        Raises:
            SightlineError: The logs cannot be read now.
        """
        now = self._clock.now()
        lately = await self._search(now - LATELY, now + _AHEAD, _MOST_LATELY)
        return (*await self._before_the_start(), *lately)

    @asynccontextmanager
    async def reading_back(self) -> AsyncIterator[None]:
        """Read what was anchored before the start as soon as the logs can be read, while the block runs."""
        stopping = asyncio.Event()
        task = asyncio.create_task(self._until_read(stopping))
        try:
            yield
        finally:
            stopping.set()
            await task

    async def _until_read(self, stopping: asyncio.Event) -> None:
        while self._earlier is None and not stopping.is_set():
            # What is away has its own alert, and preflight says what that means here.
            with suppress(SightlineError):
                await self._before_the_start()
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _AGAIN_SECONDS)

    async def _before_the_start(self) -> Sequence[Anchor]:
        if self._earlier is None:
            # Up to the start: what is anchored after it tells of the trail as it was found.
            self._earlier = await self._search(self._started_at - KEPT, self._started_at, _MOST)
        return self._earlier

    async def _search(self, start: datetime, end: datetime, most: int) -> list[Anchor]:
        found = await self._console.logs(
            start=start, end=end, limit=most, service="auth", logger=LOGGER, text=FIRST_WORDS
        )
        anchors = [anchor_of(line.fields, line.time) for line in found.lines]
        # The same head was written many times where the trail did not grow: the last time counts.
        return list({anchor.head: anchor for anchor in reversed(anchors) if anchor is not None}.values())
