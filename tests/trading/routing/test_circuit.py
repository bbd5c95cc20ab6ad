"""A venue's circuit: when it opens, when one order may try it, and what leads out."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.contracts.trading import CircuitState
from services.trading.routing.circuit import (
    Circuit,
    CircuitRules,
    allows,
    failed,
    refused,
    reset,
    restored,
    stored,
    succeeded,
    tried,
)

START = datetime(2026, 3, 2, 15, tzinfo=UTC)
RULES = CircuitRules(failures_in_row=3, least_outcomes=6, first_wait_seconds=5, longest_wait_seconds=20)
CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def opened(at: datetime = START) -> Circuit:
    circuit = Circuit(changed_at=START)
    for _ in range(RULES.failures_in_row):
        circuit = failed(circuit, at, RULES, "no answer")
    return circuit


def test_circuit_when_new_then_it_is_closed_and_allows() -> None:
    circuit = Circuit(changed_at=START)
    assert circuit.state is CLOSED
    assert allows(circuit, START)


def test_circuit_when_failures_come_in_a_row_then_it_opens_and_says_why() -> None:
    circuit = opened()
    assert (circuit.state, circuit.reason, circuit.retry_at) == (OPEN, "no answer", later(5))
    assert not allows(circuit, later(4.9))


def test_circuit_when_a_success_lies_between_then_the_row_begins_anew() -> None:
    circuit = Circuit(changed_at=START)
    for _ in range(RULES.failures_in_row - 1):
        circuit = failed(circuit, START, RULES, "no answer")
    circuit = failed(succeeded(circuit, START, RULES), START, RULES, "no answer")
    assert circuit.state is CLOSED


def test_circuit_when_half_of_the_outcomes_are_failures_then_it_opens() -> None:
    circuit = Circuit(changed_at=START)
    for _ in range(2):
        circuit = succeeded(circuit, START, RULES)
        circuit = failed(circuit, START, RULES, "late")
    circuit = succeeded(circuit, START, RULES)
    assert circuit.state is CLOSED
    assert failed(circuit, START, RULES, "late").state is OPEN


def test_circuit_when_failures_are_older_than_the_window_then_they_do_not_count() -> None:
    circuit = Circuit(changed_at=START)
    for number in range(10):
        act = succeeded if number % 2 else lambda *args: failed(*args, "late")
        circuit = act(circuit, later(200 * number), RULES)
    assert circuit.state is CLOSED
    assert len(circuit.outcomes) == 1


def test_circuit_when_very_many_outcomes_come_at_once_then_few_are_kept() -> None:
    circuit = Circuit(changed_at=START)
    for _ in range(1000):
        circuit = succeeded(circuit, START, RULES)
    assert len(circuit.outcomes) == 64


def test_open_circuit_when_the_wait_is_over_then_exactly_one_order_may_try() -> None:
    circuit = opened()
    assert allows(circuit, later(5))
    circuit = tried(circuit, later(5), RULES)
    assert circuit.state is HALF_OPEN
    assert not allows(circuit, later(6))


def test_try_when_it_succeeds_then_the_circuit_closes_and_forgets() -> None:
    circuit = succeeded(tried(opened(), later(5), RULES), later(6), RULES)
    assert (circuit.state, circuit.openings, circuit.reason, circuit.failures) == (CLOSED, 0, "", 0)
    assert failed(circuit, later(7), RULES, "no answer").state is CLOSED


def test_try_when_it_fails_again_and_again_then_the_wait_doubles_up_to_the_longest() -> None:
    circuit, at, waits = opened(), START, []
    for _ in range(4):
        assert circuit.retry_at is not None
        waits.append((circuit.retry_at - at).total_seconds())
        at = circuit.retry_at
        circuit = failed(tried(circuit, at, RULES), at, RULES, "no answer")
    assert waits == [5, 10, 20, 20]


def test_try_when_nothing_is_heard_of_it_then_another_may_follow() -> None:
    circuit = tried(opened(), later(5), RULES)
    assert not allows(circuit, later(5 + RULES.probe_seconds - 1))
    assert allows(circuit, later(5 + RULES.probe_seconds))


def test_open_circuit_when_an_old_call_succeeds_then_it_stays_open() -> None:
    assert succeeded(opened(), later(1), RULES).state is OPEN


@pytest.mark.parametrize("circuit", [Circuit(changed_at=START), opened(), tried(opened(), later(5), RULES)], ids=str)
def test_circuit_when_the_venue_refuses_us_then_it_is_open_for_good(circuit: Circuit) -> None:
    latched = refused(circuit, later(6), "the key was revoked")
    assert (latched.state, latched.reason) == (OPEN, "the key was revoked")
    assert not allows(latched, later(10**6))
    assert failed(succeeded(latched, later(7), RULES), later(8), RULES, "late").latched


def test_latched_circuit_when_reset_then_it_is_new() -> None:
    circuit = reset(refused(opened(), later(6), "the key was revoked"), later(9))
    assert circuit == Circuit(changed_at=later(9))


def test_closed_circuit_when_reset_then_it_keeps_what_it_knows() -> None:
    circuit = failed(Circuit(changed_at=START), START, RULES, "late")
    assert reset(circuit, later(1)) is circuit


def test_circuit_when_stored_and_restored_then_it_is_the_same() -> None:
    circuit = refused(tried(opened(), later(5), RULES), later(6), "the key was revoked")
    assert restored(stored(circuit)) == circuit


def test_text_when_it_is_no_circuit_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match="state"):
        restored('{"state": "ajar"}')


class CircuitUnderFire(RuleBasedStateMachine):
    """Any outcomes in any order, seconds apart."""

    @initialize()
    def begin(self) -> None:
        self.now = START
        self.circuit = Circuit(changed_at=START)
        self.trying_since: datetime | None = None

    def _do(self, act: Callable[[Circuit], Circuit]) -> None:
        self.circuit = act(self.circuit)
        if self.circuit.state is not HALF_OPEN:
            self.trying_since = None

    @rule(seconds=st.floats(0, 100))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: allows(self.circuit, self.now))
    @rule()
    def send(self) -> None:
        if self.circuit.state is not CLOSED:
            lost = self.trying_since is None or self.now - self.trying_since >= timedelta(seconds=RULES.probe_seconds)
            assert lost, "a second order tries an open circuit"
        self.circuit = tried(self.circuit, self.now, RULES)
        self.trying_since = self.now if self.circuit.state is HALF_OPEN else None

    @rule()
    def succeed(self) -> None:
        was = self.circuit.state
        self._do(lambda circuit: succeeded(circuit, self.now, RULES))
        assert self.circuit.state is (CLOSED if was is HALF_OPEN else was)

    @rule()
    def fail(self) -> None:
        was = self.circuit.state
        self._do(lambda circuit: failed(circuit, self.now, RULES, "late"))
        assert was is CLOSED or self.circuit.state is OPEN

    @rule()
    def refuse(self) -> None:
        self._do(lambda circuit: refused(circuit, self.now, "the key was revoked"))
        assert not allows(self.circuit, self.now + timedelta(days=365))

    @rule()
    def renew(self) -> None:
        self._do(lambda circuit: reset(circuit, self.now))
        assert self.circuit.state is CLOSED

    @rule()
    def restart(self) -> None:
        self.circuit = restored(stored(self.circuit))

    @invariant()
    def is_sound(self) -> None:
        circuit = self.circuit
        assert circuit.changed_at <= self.now
        assert bool(circuit.reason) is (circuit.state is not CLOSED)
        assert (circuit.retry_at is None) is (circuit.state is CLOSED or circuit.latched)
        assert not circuit.latched or circuit.state is OPEN
        if circuit.retry_at is not None and circuit.state is OPEN:
            assert circuit.retry_at - circuit.changed_at <= timedelta(seconds=RULES.longest_wait_seconds)


TestCircuitUnderFire = CircuitUnderFire.TestCase
TestCircuitUnderFire.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
