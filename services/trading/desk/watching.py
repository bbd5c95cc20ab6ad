"""What is known of a venue at present, from every call that was made and everything that was heard. In memory."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from services.contracts.orders import VenueName
from services.contracts.trading import CircuitChanged, CircuitState
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.trading.brokers.port import (
    Accepted,
    Broker,
    Measured,
    Rejected,
    Snapshot,
    SubmitOutcome,
    VenueAccount,
    VenueClock,
    VenueRefusesKeysError,
    VenueUnavailableError,
)
from services.trading.desk import circuit_store
from services.trading.orders.transactions import Transactions
from services.trading.routing import circuit as circuits
from services.trading.routing.circuit import Circuit, CircuitRules
from services.trading.routing.health import HealthRules, Pulse, mean_latency, score

_log = logging.getLogger("services.trading.desk.watching")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A consistent look at what is known of a venue.

    Attributes:
        stream_reason: Why the stream is down.
        heard_at: Monotonic seconds of the last frame or connection.
        reconciled_at: When the last comparison succeeded.
        failing_since: Since when comparisons fail, without a success in between.
        problem: Why the last one failed.
    """

    circuit: Circuit
    latency_seconds: float | None = None
    stream_connected: bool = False
    stream_reason: str = "it has not been connected yet"
    heard_at: float | None = None
    reconciled_at: datetime | None = None
    reconciled_monotonic: float | None = None
    failing_since: float | None = None
    problem: str = ""
    account: VenueAccount | None = None
    clock: VenueClock | None = None
    skew_seconds: float | None = None


class VenueWatch:
    """Gathers what calls and streams tell of one venue. Safe to use from any thread; asks nobody.

    Args:
        broker: The venue; asked only for what it measures itself.
        facts: Where changes of the circuit are stated.
        clock: Time.
    """

    def __init__(
        self, broker: Broker, facts: Transactions, clock: Clock, circuit: CircuitRules, health: HealthRules
    ) -> None:
        self._broker = broker
        self._facts = facts
        self._clock = clock
        self._rules = circuit
        self._health = health
        self._lock = threading.Lock()
        self._known = Known(circuit=Circuit(changed_at=clock.now()))

    @property
    def venue(self) -> VenueName:
        return self._broker.name

    @property
    def known(self) -> Known:
        """What is known now."""
        return self._known

    # --- calls

    def submitting(self, at: datetime) -> None:
        """An order for new exposure is about to be sent: a circuit that is open is tried with it."""
        self._move(lambda circuit: circuits.tried(circuit, at, self._rules))

    def submitted(self, outcome: SubmitOutcome, seconds: float) -> None:
        """What became of a submit, and how long the venue took."""
        at = self._clock.now()
        match outcome:
            case Accepted():
                self._answered(seconds)
            case Rejected(unauthorised=True):
                self._move(lambda circuit: circuits.refused(circuit, at, outcome.reason))
            case Rejected(venue_side=False):
                self._answered(seconds)
            case _:
                self._move(lambda circuit: circuits.failed(circuit, at, self._rules, outcome.reason))

    def asked(self, error: VenueUnavailableError | None) -> None:
        """Whether a question was answered."""
        at = self._clock.now()
        if isinstance(error, VenueRefusesKeysError):
            self._move(lambda circuit: circuits.refused(circuit, at, error.detail))
        elif error is not None:
            self._move(lambda circuit: circuits.failed(circuit, at, self._rules, error.detail))
        elif self._known.circuit.state is not CircuitState.HALF_OPEN:
            # A half open circuit waits for its order: that a venue answers questions is what it had done before, too.
            self._move(lambda circuit: circuits.succeeded(circuit, at, self._rules))

    def renewed(self) -> None:
        """A new session is in use, or a person has looked: what the venue refused before says nothing now."""
        self._move(lambda circuit: circuits.reset(circuit, self._clock.now()))

    def recalled(self, circuit: Circuit) -> None:
        """The process that traded before left the circuit like this."""
        self._note(circuit=circuit)

    # --- comparisons

    def reconciled(self, snapshot: Snapshot, asked_at: datetime) -> None:
        """A comparison that began at `asked_at` succeeded."""
        self.asked(None)
        self._note(
            reconciled_at=asked_at,
            reconciled_monotonic=self._clock.monotonic(),
            failing_since=None,
            problem="",
            account=snapshot.account,
            clock=snapshot.clock,
            skew_seconds=snapshot.skew_seconds,
        )

    def not_reconciled(self, error: SightlineError) -> None:
        """A comparison failed."""
        if isinstance(error, VenueUnavailableError):
            self.asked(error)
        since = self._known.failing_since
        self._note(failing_since=self._clock.monotonic() if since is None else since, problem=error.detail)

    # --- the stream

    def connected(self) -> None:
        """The stream stands."""
        self._note(stream_connected=True, stream_reason="", heard_at=self._clock.monotonic())

    def disconnected(self, reason: str) -> None:
        """The stream is gone."""
        self._note(stream_connected=False, stream_reason=reason)

    def heard(self) -> None:
        """A frame came."""
        self._note(heard_at=self._clock.monotonic())

    # --- looking

    def stream_age_seconds(self) -> float | None:
        """Since the stream was last heard, keep-alives included where the adapter tells; None while it is down."""
        if not self._known.stream_connected:
            return None
        frames = self.silent_seconds()
        measured = self._broker.stream_age_seconds if isinstance(self._broker, Measured) else None
        ages = [age for age in (frames, measured) if age is not None]
        return min(ages) if ages else None

    def silent_seconds(self) -> float | None:
        """Since the last frame or connection; None before the first."""
        heard_at = self._known.heard_at
        return None if heard_at is None else max(0.0, self._clock.monotonic() - heard_at)

    def reconciliation_age_seconds(self) -> float | None:
        """Since the last comparison that succeeded; None before the first."""
        at = self._known.reconciled_monotonic
        return None if at is None else max(0.0, self._clock.monotonic() - at)

    def rate_limit_left(self) -> int | None:
        """Calls that the venue takes in the present minute; None when it has not said."""
        return self._broker.rate_limit_left if isinstance(self._broker, Measured) else None

    def score(self, *, ready: bool) -> float:
        """Its health, from 0 to 1."""
        pulse = Pulse(
            ready=ready,
            circuit=self._known.circuit,
            latency_seconds=self._known.latency_seconds,
            stream_age_seconds=self.stream_age_seconds(),
            reconciliation_age_seconds=self.reconciliation_age_seconds(),
        )
        return score(pulse, self._health)

    def _answered(self, seconds: float) -> None:
        at = self._clock.now()
        self._move(lambda circuit: circuits.succeeded(circuit, at, self._rules))
        self._note(latency_seconds=mean_latency(self._known.latency_seconds, seconds, self._health))

    def _note(self, **changes: Any) -> None:  # noqa: ANN401 -- fields of Known
        with self._lock:
            self._known = replace(self._known, **changes)

    def _move(self, move: Callable[[Circuit], Circuit]) -> None:
        with self._lock:
            was = self._known.circuit
            now = move(was)
            self._known = replace(self._known, circuit=now)
        if now.state is not was.state:
            self._state(was, now)

    def _state(self, was: Circuit, now: Circuit) -> None:
        fact = CircuitChanged(subject=self.venue, was=was.state, now=now.state, reason=now.reason)
        try:
            with self._facts.transaction() as tx:
                circuit_store.keep(tx.connection, self.venue, now)
                tx.record(fact)
        except SightlineError as error:
            # The circuit works without a database; that the next start does not know is all that is lost.
            _log.warning("%s: circuit %s, and that could not be recorded: %s", self.venue, now.state, error.detail)
