"""Checks of what leaves the service as telemetry: that it arrives, and that no secret is in it."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from services.auth.preflight.check import Asked, Check, Finding, Severity, failed, passed, warned
from services.auth.preflight.ports import CanarySource, LoggedLine, LogSearch, TelemetryHealth
from services.auth.secret import Secret
from telemetry.emit.redaction import Redactor

_MOST_NAMED = 3


class TelemetryFlowingCheck(Check):
    """What is not seen cannot be acted upon."""

    check_id = "telemetry_flowing"
    severity = Severity.WARN
    remedy = "Look at the dashboard Telemetry health, and whether the log and trace stores answer."
    longest_spool_age_seconds = 300.0

    def __init__(self, health: TelemetryHealth) -> None:
        self._health = health

    async def look(self, asked: Asked) -> Finding:  # noqa: ARG002 -- telemetry is the same for every account
        losses = await self._health.losses()
        if losses.dropped_items:
            minutes = losses.window_seconds / 60
            return warned(f"{losses.dropped_items} log lines or spans were lost within the last {minutes:.0f} minutes.")
        if losses.spool_age_seconds > self.longest_spool_age_seconds:
            return warned(f"Log lines have waited on disk for {losses.spool_age_seconds:.0f} s; their store is away.")
        return passed("Nothing was lost lately, and nothing waits.")


class SecretExposureCheck(Check):
    """A secret in a log line is in the log store, its backups, and whatever reads them.

    Args:
        logs: Where the lines are read.
        canaries: Secrets that were planted to be found here if anything lets secrets out. They are compared on
            this side and never sent to the log store.
    """

    check_id = "secret_exposure"
    severity = Severity.BLOCK
    remedy = "Exchange the secret at the broker, then find the line that let it out; the runbook says how."

    def __init__(self, logs: LogSearch, canaries: CanarySource) -> None:
        self._logs = logs
        self._canaries = canaries

    async def look(self, asked: Asked) -> Finding:  # noqa: ARG002 -- a secret in the logs concerns every account
        lines = await self._logs.recent()
        canaries = await self._canaries.planted()
        # Up to a tenth of a second of work: the other checks' answers should not wait for it.
        found = await asyncio.to_thread(_found_in, lines, canaries)
        if not found:
            return passed(f"No secret in the last {len(lines)} log lines, and none of {len(canaries)} planted ones.")
        named = "; ".join(f"{place}, {count} times" for place, count in found.most_common(_MOST_NAMED))
        return failed(f"There are secrets in the logs: {named}.")


def _found_in(lines: Sequence[LoggedLine], canaries: Sequence[Secret]) -> Counter[str]:
    return Counter(
        f"{what} in a line of {line.service_name} ({line.logger})"
        for line in lines
        for what in _seen_in(line, canaries)
    )


def _seen_in(line: LoggedLine, canaries: Sequence[Secret]) -> set[str]:
    seen: set[str] = set()
    # What the emitting side would have blanked out must not be there: the same patterns, on what arrived.
    redactor = Redactor(lambda pattern: seen.add(f"a secret of the kind {pattern}"))
    for text in line.texts:
        redactor.text(text)
        if any(canary.use(lambda planted, text=text: planted in text) for canary in canaries):  # type: ignore[misc] # the loop's present value
            seen.add("a planted canary")
    return seen
