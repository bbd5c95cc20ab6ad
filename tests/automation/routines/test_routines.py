"""Routines against a world that can be in any state: what is done by itself, what is asked, when a person is called."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from services.automation.approvals.policy import POLICY, Consent
from services.automation.incidents.trouble import Opened, Trouble
from services.automation.pipelines.pipeline import Answer, Cause
from services.automation.routines import triage
from services.automation.routines.anomalies import anomaly_triage
from services.automation.routines.market import data_stale, preflight_before_open, strategy_stopped
from services.automation.routines.orders import nightly_reconciliation, order_unknown
from services.automation.routines.sessions import keep_sessions_alive, recover_session
from services.automation.routines.table import routines
from services.automation.routines.venues import venue_degraded
from services.contracts.anomalies import Cause as Culprit
from services.contracts.anomalies import Diagnosis, Hypothesis, IncidentId
from services.contracts.incidents import IncidentSeverity, IncidentStatus
from services.contracts.market import Side, Symbol
from services.contracts.orders import (
    ClientOrderId,
    IntentId,
    OrderStatus,
    OrderTicket,
)
from services.contracts.pipelines import CauseKind
from services.contracts.strategies import StrategyState
from services.contracts.trading import CircuitChanged, OrderIncident, StreamLost
from services.contracts.trading_views import OrderView
from tests.automation.routines.conftest import ALPHA, Here
from tests.fakes.clock import FakeClock
from tests.fakes.pipelines import by_event, run


def diagnosis(clock: FakeClock, culprit: Culprit, *actions: str) -> Diagnosis:
    hypothesis = Hypothesis(
        cause=culprit,
        confidence=0.9,
        summary="s",
        evidence_ids=(),
        knowledge_ids=("alpaca-403",),
        allowed_actions=actions,
    )
    return Diagnosis(
        incident_id=IncidentId("x"),
        window_start=clock.now() - timedelta(minutes=5),
        window_end=clock.now(),
        onset=None,
        hypotheses=(hypothesis,),
        evidence=(),
        missing=(),
        prose=None,
    )


def opened_circuit() -> Cause:
    return by_event(CircuitChanged.event_type, "alpha", was="closed", now="open", reason="five failures")


def test_venue_when_it_fails_and_recovers_then_it_is_held_compared_and_restored(here: Here) -> None:
    here.world.reasons["alpha"] = ["not used at present: five failures"]
    here.world.after["restore alpha"] = lambda: here.world.reasons.update(alpha=[])
    here.world.diagnosis = diagnosis(here.world.clock, Culprit.VENUE_DOWN, "hold_venue")
    ran = run(venue_degraded(here.house), opened_circuit(), clock=here.world.clock)
    assert ran.error is None
    assert here.world.done == ["hold alpha", "reconcile alpha", "reconcile alpha", "restore alpha"]
    (incident,) = here.incidents()
    assert incident.status is IncidentStatus.RESOLVED
    assert incident.causes == ("venue_down",)
    assert incident.knowledge_ids == ("alpaca-403",)
    assert incident.actions == ("hold_venue: done", "reconcile: done", "restore_venue: done")
    assert incident.mitigated_at is not None


def test_venue_when_it_stays_down_then_it_stays_held_and_a_person_is_called(here: Here) -> None:
    here.world.reasons["alpha"] = ["the stream is down: refused"]
    run(venue_degraded(here.house), opened_circuit(), clock=here.world.clock)
    (incident,) = here.incidents()
    assert incident.status is IncidentStatus.ESCALATED
    assert "stays held back" in incident.changes[-1].detail
    assert here.world.done == ["hold alpha"]


def test_venue_when_restored_and_failed_again_three_times_within_an_hour_then_it_stays_held(here: Here) -> None:
    def fails(number: int) -> None:
        here.world.reasons["alpha"] = ["not used at present: five failures"]
        cause = replace(opened_circuit(), cause_id=f"event-{number}")
        run(venue_degraded(here.house), cause, clock=here.world.clock)
        here.world.clock.advance(600)

    here.world.after["restore alpha"] = lambda: here.world.reasons.update(alpha=[])
    for number in range(4):
        fails(number)
    statuses = [each.status for each in reversed(here.incidents())]
    assert statuses == [IncidentStatus.RESOLVED] * 3 + [IncidentStatus.ESCALATED]
    assert here.world.done.count("restore alpha") == 3
    assert "`sightline venue restore alpha`" in here.incidents()[0].changes[-1].detail
    here.world.clock.advance(3_600)
    fails(5)
    assert here.incidents()[0].status is IncidentStatus.RESOLVED


def test_venue_when_it_looks_well_and_answers_nothing_then_it_is_not_restored(here: Here) -> None:
    here.world.reasons["alpha"] = ["not used at present: It answered 403"]
    here.world.failing.add("reconcile alpha")
    run(venue_degraded(here.house), opened_circuit(), clock=here.world.clock)
    assert here.world.done == ["hold alpha"]
    assert here.incidents()[0].status is IncidentStatus.ESCALATED


@pytest.mark.parametrize(
    ("answer", "status"), [(Answer.APPROVED, IncidentStatus.RESOLVED), (Answer.REFUSED, IncidentStatus.ESCALATED)]
)
def test_venue_when_it_lied_then_it_is_restored_with_consent_alone(
    here: Here, answer: Answer, status: IncidentStatus
) -> None:
    cause = by_event(OrderIncident.event_type, "order-1", venue="alpha", kind="overfill", detail="12 of 10")
    pipeline = venue_degraded(here.house)
    cause = Cause(kind=cause.kind, cause_id=cause.cause_id, name=cause.name, target="alpha", payload=cause.payload)
    ran = run(pipeline, cause, clock=here.world.clock, answers={"restore_lying_venue": answer})
    assert [(action, parameters) for action, parameters, _ in ran.asked] == [
        ("restore_lying_venue", {"venue": "alpha"})
    ]
    assert ("restore alpha" in here.world.done) is (answer is Answer.APPROVED)
    assert here.incidents()[0].status is status


def test_stream_when_it_stands_again_within_a_minute_then_nothing_happens(here: Here) -> None:
    run(venue_degraded(here.house), by_event(StreamLost.event_type, "alpha", reason="closed"), clock=here.world.clock)
    assert here.incidents() == []
    assert here.world.done == []


def test_circuit_when_it_closes_then_nothing_is_started(here: Here) -> None:
    assert not venue_degraded(here.house).wants(by_event(CircuitChanged.event_type, "alpha", now="closed"))
    assert venue_degraded(here.house).wants(opened_circuit())


def test_action_when_it_fails_then_it_is_noted_and_the_check_decides(here: Here) -> None:
    here.world.failing.add("log in robinhood")
    here.world.usable["robinhood"] = False
    run(recover_session(here.house), by_event("auth.session_ended", "robinhood", reason="403"), clock=here.world.clock)
    (incident,) = here.incidents()
    assert incident.actions == ("relogin: failed",)
    assert incident.status is IncidentStatus.ESCALATED


def test_session_when_it_ended_then_it_is_logged_in_again_and_found_usable(here: Here) -> None:
    here.world.usable["schwab"] = False
    here.world.after["log in schwab"] = lambda: here.world.usable.update(schwab=True)
    run(recover_session(here.house), by_event("auth.session_ended", "schwab", reason="401"), clock=here.world.clock)
    assert here.incidents()[0].status is IncidentStatus.RESOLVED


def test_session_when_somebody_logged_out_then_nothing_is_recovered(here: Here) -> None:
    assert not recover_session(here.house).wants(by_event("auth.session_ended", "schwab", reason="logged_out"))


def test_sessions_when_looked_at_then_those_without_one_are_logged_in(here: Here) -> None:
    here.world.usable.update(alpaca=True, schwab=False)
    cause = Cause(kind=CauseKind.SCHEDULE, cause_id="now", name="keep_sessions_alive")
    run(keep_sessions_alive(here.house), cause, clock=here.world.clock)
    assert here.world.done == ["log in schwab"]


def unknown_order(clock: FakeClock) -> OrderView:
    return OrderView(
        client_order_id=ClientOrderId("intent.0"),
        intent_id=IntentId("intent"),
        route=0,
        venue=ALPHA,
        venue_order_id=None,
        strategy="s",
        ticket=OrderTicket(symbol=Symbol("AAPL"), side=Side.BUY, quantity=Decimal(1)),
        status=OrderStatus.UNKNOWN,
        substatus="",
        filled=Decimal(0),
        average_price=None,
        reason="",
        submitted_at=clock.now(),
        changed_at=clock.now(),
        replaces=None,
        replaced_by=None,
        trace_id="",
    )


def test_order_when_trading_finds_out_by_itself_then_there_is_no_incident(here: Here) -> None:
    run(order_unknown(here.house), by_event("trading.order_unknown", "intent.0", venue="alpha"), clock=here.world.clock)
    assert here.incidents() == []


def test_order_when_it_stays_unknown_then_the_books_are_compared_and_it_is_never_sent_again(here: Here) -> None:
    here.world.unknown = [unknown_order(here.world.clock)]
    here.world.after["reconcile alpha"] = here.world.unknown.clear
    run(order_unknown(here.house), by_event("trading.order_unknown", "intent.0", venue="alpha"), clock=here.world.clock)
    assert here.world.done == ["reconcile alpha"]
    assert here.incidents()[0].status is IncidentStatus.RESOLVED


def test_night_when_it_comes_then_every_venue_is_compared(here: Here) -> None:
    here.world.reasons["beta"] = []
    cause = Cause(kind=CauseKind.SCHEDULE, cause_id="night", name="nightly_reconciliation")
    run(nightly_reconciliation(here.house), cause, clock=here.world.clock)
    assert here.world.done == ["reconcile alpha", "reconcile beta"]


def test_open_when_a_venue_is_not_ready_then_a_person_is_called_in_time(here: Here) -> None:
    here.world.reasons["alpha"] = ["not authenticated: the key is refused"]
    cause = Cause(kind=CauseKind.SCHEDULE, cause_id="open", name="preflight_before_open")
    run(preflight_before_open(here.house), cause, clock=here.world.clock)
    assert here.incidents()[0].status is IncidentStatus.ESCALATED


def test_open_when_all_is_ready_then_nothing_is_said(here: Here) -> None:
    cause = Cause(kind=CauseKind.SCHEDULE, cause_id="open", name="preflight_before_open")
    run(preflight_before_open(here.house), cause, clock=here.world.clock)
    assert here.incidents() == []


def alert(name: str, target: str, clock: FakeClock) -> Cause:
    payload = {
        "starts_at": (clock.now() - timedelta(seconds=30)).isoformat(),
        "severity": "critical",
        "service_name": "trading",
        "summary": "no bars",
    }
    return Cause(kind=CauseKind.ALERT, cause_id=f"{name}:1", name=name, target=target, payload=payload)


def test_alert_when_it_ends_then_the_incident_it_opened_is_over(here: Here) -> None:
    run(data_stale(here.house), alert("MarketDataStale", "AAPL", here.world.clock), clock=here.world.clock)
    (incident,) = here.incidents()
    assert incident.status is IncidentStatus.RESOLVED
    assert incident.severity.value == "critical"
    assert incident.alert_name == "MarketDataStale"
    assert (incident.detected_at - incident.started_at).total_seconds() == pytest.approx(30)


def test_strategy_when_an_error_stopped_it_then_it_is_begun_anew(here: Here) -> None:
    here.world.firing.add("StrategyStopped")
    here.world.after["restart trend"] = here.world.firing.clear
    run(strategy_stopped(here.house), alert("StrategyStopped", "trend", here.world.clock), clock=here.world.clock)
    assert here.incidents()[0].actions == ("restart_strategy: done",)


def test_anomaly_when_the_mildest_action_may_be_done_by_itself_then_it_is(here: Here) -> None:
    here.world.anomalies.add("a1")
    here.world.after["hold alpha"] = here.world.anomalies.clear
    here.world.diagnosis = diagnosis(here.world.clock, Culprit.VENUE_SLOW, "resume", "hold_venue", "halt")
    cause = by_event("agents.anomaly_found", "alpha", severity="critical", anomaly_id="a1", detail="slow")
    run(anomaly_triage(here.house), cause, clock=here.world.clock)
    assert here.world.done == ["hold alpha", "reconcile alpha", "restore alpha"]
    assert here.incidents()[0].status is IncidentStatus.RESOLVED


def test_anomaly_when_a_strategy_is_paused_for_it_then_a_person_is_called_and_told_how_it_goes_on(here: Here) -> None:
    here.world.anomalies.add("a1")
    here.world.strategies["trend"] = StrategyState.RUNNING
    here.world.diagnosis = diagnosis(here.world.clock, Culprit.STRATEGY_DECAY, "pause_strategy", "reduce")
    cause = by_event("agents.anomaly_found", "trend", severity="critical", anomaly_id="a1", detail="losing")
    run(anomaly_triage(here.house), cause, clock=here.world.clock)
    assert here.world.done == ["pause trend"]
    (incident,) = here.incidents()
    assert incident.status is IncidentStatus.ESCALATED
    assert "sightline strategies resume trend" in here.house.incidents.one(incident.incident_id).changes[-1].detail


def test_anomaly_when_its_target_is_no_strategy_of_ours_then_nothing_is_paused(here: Here) -> None:
    here.world.strategies["other"] = StrategyState.RUNNING
    here.world.diagnosis = diagnosis(here.world.clock, Culprit.STRATEGY_DECAY, "pause_strategy")
    cause = by_event("agents.anomaly_found", "operator", severity="critical", anomaly_id="a1", detail="losing")
    run(anomaly_triage(here.house), cause, clock=here.world.clock)
    assert here.world.done == []
    assert here.incidents()[0].status is IncidentStatus.RESOLVED


def trouble(cause_id: str, clock: FakeClock) -> Trouble:
    return Trouble(
        cause_id=cause_id,
        cause_kind="alert",
        cause_name="BrokerDown",
        title="t",
        severity=IncidentSeverity.WARNING,
        target="alpha",
        started_at=clock.now(),
    )


def test_cause_when_about_the_same_target_then_it_joins_the_incident_for_five_minutes(here: Here) -> None:
    clock, desk = here.world.clock, here.house.incidents
    first = desk.open(trouble("1", clock), "run-1")
    clock.advance(299)
    second = desk.open(trouble("2", clock), "run-2")
    assert second == Opened(first.incident_id, joined=True)
    assert desk.one(first.incident_id).run_ids == ("run-1", "run-2")
    clock.advance(2)
    assert not desk.open(trouble("3", clock), "run-3").joined


def test_cause_when_told_again_then_it_is_the_same_incident(here: Here) -> None:
    desk = here.house.incidents
    first = desk.open(trouble("1", here.world.clock), "run-1")
    assert desk.open(trouble("1", here.world.clock), "run-1") == first
    assert len(here.incidents()) == 1


def test_incident_when_it_is_over_then_nothing_changes_it(here: Here) -> None:
    desk = here.house.incidents
    opened = desk.open(trouble("1", here.world.clock), "run-1")
    desk.resolve(opened.incident_id, "well")
    desk.escalate(opened.incident_id, "late")
    desk.acted(opened.incident_id, "halt", "done", "late")
    assert desk.one(opened.incident_id).status is IncidentStatus.RESOLVED


def test_run_when_taken_through_its_steps_again_then_nothing_is_done_twice(here: Here) -> None:
    here.world.usable["schwab"] = False
    here.world.after["log in schwab"] = lambda: here.world.usable.update(schwab=True)
    cause, pipeline = by_event("auth.session_ended", "schwab", reason="401"), recover_session(here.house)
    first = run(pipeline, cause, clock=here.world.clock)
    run(pipeline, cause, clock=here.world.clock, kept=first.kept)
    assert here.world.done == ["log in schwab"]
    assert len(here.incidents()) == 1


def test_pipelines_when_listed_then_each_says_what_it_is_for_and_what_starts_it(here: Here) -> None:
    for pipeline in routines(here.house):
        assert pipeline.purpose.endswith(".")
        assert pipeline.replaces
        assert pipeline.events or pipeline.alerts or pipeline.schedule


def test_policy_when_it_leaves_an_action_to_the_platform_then_a_routine_takes_it() -> None:
    directory = Path(triage.__file__).parent
    routines_text = "".join(path.read_text() for path in sorted(directory.glob("*.py")))
    alone = [name for name, rule in POLICY.items() if rule.consent is Consent.BY_ITSELF]
    assert alone
    assert [name for name in alone if f'"{name}"' not in routines_text] == []
