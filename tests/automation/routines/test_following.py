"""Alerts without a pipeline of their own, the kill switch, and events that could not be handled."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.automation.actions.office import DeadLetter, Office
from services.automation.pipelines.failures import FailedError
from services.automation.pipelines.pipeline import Answer, Cause
from services.automation.pipelines.triggers import cause_of
from services.automation.routines.alerts import alert_triage
from services.automation.routines.halting import trading_halted
from services.automation.routines.letters import dead_letters
from services.automation.routines.table import every
from services.contracts.alerting import AlertFired
from services.contracts.anomalies import Cause as Culprit
from services.contracts.events import Envelope
from services.contracts.ids import EventId
from services.contracts.incidents import IncidentSeverity, IncidentStatus
from services.contracts.orders import TradingState
from services.contracts.pipelines import CauseKind, FailureClass
from services.contracts.trading import KillSwitchPulled
from tests.automation.routines.conftest import Here
from tests.automation.routines.test_routines import diagnosis
from tests.fakes.pipelines import by_event, run

PULLED = by_event(KillSwitchPulled.event_type, "trading", actor="operator", reason="enough")


@dataclass
class Letters:
    """A service's dead letters: those in `poison` fail again."""

    left: list[str] = field(default_factory=list)
    poison: set[str] = field(default_factory=set)

    def listing(self, service: str) -> Sequence[DeadLetter]:
        assert service == "trading"
        return [DeadLetter(consumer="c", event_id=each, event_type="a.b") for each in self.left]

    def redrive(self, service: str, letter: DeadLetter) -> None:
        assert service == "trading"
        if letter.event_id in self.poison:
            raise FailedError(FailureClass.DEFINITIVE, "it fails again")
        self.left.remove(letter.event_id)


def office(letters: Letters) -> Office:
    nobody: Any = object()
    return Office(letters=letters, documents=nobody, knowledge=nobody, research=nobody)


def alert(name: str = "SubmitLatencyHigh", severity: str = "critical", target: str = "alpha") -> Cause:
    fired = AlertFired.model_validate(
        {
            "subject": "00ff",
            "fingerprint": "00ff",
            "alert_name": name,
            "severity": severity,
            "status": "firing",
            "service_name": "trading",
            "summary": f"{name} at alpha",
            "starts_at": datetime(2026, 3, 2, 11, 0, tzinfo=UTC),
            "target": target,
        }
    )
    return Cause(
        kind=CauseKind.ALERT,
        cause_id="00ff:1",
        name=name,
        target=target,
        payload=fired.model_dump(mode="json", exclude={"subject"}),
    )


def fired(name: str, severity: str = "critical") -> Envelope:
    return Envelope(
        event_id=EventId("e"),
        event_type=AlertFired.event_type,
        version=1,
        subject="00ff",
        occurred_at=datetime(2026, 3, 2, 11, 0, tzinfo=UTC),
        source="automation",
        traceparent="",
        payload=dict(alert(name, severity).payload),
    )


def test_alert_when_it_stops_firing_then_its_incident_is_resolved(here: Here) -> None:
    ends = iter([True, True, False])
    house = replace(here.house, lasts=lambda fingerprint: fingerprint == "00ff" and next(ends))
    ran = run(alert_triage(house, ()), alert(), clock=here.world.clock)
    assert ran.error is None
    (incident,) = here.incidents()
    assert (incident.status, incident.alert_name, incident.target) == (
        IncidentStatus.RESOLVED,
        "SubmitLatencyHigh",
        "alpha",
    )
    assert incident.started_at == datetime(2026, 3, 2, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize(("severity", "seconds"), [("critical", 300), ("warning", 1_800)])
def test_alert_when_it_goes_on_then_a_person_is_called_sooner_the_more_it_matters(
    here: Here, severity: str, seconds: int
) -> None:
    began = here.world.clock.now()
    run(
        alert_triage(replace(here.house, lasts=lambda _fingerprint: True), ()),
        alert(severity=severity),
        clock=here.world.clock,
    )
    (incident,) = here.incidents()
    assert incident.status is IncidentStatus.ESCALATED
    assert (here.world.clock.now() - began).total_seconds() == pytest.approx(seconds, abs=2)


def test_alert_when_a_venue_is_held_for_it_then_it_is_given_back_afterwards(here: Here) -> None:
    here.world.diagnosis = diagnosis(here.world.clock, Culprit.VENUE_SLOW, "hold_venue")
    run(alert_triage(here.house, ()), alert(), clock=here.world.clock)
    assert here.world.done == ["hold alpha", "reconcile alpha", "restore alpha"]


@pytest.mark.parametrize(
    ("name", "severity", "wanted"),
    [
        ("SubmitLatencyHigh", "critical", True),
        ("SubmitLatencyHigh", "info", False),
        ("BrokerDown", "critical", False),  # venue_degraded's
        ("IncidentEscalated", "critical", False),  # about this very loop
        ("ScheduleLate", "warning", False),  # the same
        ("Watchdog", "critical", False),
    ],
)
def test_alert_when_fired_then_exactly_one_pipeline_or_none_takes_it_for_triage(
    here: Here,
    name: str,
    severity: str,
    wanted: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    pipelines = every(here.house, office(Letters()))
    triage = next(each for each in pipelines if each.name == "alert_triage")
    assert (cause_of(triage, fired(name, severity)) is not None) is wanted


def test_kill_switch_when_pulled_then_trading_goes_on_with_consent_alone(here: Here) -> None:
    here.world.trading = TradingState.HALTED
    ran = run(trading_halted(here.house), PULLED, clock=here.world.clock, answers={"resume": Answer.APPROVED})
    assert [action for action, _, _ in ran.asked] == ["resume"]
    assert here.world.done == ["resume"]
    (incident,) = here.incidents()
    assert (incident.status, incident.severity) == (IncidentStatus.RESOLVED, IncidentSeverity.CRITICAL)


def test_kill_switch_when_resuming_is_refused_then_trading_stays_stopped(here: Here) -> None:
    here.world.trading = TradingState.HALTED
    run(trading_halted(here.house), PULLED, clock=here.world.clock, answers={"resume": Answer.REFUSED})
    assert here.world.done == []
    (incident,) = here.incidents()
    assert incident.status is IncidentStatus.ESCALATED
    assert "resume: refused" in incident.actions


def test_kill_switch_when_it_does_not_end_then_a_person_is_called_and_nothing_is_asked(here: Here) -> None:
    here.world.trading, here.world.halting = TradingState.HALTED, True
    ran = run(trading_halted(here.house), PULLED, clock=here.world.clock)
    assert ran.asked == []
    assert here.incidents()[0].status is IncidentStatus.ESCALATED


def letters_cause() -> Cause:
    return alert("DeadLetters", "warning", target="trading")


def test_dead_letters_when_handled_again_then_the_incident_is_resolved(here: Here) -> None:
    letters = Letters(["1", "2"])
    run(dead_letters(here.house, office(letters)), letters_cause(), clock=here.world.clock)
    (incident,) = here.incidents()
    assert incident.status is IncidentStatus.RESOLVED
    assert any("2 of 2 handled" in change.detail for change in incident.changes)


def test_dead_letters_when_one_is_poison_then_it_stays_and_a_person_is_called(here: Here) -> None:
    letters = Letters(["1", "2"], poison={"2"})
    run(dead_letters(here.house, office(letters)), letters_cause(), clock=here.world.clock)
    assert letters.left == ["2"]
    (incident,) = here.incidents()
    assert incident.status is IncidentStatus.ESCALATED
    assert any("1 of 2 handled; c/2 (a.b): it fails again" in change.detail for change in incident.changes)
