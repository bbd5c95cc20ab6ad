"""What has been logged, asked of the console: auth itself does not read telemetry back."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from services.auth.preflight.ports import LoggedLine
from services.clients.console import ConsoleClient
from services.kit.clock import Clock

LOOKED_BACK: Final = timedelta(minutes=15)
MOST_LINES: Final = 2_000
# Lines of a moment ago are still on their way; those of hosts whose clocks are ahead of ours count too.
_AHEAD: Final = timedelta(seconds=15)


class ConsoleLogSearch:
    """The newest `MOST_LINES` lines of the last `LOOKED_BACK`, of every service."""

    def __init__(self, console: ConsoleClient, clock: Clock) -> None:
        self._console = console
        self._clock = clock

    async def recent(self) -> Sequence[LoggedLine]:
        now = self._clock.now()
        found = await self._console.logs(start=now - LOOKED_BACK, end=now + _AHEAD, limit=MOST_LINES)
        return [LoggedLine(line.service_name, line.logger, (line.line, *line.fields.values())) for line in found.lines]
