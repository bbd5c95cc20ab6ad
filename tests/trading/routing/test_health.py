"""A venue's health as a number."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.trading.routing.circuit import Circuit, Outcome
from services.trading.routing.health import HealthRules, Pulse, mean_latency, score

START = datetime(2026, 3, 2, 15, tzinfo=UTC)
RULES = HealthRules()


def pulse(outcomes: str = "", **changed: Any) -> Pulse:  # noqa: ANN401 -- any field of a pulse
    """`outcomes` is a string of + and -."""
    circuit = Circuit(changed_at=START, outcomes=tuple(Outcome(START, good=each == "+") for each in outcomes))
    values = {"ready": True, "circuit": circuit, "stream_age_seconds": 0.0, "reconciliation_age_seconds": 0.0}
    return Pulse(**{**values, **changed})


def test_health_when_all_is_well_then_it_is_one() -> None:
    assert score(pulse("++++"), RULES) == 1.0


@pytest.mark.parametrize(
    ("worse", "expected"),
    [
        (pulse("+++-"), 0.75),
        (pulse("----"), 0.0),
        (pulse("++++", ready=False), 0.0),
        (pulse(latency_seconds=RULES.half_latency_seconds), 0.5),
        (pulse(stream_age_seconds=None), 0.0),
        (pulse(stream_age_seconds=30.0), 1.0),
        (pulse(stream_age_seconds=45.0), 0.5),
        (pulse(stream_age_seconds=600.0), 0.0),
        (pulse(reconciliation_age_seconds=None), 0.0),
        (pulse(reconciliation_age_seconds=90.0), 0.5),
    ],
    ids=str,
)
def test_health_when_one_thing_is_worse_then_it_falls_by_that(worse: Pulse, expected: float) -> None:
    assert score(worse, RULES) == pytest.approx(expected)


ages = st.none() | st.floats(0, 10**6)


@settings(deadline=None)
@given(st.text("+-", max_size=20), st.none() | st.floats(0, 10**6), ages, ages)
def test_health_when_anything_is_known_then_it_lies_between_nothing_and_one(
    outcomes: str, latency: float | None, stream: float | None, reconciled: float | None
) -> None:
    known = pulse(outcomes, latency_seconds=latency, stream_age_seconds=stream, reconciliation_age_seconds=reconciled)
    assert 0.0 <= score(known, RULES) <= 1.0


def test_latency_when_answers_come_then_the_mean_follows_them_slowly() -> None:
    mean = mean_latency(None, 1.0, RULES)
    assert mean == 1.0
    assert mean_latency(mean, 2.0, RULES) == pytest.approx(1.2)


@settings(deadline=None)
@given(st.lists(st.floats(0, 60), min_size=1, max_size=50))
def test_latency_when_any_answers_come_then_the_mean_stays_among_them(answers: list[float]) -> None:
    mean = None
    for answer in answers:
        mean = mean_latency(mean, answer, RULES)
    assert mean is not None
    assert min(answers) <= mean + 1e-9
    assert mean <= max(answers) + 1e-9
