"""Whether a service is alive, and whether everything it depends on is there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Final, Literal

from fastapi import APIRouter, Response, status
from pydantic import BaseModel, ConfigDict

from services.kit.errors import SightlineError
from telemetry.catalogue import DEPENDENCY_READY
from telemetry.emit.metrics import Metrics

Check = Callable[[], Awaitable[None]]
DEADLINE_SECONDS: Final = 2.0
WATCH_EVERY_SECONDS: Final = 10.0


class DependencyReport(BaseModel):
    """What one check found; `reason` is empty when the dependency is ready."""

    model_config = ConfigDict(frozen=True)

    ready: bool
    seconds: float
    reason: str = ""


class ReadinessReport(BaseModel):
    """What all checks found."""

    model_config = ConfigDict(frozen=True)

    status: Literal["ready", "not_ready"]
    dependencies: dict[str, DependencyReport]


class HealthReport(BaseModel):
    """The process runs and its event loop turns, or there would be no answer."""

    model_config = ConfigDict(frozen=True)

    status: Literal["alive"]


class Readiness:
    """Runs the checks of a service's dependencies, all at once, each with a deadline of two seconds.

    A check returns when the dependency is ready and raises when it is not.
    """

    def __init__(
        self, metrics: Metrics, checks: Mapping[str, Check], *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._checks = dict(checks)
        self._deadline_seconds = deadline_seconds
        metrics.declare(DEPENDENCY_READY, "dependency", self._checks)
        self._gauges = {name: metrics.gauge(DEPENDENCY_READY, dependency=name) for name in self._checks}

    async def report(self) -> ReadinessReport:
        """Check everything now."""
        names = list(self._checks)
        found = await asyncio.gather(*(self._check(name) for name in names))
        ready = all(report.ready for report in found)
        return ReadinessReport(
            status="ready" if ready else "not_ready", dependencies=dict(zip(names, found, strict=True))
        )

    @asynccontextmanager
    async def watching(self, every_seconds: float = WATCH_EVERY_SECONDS) -> AsyncIterator[None]:
        """Check now and then while the block runs, so that the gauges tell the present even if nobody asks."""
        task = asyncio.create_task(self._watch(every_seconds), name="readiness")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _watch(self, every_seconds: float) -> None:
        while True:
            await self.report()
            await asyncio.sleep(every_seconds)

    async def _check(self, name: str) -> DependencyReport:
        started = perf_counter()
        reason = ""
        try:
            async with asyncio.timeout(self._deadline_seconds):
                await self._checks[name]()
        except TimeoutError:
            reason = f"no answer within {self._deadline_seconds:g} s"
        except SightlineError as error:
            reason = error.detail or error.title
        except Exception as error:  # noqa: BLE001 -- whatever a check raises means that its dependency is not ready
            # The class alone: a vendor's text may hold an address with a password.
            reason = type(error).__name__
        self._gauges[name].set(0.0 if reason else 1.0)
        return DependencyReport(ready=not reason, seconds=round(perf_counter() - started, 4), reason=reason)


class BlockingCheck:
    """Makes a check of a function that blocks.

    A thread cannot be cancelled: while one hangs, later checks wait for the same one instead of starting more.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._running: asyncio.Future[None] | None = None

    async def __call__(self) -> None:
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(asyncio.to_thread(self._function))
            self._running.add_done_callback(_mark_retrieved)
        await asyncio.shield(self._running)


def health_router(readiness: Readiness) -> APIRouter:
    """Routes `/healthz` and `/readyz`. Both are open: a supervisor asks them before anyone has a key."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Whether the process is alive")
    async def healthz() -> HealthReport:
        return HealthReport(status="alive")

    @router.get(
        "/readyz",
        summary="Whether each dependency is ready",
        responses={status.HTTP_503_SERVICE_UNAVAILABLE: {"model": ReadinessReport, "description": "Not ready"}},
    )
    async def readyz(response: Response) -> ReadinessReport:
        report = await readiness.report()
        if report.status != "ready":
            response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return report

    return router


def _mark_retrieved(future: "asyncio.Future[None]") -> None:
    """Keep asyncio from complaining of an error that nobody waited for any more."""
    if not future.cancelled():
        future.exception()
