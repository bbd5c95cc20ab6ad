"""The analyst names what went wrong, and nothing where nothing did."""

import asyncio
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from services.agents import store
from services.agents.analyst.analyst import Analyst
from services.contracts.alerting import Severity
from services.contracts.anomalies import (
    AnomalyId,
    AnomalyView,
    Detector,
    Diagnosis,
    DiagnosisRequest,
    EvidenceKind,
    Stage,
)
from services.contracts.knowledge import EntryKind, EntrySummary, Match, MatchAnswer, MatchedBy, MatchQuery
from services.kit.database import Database
from services.kit.http_client import RemoteUnavailableError
from telemetry.query.open import ReadersOptions, open_readers
from tests.agents import faults
from tests.agents.faults import CONTROLS, FAULTS
from tests.agents.story import VENUE, Story, causes, shown
from tests.kit.conftest import RecordedTelemetry

Making = Callable[..., Analyst]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", FAULTS)
def test_fault_when_diagnosed_then_it_is_the_first_cause(name: str, seed: int, tmp_path: Path, analyst: Making) -> None:
    story = Story(tmp_path / "telemetry.db", seed)
    FAULTS[name](story)
    diagnosis = asyncio.run(analyst(story.told()).diagnose(story.request()))
    assert causes(diagnosis)[:1] == [name], shown(diagnosis)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", CONTROLS)
def test_control_when_diagnosed_then_nothing_is_found(name: str, seed: int, tmp_path: Path, analyst: Making) -> None:
    story = Story(tmp_path / "telemetry.db", seed)
    CONTROLS[name](story)
    diagnosis = asyncio.run(analyst(story.told()).diagnose(story.request()))
    assert causes(diagnosis) == [], shown(diagnosis)


@pytest.mark.parametrize("answered", ["the venue answered 500", "the connection failed (ProtocolError)"])
def test_diagnosis_when_a_venue_fails_then_failing_credential_checks_are_no_expired_token(
    answered: str, story: Story, analyst: Making
) -> None:
    """As a running platform told of it: preflight could not make its checks either, and named the credential's."""
    for step in story.steps(2):
        detail = f"It did not answer: {answered}."
        story.fact(
            "trading",
            step,
            "trading.reconciliation_failed",
            f"{VENUE} could not be compared with (interval): {detail}",
            level="error",
            venue=VENUE,
            reason=detail,
        )
        story.line("trading", step + 0.1, f"{VENUE}: cannot compare with it: {detail}")
        story.fact(
            "auth",
            step + 0.2,
            "auth.preflight_failed",
            f"{VENUE} may not be traded, these checks failed: credential_valid, account_status",
            subject=VENUE,
            failed_checks="credential_valid, account_status",
        )
    story.fact(
        "trading",
        story.onset + 1,
        "trading.circuit_changed",
        f"the circuit of {VENUE} was closed and is open: {answered}",
        venue=VENUE,
        was="closed",
        now="open",
        reason=answered,
    )
    story.gauge("auth", "sightline_auth_preflight_failing", story.after(1.0, delay=2), account=VENUE)
    told = diagnosed(analyst(story.told()), story.request())
    assert causes(told) == ["venue_down"], shown(told)


def test_diagnosis_when_a_strategy_was_started_by_another_setting_then_that_speaks_for_its_denials(
    story: Story, analyst: Making
) -> None:
    story.fact(
        "trading",
        story.onset,
        "trading.strategy_started",
        "trend-1 (sma-cross) sees AAPL from now on, after 60 bars of the past",
        level="info",
        subject="trend-1",
        resumed_from="2026-03-02T15:44:00+00:00",
        changed="True",
    )
    for step in story.steps(1):
        story.fact(
            "trading",
            step,
            "trading.signal_denied",
            "trend-1 wants to buy 90000 AAPL and was denied: order_notional",
            strategy="trend-1",
            reason="order_notional",
        )
    assert causes(diagnosed(analyst(story.told()), story.request()))[:1] == ["bad_configuration"]


def test_diagnosis_when_a_login_waits_for_its_text_message_then_the_code_is_late(story: Story, analyst: Making) -> None:
    waiting = {"account": "by-sms", "state": "awaiting_sms"}
    story.gauge("auth", "sightline_auth_session_state", story.after(1.0), **waiting)
    assert causes(diagnosed(analyst(story.told()), story.request())) == ["code_delayed"]


def test_diagnosis_when_a_dead_letter_was_there_before_then_it_is_no_sign_of_what_came_later(
    story: Story, analyst: Making
) -> None:
    begun = story.onset - 40
    story.gauge("agents", "sightline_dead_letters_events", lambda step: float(step >= begun), consumer="ledger")
    assert causes(diagnosed(analyst(story.told()), story.request())) == []


class FakeKnowledge:
    """Knows one entry for one alert and one for whatever speaks of 429."""

    def __init__(self, *, away: bool = False) -> None:
        self.asked: list[MatchQuery] = []
        self._away = away

    async def match(self, query: MatchQuery) -> MatchAnswer:
        self.asked.append(query)
        if self._away:
            raise RemoteUnavailableError("content", "connect_error", "is away")
        entry = "alert-ratelimitnear" if query.alert_name else "alpaca-429" if "429" in query.text else ""
        matches = (_match(entry),) if entry else ()
        return MatchAnswer(signature=query.text, matches=matches, gap_id=None if matches else "0" * 16)


def _match(entry: str) -> Match:
    summary = EntrySummary(
        id=entry,
        kind=EntryKind.RUNBOOK,
        title=f"about {entry}",
        venue="",
        severity=Severity.WARNING,
        verified_at=date(2026, 3, 1),
        stale=False,
        path="x.md",
    )
    return Match(entry=summary, how=MatchedBy.EXACT, confidence=1.0, actions=("wait",))


def diagnosed(analyst: Analyst, request: DiagnosisRequest) -> Diagnosis:
    return asyncio.run(analyst.diagnose(request))


def test_diagnosis_when_asked_for_twice_then_it_is_the_same(story: Story, analyst: Making) -> None:
    faults.venue_down(story)
    readers = story.told()
    assert diagnosed(analyst(readers), story.request()) == diagnosed(analyst(readers), story.request())


def test_diagnosis_when_made_then_evidence_is_numbered_in_order_and_every_citation_is_there(
    story: Story, analyst: Making
) -> None:
    faults.venue_down(story)
    told = diagnosed(analyst(story.told()), story.request())
    ids = [each.id for each in told.evidence]
    assert ids == [f"E{number}" for number in range(1, len(ids) + 1)]
    assert [each.at for each in told.evidence] == sorted(each.at for each in told.evidence)
    cited = {name for each in told.hypotheses for name in (*each.evidence_ids, *each.against_ids)}
    assert cited <= set(ids)
    assert told.onset is not None
    assert abs((told.onset - story.moment(story.onset)).total_seconds()) <= 120


def test_diagnosis_when_a_strategy_decays_then_what_the_watch_found_speaks_for_it(
    story: Story, analyst: Making, database: Database
) -> None:
    anomaly = AnomalyView(
        anomaly_id=AnomalyId("a-1"),
        signal="strategy_results",
        stage=Stage.STRATEGIES,
        service_name="trading",
        series="trading/trend-1",
        target="trend-1",
        detector=Detector.INVARIANT,
        severity=Severity.WARNING,
        score=1.2,
        peak_score=1.2,
        value=17.0,
        expected=14.0,
        detail="a strategy's closed trades against what they used to bring: 17",
        since=story.moment(story.onset),
        found_at=story.moment(story.onset),
        ended_at=None,
    )
    with database.transaction() as connection:
        store.add(connection, anomaly)
    told = diagnosed(analyst(story.told()), story.request(target="trend-1"))
    assert causes(told) == ["strategy_decay"]
    assert "pause_strategy" in told.hypotheses[0].allowed_actions


def test_diagnosis_when_it_is_about_another_venue_then_it_is_not_blamed(story: Story, analyst: Making) -> None:
    faults.duplicate_fill(story)
    readers = story.told()
    about, other = (diagnosed(analyst(readers), story.request(target=name)) for name in (VENUE, "bravo"))
    assert causes(about)[0] == "duplicate_fill"
    assert causes(other) == []
    assert {each.strength for each in other.evidence if each.signal == "overfill"} == {0.6}


def test_diagnosis_when_knowledge_answers_then_hypotheses_name_the_entries(story: Story, analyst: Making) -> None:
    faults.rate_limited(story)
    knowledge = FakeKnowledge()
    told = diagnosed(analyst(story.told(), knowledge=knowledge), story.request("RateLimitNear"))
    assert told.hypotheses[0].knowledge_ids == ("alert-ratelimitnear", "alpaca-429")
    assert next(each.signal for each in told.evidence if each.kind is EvidenceKind.KNOWLEDGE) == "alert-ratelimitnear"
    assert len(knowledge.asked) <= 7


def test_diagnosis_when_knowledge_is_away_then_it_is_made_without_and_says_so(story: Story, analyst: Making) -> None:
    faults.rate_limited(story)
    told = diagnosed(analyst(story.told(), knowledge=FakeKnowledge(away=True)), story.request("RateLimitNear"))
    assert causes(told)[0] == "rate_limited"
    assert told.missing == ("knowledge: content is away",)


def test_diagnosis_when_telemetry_is_away_then_there_is_no_finding_and_it_says_why(
    tmp_path: Path, story: Story, analyst: Making
) -> None:
    away = open_readers(ReadersOptions(embedded_path=tmp_path / "nothing.db"))
    told = diagnosed(analyst(away), story.request())
    assert told.hypotheses == ()
    assert {each.partition(":")[0] for each in told.missing} == {"logs", "metrics", "traces"}


def test_diagnosis_when_made_then_a_fact_says_so(story: Story, analyst: Making, telemetry: RecordedTelemetry) -> None:
    faults.venue_down(story)
    diagnosed(analyst(story.told()), story.request())
    assert telemetry.value("sightline_diagnoses_total", cause="venue_down") == 1
    assert telemetry.value("sightline_diagnosis_prose_total", outcome="off") == 1


def test_diagnosis_of_a_quiet_hour_then_nothing_is_found(story: Story, analyst: Making) -> None:
    told = diagnosed(analyst(story.told()), story.request("ErrorLogBurst"))
    assert told.hypotheses == ()
    assert told.onset is None


def test_diagnosis_when_the_fault_is_older_than_the_window_then_it_is_not_blamed(story: Story, analyst: Making) -> None:
    story.onset = 100
    faults.venue_slow(story)
    story.onset = 210
    assert causes(diagnosed(analyst(story.told()), story.request())) == []


def test_diagnosis_when_many_checks_of_a_preflight_fail_at_once_then_none_of_them_is_blamed(
    story: Story, analyst: Making
) -> None:
    checks = "audit_chain, clock_offset, credential_valid, account_status, venue_reachable, secret_exposure"
    for step in story.steps(4):
        text = f"beta may not be traded, these checks failed: {checks}"
        story.fact("auth", step, "auth.preflight_failed", text, subject="beta", failed_checks=checks)
    assert causes(diagnosed(analyst(story.told()), story.request())) == []


@pytest.mark.parametrize(
    ("checks", "signal"),
    [
        ("clock_offset", "preflight_clock"),
        ("credential_valid, account_status", "preflight_credential"),
        ("venue_reachable, credential_valid", "preflight_venue"),
        ("store_integrity", "preflight_store"),
    ],
)
def test_diagnosis_when_a_preflight_fails_for_one_thing_then_that_is_evidence(
    story: Story, analyst: Making, checks: str, signal: str
) -> None:
    text = f"alpha may not be traded, these checks failed: {checks}"
    story.fact("auth", story.onset, "auth.preflight_failed", text, subject="alpha", failed_checks=checks)
    told = diagnosed(analyst(story.told()), story.request())
    assert [each.signal for each in told.evidence if each.kind is EvidenceKind.PREFLIGHT] == [signal]
