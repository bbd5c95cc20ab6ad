"""The fault benchmark's table is whole, and its report says what was measured."""

import pytest

from benchmarks.incidents.__main__ import report
from benchmarks.incidents.cases import CONTROLS, FAULTS, Case
from benchmarks.incidents.measuring import Outcome
from services.contracts.anomalies import Cause


def outcome(name: str, **more: object) -> Outcome:
    case = next(each for each in (*FAULTS, *CONTROLS) if each.name == name)
    made = Outcome(case, 0)
    for field, value in more.items():
        setattr(made, field, value)
    return made


def test_table_when_read_then_every_cause_has_a_fault_and_there_are_four_controls() -> None:
    assert {cause for case in FAULTS for cause in case.causes} == {cause.value for cause in Cause}
    assert len(CONTROLS) == 4
    assert all(not case.causes for case in CONTROLS)


@pytest.mark.parametrize("case", [*FAULTS, *CONTROLS], ids=lambda case: case.name)
def test_case_when_it_cannot_be_brought_about_then_it_says_what_is_missing(case: Case) -> None:
    assert (case.inject is None) == bool(case.missing)


def test_report_when_printed_then_it_counts_causes_beside_both_baselines() -> None:
    text = report(
        [
            outcome("venue_slow", detected_seconds=20.0, causes=("retry_storm", "venue_slow"), mitigated_seconds=30.0),
            outcome("venue_down", detected_seconds=9.0, causes=("venue_down",), threshold_causes=("venue_down",)),
            outcome("clock_drift"),
            outcome("triple_load", seconds=1800.0),
        ],
        [next(case for case in FAULTS if case.missing)],
    )
    assert "| sightline | 1 of 3 | 2 of 3 |" in text
    assert "| threshold alerts only | 1 of 3 | 1 of 3 |" in text
    assert "| most common cause (venue_slow) | 1 of 3 |" in text
    assert "Detected 2 of 3; mitigated 1" in text
    assert "Causes named without a fault: 0 in 0.50 control hours." in text
    assert "Not brought about: code_delayed (" in text
