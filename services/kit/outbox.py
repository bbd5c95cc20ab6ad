"""Takes committed facts from the outbox to the bus: at least once, in order within each subject."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from services.contracts.events import Envelope
from services.kit import housekeeping, outbox_claims
from services.kit.backoff import delay_seconds
from services.kit.bus import BusUnavailableError, EventRefusedError, Publisher
from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.database_errors import DatabaseError
from services.kit.errors import UnavailableError
from services.kit.housekeeping import Retention
from services.kit.ids import Randomness, SystemRandomness
from services.kit.observing import Telemetry
from services.kit.outbox_claims import Claim, Waiting
from telemetry import catalogue

_log = logging.getLogger("services.kit.outbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How eagerly a dispatcher works. A commit in this process wakes it at once; polling finds those of others."""

    batch_events: int = 200
    poll_seconds: float = 1.0
    first_retry_seconds: float = 0.2
    most_retry_seconds: float = 5.0
    refused_retry_seconds: float = 60.0
    gauges_every_seconds: float = 1.0
    housekeeping_every_seconds: float = 600.0


class OutboxDispatcher:
    """Publishes what was committed, until it is stopped.

    A fact is marked as published after the bus has confirmed it. A crash in between publishes it again under the same
    id, which the bus and every inbox recognise.

    Args:
        database: Holds the outbox.
        bus: Where to publish.
        telemetry: Where metrics go.
        clock: Stamps what was published.
        pace: How eagerly to work.
        retention: How long handled and published events are remembered.
        randomness: For the times between attempts.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self,
        database: Database,
        bus: Publisher,
        telemetry: Telemetry,
        clock: Clock,
        *,
        pace: Pace | None = None,
        retention: Retention | None = None,
        randomness: Randomness | None = None,
    ) -> None:
        self._database = database
        self._bus = bus
        self._metrics = telemetry.metrics
        self._clock = clock
        self._pace = pace or Pace()
        self._retention = retention or Retention()
        self._randomness = randomness or SystemRandomness()
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._failures = 0
        self._problem: UnavailableError | None = None
        self._refused_until: dict[str, float] = {}
        self._gauges_due = 0.0
        self._housekeeping_due = 0.0

    def start(self) -> None:
        """Begin to publish, in the background."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name="outbox dispatcher")

    def wake(self) -> None:
        """Look for new facts now. May be called from any thread; see `Facts.after_commit`."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    def check(self) -> None:
        """Make sure that facts get through.

        Raises:
            UnavailableError: The last attempt found the bus or the database away.
        """
        if self._problem is not None:
            raise self._problem

    async def stop(self) -> None:
        """Finish the batch at hand and return; what is left is published after the next start."""
        self._stopping.set()
        self._woken.set()
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                more = await self._pass()
                await self._look_after_tables()
            except (BusUnavailableError, DatabaseError) as error:
                await self._back_off(error)
                continue
            except Exception as error:  # noqa: BLE001 -- it is logged, and facts must get through for ever after
                _log.exception("the outbox stumbled; trying on")
                await self._back_off(UnavailableError(f"Publishing failed: {type(error).__name__}. See the log."))
                continue
            self._recovered()
            if not more:
                await self._wait(self._woken, self._pace.poll_seconds)

    async def _pass(self) -> bool:
        """Publish one batch; whether another may be waiting."""
        blocked = self._blocked_subjects()
        claim = await asyncio.to_thread(
            outbox_claims.claim, self._database, at_most=self._pace.batch_events, without=blocked
        )
        lanes = _by_subject(claim.rows)
        confirmed: list[Waiting] = []
        try:
            ended = await asyncio.gather(*(self._publish_lane(lane, confirmed) for lane in lanes))
        finally:
            await self._finish(claim, confirmed)
        for problem in ended:
            if isinstance(problem, BusUnavailableError):
                raise problem
        return claim.full and bool(confirmed)

    async def _publish_lane(self, lane: Sequence[Waiting], confirmed: list[Waiting]) -> Exception | None:
        """Publish the facts about one subject, one after the other, up to the first that fails."""
        for row in lane:
            try:
                await self._bus.publish(Envelope.model_validate_json(row.envelope))
            except BusUnavailableError as error:
                return error
            except (EventRefusedError, ValidationError) as error:
                self._block(row, error)
                return error
            confirmed.append(row)
        return None

    async def _finish(self, claim: Claim, confirmed: Sequence[Waiting]) -> None:
        published_at = self._clock.now().timestamp()
        await asyncio.to_thread(claim.finish, [row.position for row in confirmed], published_at)
        for row in confirmed:
            self._metrics.counter(catalogue.EVENTS_PUBLISHED, event_type=row.event_type).inc()

    def _block(self, row: Waiting, error: Exception) -> None:
        # Its subject waits, so that order is kept; all other subjects go on.
        self._refused_until[row.subject] = self._clock.monotonic() + self._pace.refused_retry_seconds
        text = str(error) if isinstance(error, EventRefusedError) else "its envelope cannot be read"
        _log.error("outbox position %d (%s) is held up: %s", row.position, row.event_type, text)

    def _blocked_subjects(self) -> tuple[str, ...]:
        now = self._clock.monotonic()
        self._refused_until = {subject: until for subject, until in self._refused_until.items() if until > now}
        return tuple(self._refused_until)

    async def _look_after_tables(self) -> None:
        now = self._clock.monotonic()
        if now >= self._gauges_due:
            self._gauges_due = now + self._pace.gauges_every_seconds
            await asyncio.to_thread(self._set_gauges)
        if now >= self._housekeeping_due:
            self._housekeeping_due = now + self._pace.housekeeping_every_seconds
            await asyncio.to_thread(housekeeping.prune, self._database, self._clock, self._retention)

    def _set_gauges(self) -> None:
        pending, oldest = housekeeping.pending(self._database)
        age_seconds = 0.0 if oldest is None else max(0.0, self._clock.now().timestamp() - oldest)
        self._metrics.gauge(catalogue.OUTBOX_PENDING).set(pending)
        self._metrics.gauge(catalogue.OUTBOX_OLDEST).set(age_seconds)

    async def _back_off(self, problem: UnavailableError) -> None:
        self._failures += 1
        if self._problem is None:
            _log.warning("facts wait in the outbox: %s", problem)
        self._problem = problem
        if not isinstance(problem, DatabaseError):
            await self._try_to_set_gauges()
        seconds = delay_seconds(
            self._failures,
            self._randomness,
            first_seconds=self._pace.first_retry_seconds,
            most_seconds=self._pace.most_retry_seconds,
        )
        await self._wait(self._stopping, seconds)

    async def _try_to_set_gauges(self) -> None:
        try:
            await asyncio.to_thread(self._set_gauges)
        except DatabaseError as error:
            self._problem = error

    def _recovered(self) -> None:
        if self._problem is not None:
            _log.info("facts get through again after %d failed attempts", self._failures)
        self._problem = None
        self._failures = 0

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return


def _by_subject(rows: Sequence[Waiting]) -> list[list[Waiting]]:
    lanes: defaultdict[str, list[Waiting]] = defaultdict(list)
    for row in rows:
        lanes[row.subject].append(row)
    return list(lanes.values())
