"""Causes are weighed by a noisy-OR, and a table that contradicts itself is refused."""

from datetime import UTC, datetime
from importlib.resources import files

import pytest

from services.agents.analyst.causes import ACTIONS, CausesError, load_causes
from services.agents.analyst.weighing import weigh
from services.contracts.anomalies import Cause, Evidence, EvidenceId, EvidenceKind

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
TABLE = load_causes()
TEXT = files("services.agents.analyst").joinpath("causes.yml").read_text("utf-8")


def seen(number: int, signal: str, *, strength: float = 1.0, kind: EvidenceKind = EvidenceKind.METRIC) -> Evidence:
    return Evidence(
        id=EvidenceId(f"E{number}"),
        kind=kind,
        signal=signal,
        service_name="trading",
        at=NOW,
        detail=signal,
        query="",
        strength=strength,
    )


def test_weigh_when_two_things_speak_for_a_cause_then_their_doubts_are_multiplied() -> None:
    (first, *_) = weigh(TABLE, [seen(1, "overfill"), seen(2, "repeated_execution")])
    assert first.cause is Cause.DUPLICATE_FILL
    assert first.confidence == pytest.approx(1 - (1 - 0.6) * (1 - 0.7), abs=1e-3)
    assert [each.id for each in first.speaking_for] == ["E2", "E1"]


def test_weigh_when_the_same_is_seen_twice_then_it_counts_once() -> None:
    once = weigh(TABLE, [seen(1, "overfill")])
    assert weigh(TABLE, [seen(1, "overfill"), seen(2, "overfill", strength=0.5)])[0].confidence == once[0].confidence


def test_weigh_when_something_speaks_against_then_the_confidence_is_less() -> None:
    slow = [seen(1, "submit_latency"), seen(2, "slow_calls")]
    plain, disputed = weigh(TABLE, slow), weigh(TABLE, [*slow, seen(3, "said_unauthorised")])
    of_slow = next(each for each in disputed if each.cause is Cause.VENUE_SLOW)
    assert of_slow.confidence < plain[0].confidence
    assert [each.id for each in of_slow.against] == ["E3"]


def test_weigh_when_what_a_cause_needs_is_missing_then_it_is_no_cause() -> None:
    assert weigh(TABLE, [seen(1, "venue_unready"), seen(2, "session_troubled"), seen(3, "log_errors")]) == []


def test_weigh_when_a_change_had_no_effect_then_it_is_no_cause() -> None:
    assert weigh(TABLE, [seen(1, "change_approved", kind=EvidenceKind.FACT)]) == []


def test_weigh_when_an_alert_tells_of_it_then_the_confidence_is_more() -> None:
    plain = weigh(TABLE, [seen(1, "clock_offset")])[0].confidence
    assert weigh(TABLE, [seen(1, "clock_offset")], "ClockDrift")[0].confidence > plain
    told = weigh(TABLE, [seen(1, "clock_offset"), seen(2, "ClockDrift", kind=EvidenceKind.ALERT)], "ClockDrift")
    assert told[0].confidence == weigh(TABLE, [seen(1, "clock_offset")], "ClockDrift")[0].confidence


def test_weigh_when_much_is_seen_then_there_are_three_causes_at_most() -> None:
    every = [seen(number, name) for number, name in enumerate(sorted({*TABLE.names()}), 1)]
    assert len(weigh(TABLE, every)) == 3


def test_table_when_packaged_then_it_has_every_cause_and_only_known_actions() -> None:
    assert set(TABLE.causes) == set(Cause)
    assert {action for row in TABLE.causes.values() for action in row.actions} <= set(ACTIONS)


@pytest.mark.parametrize(
    ("was", "now", "problem"),
    [
        ("overfill: 0.6", "overfil: 0.6", "asks for evidence that nothing collects: overfil"),
        ("actions: [reconcile, hold_venue, reduce, halt, escalate]", "actions: [sell_everything]", "sell_everything"),
        ("venue_down:\n    summary", "venue_gone:\n    summary", "venue_gone"),
        ("overfill: 0.6", "overfill: 1.6", "less than 1"),
        ('said_throttled: { text: "\\\\b429', 'said_throttled: { text: "((429', "unterminated subpattern"),
    ],
)
def test_table_when_it_contradicts_itself_then_the_start_names_what_is_wrong(was: str, now: str, problem: str) -> None:
    assert was in TEXT
    with pytest.raises(CausesError) as raised:
        load_causes(TEXT.replace(was, now, 1))
    assert problem in raised.value.detail
