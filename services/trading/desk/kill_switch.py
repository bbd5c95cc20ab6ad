"""The kill switch: halt, cancel everything, close everything, and stay halted until a person says otherwise.

It needs the venues and nothing else. Without a database it works from memory, without auth with the last sessions;
strategies, bus and telemetry have no part in it. A pull that a restart interrupted is gone on with.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

from services.contracts.orders import TradingState, VenueName
from services.contracts.trading import KillSwitchDone, KillSwitchPulled
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.kit.ids import Randomness
from services.trading.brokers.port import Broker
from services.trading.desk import kill_store
from services.trading.desk.closing import KillBooks
from services.trading.desk.errors import HaltUnderWayError
from services.trading.desk.in_flight import InFlight
from services.trading.desk.kill_store import Pull
from services.trading.desk.killing import VenueKiller
from services.trading.desk.state import SUBJECT, StateKeeper
from services.trading.desk.views import KillReport, VenueKill
from services.trading.orders.transactions import Readings, Transaction, Transactions

_GRACE_SECONDS: Final = 10.0  # a call that is under way at the deadline may still come back

_log = logging.getLogger("services.trading.desk.kill_switch")


class _Run:
    """One pull at work, and who waits for it."""

    def __init__(self, pull: Pull) -> None:
        self.pull = pull
        self.ended = threading.Event()
        self.report: KillReport | None = None


class KillSwitch:
    """Pulled by anybody, from any thread; one pull is at work at a time.

    Args:
        brokers: Every venue.
        state: Latched before anything else is done.
        in_flight: Tells when no submit is under way any more.
        transactions: Where pulls are kept.
        readings: The same database, for looking.
        books: Our books, as far as they can be kept.
        pause: Lets so many seconds pass.
        deadline_seconds: After that a pull ends with what it has.
    """

    def __init__(  # noqa: PLR0913 -- each is a part that a test replaces
        self,
        brokers: Sequence[Broker],
        state: StateKeeper,
        in_flight: InFlight,
        *,
        transactions: Transactions,
        readings: Readings,
        books: KillBooks,
        clock: Clock,
        randomness: Randomness,
        pause: Callable[[float], object],
        deadline_seconds: float,
    ) -> None:
        self._brokers = tuple(brokers)
        self._state = state
        self._in_flight = in_flight
        self._transactions = transactions
        self._readings = readings
        self._books = books
        self._clock = clock
        self._randomness = randomness
        self._pause = pause
        self._deadline_seconds = deadline_seconds
        self._lock = threading.Lock()
        self._run: _Run | None = None
        self._last: KillReport | None = None

    @property
    def under_way(self) -> bool:
        """Whether a pull is at work."""
        return self._run is not None

    def pull(self, actor: str, reason: str, *, flatten: bool) -> KillReport:
        """Halt, cancel and close; returns when it is done. A pull at work that does as much is waited for."""
        while True:
            with self._lock:
                run = self._run
                if run is None:
                    run = self._run = _Run(self._new_pull(actor, reason, flatten=flatten))
                    break
            run.ended.wait()
            if run.report is not None and (run.pull.flatten or not flatten):
                return run.report
        return self._carry_out(run, resumed=False)

    def left_unfinished(self) -> bool:
        """Whether the last process ended in the middle of a pull. Raises `DatabaseError`."""
        with self._readings.reading() as connection:
            return kill_store.unfinished(connection) is not None

    def resume(self) -> KillReport | None:
        """Go on with a pull that the last process left unfinished; None when there is none.

        Raises:
            DatabaseError: It is away.
        """
        with self._lock:
            if self._run is not None:
                return None
            with self._readings.reading() as connection:
                pull = kill_store.unfinished(connection)
            if pull is None:
                return None
            run = self._run = _Run(pull)
        _log.warning("the kill switch goes on with what %s began: %s", pull.actor, pull.reason)
        return self._carry_out(run, resumed=True)

    def refuse_while_under_way(self) -> None:
        """Raises `HaltUnderWayError` while a pull is at work."""
        if self.under_way:
            raise HaltUnderWayError

    def last(self) -> KillReport | None:
        """What the last pull did. Raises `DatabaseError`."""
        if self._last is not None:
            return self._last
        with self._readings.reading() as connection:
            return kill_store.newest(connection)

    def _new_pull(self, actor: str, reason: str, *, flatten: bool) -> Pull:
        return Pull(
            halt_id=self._randomness.token(), actor=actor, reason=reason, flatten=flatten, pulled_at=self._clock.now()
        )

    def _carry_out(self, run: _Run, *, resumed: bool) -> KillReport:
        try:
            self._latch(run.pull, resumed=resumed)
            started = self._clock.monotonic()
            before_seconds = max(0.0, (self._clock.now() - run.pull.pulled_at).total_seconds()) if resumed else 0.0
            venues = self._at_every_venue(run.pull, resumed=resumed)
            seconds = before_seconds + self._clock.monotonic() - started
            run.report = self._last = kill_store.report(run.pull, venues, seconds)
            self._keep(run.report)
            return run.report
        finally:
            with self._lock:
                self._run = None
            run.ended.set()

    def _latch(self, pull: Pull, *, resumed: bool) -> None:
        def along(tx: Transaction) -> None:
            kill_store.begin(tx.connection, pull)
            if not resumed:
                tx.record(KillSwitchPulled(subject=SUBJECT, actor=pull.actor, reason=pull.reason))

        self._state.narrow(TradingState.HALTED, pull.actor, pull.reason, along)

    def _at_every_venue(self, pull: Pull, *, resumed: bool) -> list[VenueKill]:
        done: dict[VenueName, VenueKill] = {}
        threads = []
        for broker in self._brokers:
            killer = self._killer(broker, pull, resumed=resumed)
            work = _into(done, broker.name, killer)
            # A daemon: a venue that answers nothing must not keep the process from ending.
            threads.append(threading.Thread(target=work, name=f"kill-{broker.name}", daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self._deadline_seconds + _GRACE_SECONDS)
        return [done.get(broker.name) or self._unheard(broker.name) for broker in self._brokers]

    def _killer(self, broker: Broker, pull: Pull, *, resumed: bool) -> VenueKiller:
        return VenueKiller(
            broker,
            self._books,
            quiet=lambda: self._in_flight.none_at(broker.name),
            clock=self._clock,
            pause=self._pause,
            pull=pull,
            resumed=resumed,
            deadline_seconds=self._deadline_seconds,
        )

    def _unheard(self, venue: VenueName) -> VenueKill:
        seconds = self._deadline_seconds + _GRACE_SECONDS
        left = f"it came to no end within {seconds:.0f} s; look at the venue itself"
        return VenueKill(venue=venue, canceled=0, flattened=0, flat=False, left=left, seconds=seconds)

    def _keep(self, report: KillReport) -> None:
        fact = KillSwitchDone(
            subject=SUBJECT,
            canceled=report.canceled,
            flattened=report.flattened,
            duration_seconds=report.seconds,
            flat=report.flat,
            left=report.left,
        )
        try:
            with self._transactions.transaction(durable=True) as tx:
                kill_store.begin(tx.connection, _pull_of(report))
                kill_store.end(tx.connection, report, self._clock.now())
                tx.record(fact)
        except SightlineError as error:
            # The next start goes on with the pull, finds nothing left to do, and writes its end then.
            _log.error("the end of the kill switch cannot be written down: %s", error.detail)


def _pull_of(report: KillReport) -> Pull:
    return Pull(
        halt_id=report.halt_id,
        actor=report.actor,
        reason=report.reason,
        flatten=report.flatten,
        pulled_at=report.pulled_at,
    )


def _into(done: dict[VenueName, VenueKill], venue: VenueName, killer: VenueKiller) -> Callable[[], None]:
    def work() -> None:
        try:
            done[venue] = killer.run()
        except Exception:  # noqa: BLE001 -- one venue's fault must not keep the others from being closed; the report tells
            _log.exception("the kill switch failed at %s", venue)

    return work
