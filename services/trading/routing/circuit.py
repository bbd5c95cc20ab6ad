"""A venue's circuit breaker, as a pure machine: no clock, no lock, no thread. The caller keeps the value.

Closed, orders go as usual. After too many failures it opens: nothing new goes there until a wait is over, and each
opening in a row doubles the wait. Then it is half open: one order tries the venue, and its outcome closes or opens the
circuit. When the venue refuses us (session, key, account), the circuit opens at once and is latched: waiting does not
help there, so only `reset` leads out, which a new session or a person brings.

Cancels, exits and questions do not ask the circuit: it guards new exposure alone.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from pydantic import TypeAdapter

from services.contracts.trading import CircuitState

_MOST_DOUBLINGS: Final = 32
_MOST_OUTCOMES: Final = 64  # each is looked at with every outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitRules:
    """When a circuit opens and for how long.

    Attributes:
        failures_in_row: Opens it.
        failure_ratio: Opens it too, of 1, once `least_outcomes` are known within the window.
        first_wait_seconds, longest_wait_seconds: The wait after the first opening, and the most it grows to.
        probe_seconds: After that long without an outcome the trying order counts as lost and another may try.
    """

    failures_in_row: int = 5
    failure_ratio: float = 0.5
    least_outcomes: int = 10
    window_seconds: float = 120.0
    first_wait_seconds: float = 5.0
    longest_wait_seconds: float = 300.0
    probe_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one call ended."""

    at: datetime
    good: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """How a venue's circuit stands.

    Attributes:
        failures: In a row.
        openings: In a row, without a success in between.
        retry_at: When a try is allowed: the end of the wait, or while one is under way when it counts as lost. None
            while it is closed, and when it is latched.
        reason: Why it is open, "" when it is closed.
        outcomes: The latest within the window, oldest first.
    """

    state: CircuitState = CircuitState.CLOSED
    changed_at: datetime
    failures: int = 0
    openings: int = 0
    retry_at: datetime | None = None
    reason: str = ""
    outcomes: tuple[Outcome, ...] = ()

    @property
    def latched(self) -> bool:
        """Opened by a refusal: time does not lead out."""
        return self.state is CircuitState.OPEN and self.retry_at is None


def allows(circuit: Circuit, at: datetime) -> bool:
    """Whether a new order may go to the venue now. One that goes is told by `tried` first."""
    if circuit.state is CircuitState.CLOSED:
        return True
    return circuit.retry_at is not None and at >= circuit.retry_at


def tried(circuit: Circuit, at: datetime, rules: CircuitRules) -> Circuit:
    """The circuit as an order is about to be sent: one that was open is half open, and no second order may try."""
    if circuit.state is CircuitState.CLOSED:
        return circuit
    waiting = replace(circuit, retry_at=at + timedelta(seconds=rules.probe_seconds))
    return _to(waiting, CircuitState.HALF_OPEN, at)


def succeeded(circuit: Circuit, at: datetime, rules: CircuitRules) -> Circuit:
    """The circuit after the venue answered, also by refusing the order itself."""
    noted = replace(circuit, failures=0, outcomes=_noted(circuit, Outcome(at, good=True), rules))
    if circuit.state is not CircuitState.HALF_OPEN:
        return noted
    # What failed before the wait says nothing about the venue that has answered now.
    fresh = replace(noted, openings=0, retry_at=None, reason="", outcomes=noted.outcomes[-1:])
    return _to(fresh, CircuitState.CLOSED, at)


def failed(circuit: Circuit, at: datetime, rules: CircuitRules, reason: str) -> Circuit:
    """The circuit after a call that was not answered, or not with sense. `reason` is in words."""
    outcomes = _noted(circuit, Outcome(at, good=False), rules)
    noted = replace(circuit, failures=circuit.failures + 1, outcomes=outcomes)
    if circuit.state is CircuitState.OPEN:
        return noted
    if circuit.state is CircuitState.HALF_OPEN:
        return _opened(noted, at, rules, reason)
    bad = sum(not outcome.good for outcome in outcomes)
    too_many = len(outcomes) >= rules.least_outcomes and bad / len(outcomes) >= rules.failure_ratio
    return _opened(noted, at, rules, reason) if too_many or noted.failures >= rules.failures_in_row else noted


def refused(circuit: Circuit, at: datetime, reason: str) -> Circuit:
    """The circuit after the venue refused us: session, key or account. It is latched."""
    latched = replace(circuit, retry_at=None, reason=reason)
    return _to(latched, CircuitState.OPEN, at)


def reset(circuit: Circuit, at: datetime) -> Circuit:
    """A new circuit, closed: a new session is in use, or a person has looked."""
    return circuit if circuit.state is CircuitState.CLOSED else Circuit(changed_at=at)


def stored(circuit: Circuit) -> str:
    """The circuit as JSON, to be kept over a restart."""
    return _adapter().dump_json(circuit).decode()


def restored(text: str) -> Circuit:
    """The circuit that `stored` wrote.

    Raises:
        ValueError: It is no circuit.
    """
    return _adapter().validate_json(text)


def _opened(circuit: Circuit, at: datetime, rules: CircuitRules, reason: str) -> Circuit:
    doubled = rules.first_wait_seconds * 2.0 ** min(circuit.openings, _MOST_DOUBLINGS)
    wait = timedelta(seconds=min(doubled, rules.longest_wait_seconds))
    waiting = replace(circuit, openings=circuit.openings + 1, retry_at=at + wait, reason=reason)
    return _to(waiting, CircuitState.OPEN, at)


def _to(circuit: Circuit, state: CircuitState, at: datetime) -> Circuit:
    return circuit if circuit.state is state else replace(circuit, state=state, changed_at=at)


def _noted(circuit: Circuit, outcome: Outcome, rules: CircuitRules) -> tuple[Outcome, ...]:
    latest = (*circuit.outcomes, outcome)[-_MOST_OUTCOMES:]
    begin = outcome.at - timedelta(seconds=rules.window_seconds)
    return tuple(each for each in latest if each.at > begin)


@cache
def _adapter() -> TypeAdapter[Circuit]:
    return TypeAdapter(Circuit)
