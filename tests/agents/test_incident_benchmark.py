"""The fault benchmark's table is whole, and its report says what was measured."""

from datetime import UTC, datetime

from benchmarks.incidents.cases import CONTROLS, FAULTS
from benchmarks.incidents.measuring import Outcome
from benchmarks.incidents.report import report
from benchmarks.incidents.seen import changed_at
from services.contracts.anomalies import Cause


def outcome(name: str, **more: object) -> Outcome:
    case = next(each for each in (*FAULTS, *CONTROLS) if each.name == name)
    made = Outcome(case, 0)
    for field, value in more.items():
        setattr(made, field, value)
    return made


def test_table_when_read_then_every_cause_has_a_fault_and_there_are_four_controls() -> None:
    assert sorted(cause for case in FAULTS for cause in case.causes) == sorted(cause.value for cause in Cause)
    assert len(CONTROLS) == 4
    assert all(not case.causes for case in CONTROLS)


def test_rank_when_a_cause_was_named_then_it_counts_from_one_and_else_there_is_none() -> None:
    assert outcome("venue_slow", causes=("retry_storm", "venue_slow")).rank == 2
    assert outcome("venue_slow", causes=("retry_storm",)).rank is None


def test_report_when_printed_then_it_counts_causes_beside_both_baselines() -> None:
    text = report(
        [
            outcome(
                "venue_slow",
                detected_seconds=20.0,
                detected_by="anomaly submit_latency",
                causes=("retry_storm", "venue_slow"),
                mitigated_seconds=30.0,
                mitigated_by="orders go to the other venue",
                well=True,
                postmortem_seconds=14.0,
            ),
            outcome("venue_down", detected_seconds=9.0, causes=("venue_down",), threshold_causes=("venue_down",)),
            outcome("clock_drift", postmortem_seconds=301.0),
            outcome("triple_load", seconds=1800.0, incident_ids=["i-1"]),
        ]
    )
    assert "| sightline | 1 of 3 | 2 of 3 |" in text
    assert "| threshold alerts only | 1 of 3 | 1 of 3 |" in text
    assert "| most common cause (venue_slow) | 1 of 3 | 1 of 3 |" in text
    assert "Detected 2 of 3; mitigated or handed to a person 1; state well 1; written up within five minutes 1." in text
    assert "| venue_slow | 0 | 20 | anomaly submit_latency | 2 | retry_storm, venue_slow | 30 | orders go" in text
    assert "without a fault: 1 in 0.50 control hours." in text


def test_report_when_nothing_was_measured_then_it_says_so() -> None:
    assert report([]) == "Nothing was measured."


def test_end_of_an_incident_when_its_history_is_read_then_the_first_such_change_counts() -> None:
    changes = [
        {"at": "2026-03-02T12:00:00+00:00", "status": "opened"},
        {"at": "2026-03-02T12:01:00+00:00", "status": "escalated"},
        {"at": "2026-03-02T12:02:00+00:00", "status": "written_up"},
    ]
    incident = {"changes": changes}
    assert changed_at(incident, ("resolved", "escalated")) == datetime(2026, 3, 2, 12, 1, tzinfo=UTC)
    assert changed_at(incident, ("acting",)) is None
