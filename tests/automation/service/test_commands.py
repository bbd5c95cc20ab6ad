"""`sightline pipelines`, `runs`, `run`, `approvals`, `approve`, `refuse` and `incidents` against the real service."""

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner, Result

from services.automation.incidents.trouble import Trouble
from services.contracts.incidents import IncidentSeverity
from services.contracts.pipelines import ApprovalStatus, RunStatus
from tests.automation.service.conftest import PASSPHRASE, Automation

LIMIT = {"limit": "day_loss", "to": "500"}


def sightline(automation: Automation, *arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(automation.platform.command(), list(arguments), input=typed)


def question(automation: Automation, run_id: str) -> str:
    return automation.approvals.ask(run_id, 1, "raise_limits", LIMIT, "The day is volatile.").approval_id


def incident(automation: Automation, cause_id: str) -> str:
    trouble = Trouble(
        cause_id=cause_id,
        cause_kind="alert",
        cause_name="BrokerDown",
        title="alpha does not answer",
        severity=IncidentSeverity.CRITICAL,
        target="",
        started_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
    )
    return automation.incidents.open(trouble, "a-run").incident_id


def test_pipelines_shows_each_with_what_it_is_for(automation: Automation) -> None:
    shown = sightline(automation, "pipelines")
    assert shown.exit_code == 0
    assert "venue_degraded" in shown.output
    assert "Hold a venue back that does not work" in shown.output


def test_pipelines_shows_one_with_what_starts_it_and_what_it_replaces(automation: Automation) -> None:
    shown = sightline(automation, "pipelines", "recover_session").output
    assert "replaces: MFA entry; 403 triage" in shown
    assert "started by: alert AccountBlocked" in shown


def test_pipelines_of_none_says_how_to_find_one(automation: Automation) -> None:
    error = sightline(automation, "pipelines", "nothing").exception
    assert "sightline pipelines" in str(getattr(error, "remedy", ""))


def test_run_starts_one_and_the_same_key_starts_no_second(automation: Automation) -> None:
    first = sightline(automation, "run", "digest", "--key", "by-hand")
    again = sightline(automation, "run", "digest", "--key", "by-hand")
    assert "digest:operator:by-hand started" in first.output
    assert "was there already" in again.output


def test_run_without_its_target_says_what_is_missing(automation: Automation) -> None:
    assert "name it as `target`" in str(sightline(automation, "run", "recover_session").exception)


def test_runs_shows_a_failed_one_with_the_step_that_failed_and_ends_with_1(automation: Automation) -> None:
    # auth is there and knows no such route: the step is refused for good.
    sightline(automation, "run", "keep_sessions_alive", "--key", "fails")
    run_id = "keep_sessions_alive:operator:fails"
    assert automation.ended(run_id).status is RunStatus.FAILED
    shown = sightline(automation, "runs", run_id)
    assert shown.exit_code == 1
    assert "look" in shown.output
    listed = sightline(automation, "runs", "--status", "failed", "--pipeline", "keep_sessions_alive")
    assert (listed.exit_code, run_id in listed.output) == (0, True)


def test_runs_cancels_one_before_its_next_step(automation: Automation) -> None:
    sightline(automation, "run", "knowledge_refresh", "--key", "canceled")
    shown = sightline(automation, "runs", "knowledge_refresh:operator:canceled", "--cancel")
    assert "canceled, caused by command" in shown.output
    assert "needs a run" in str(sightline(automation, "runs", "--cancel").exception)


def test_approvals_ends_with_1_while_something_waits_and_shows_what_exactly(automation: Automation) -> None:
    approval_id = question(automation, "listed")
    shown = sightline(automation, "approvals")
    assert shown.exit_code == 1
    assert approval_id in shown.output
    assert "limit=day_loss, to=500" in shown.output


def test_approve_takes_the_passphrase_and_allows_what_was_shown(
    automation: Automation, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval_id = question(automation, "approved")
    wrong = sightline(automation, "approve", approval_id, typed="not this one\n")
    assert "It is another one." in str(wrong.exception)
    assert automation.approvals.one(approval_id).status is ApprovalStatus.PENDING
    done = sightline(automation, "approve", approval_id, typed=f"{PASSPHRASE}\n")
    assert done.exit_code == 0
    assert PASSPHRASE not in done.output
    assert automation.approvals.one(approval_id).status is ApprovalStatus.GRANTED
    replayed = sightline(automation, "approve", approval_id, typed=f"{PASSPHRASE}\n")
    assert "An answer counts once." in str(replayed.exception)


def test_refuse_refuses_what_was_shown_and_all_lists_it(automation: Automation) -> None:
    approval_id = question(automation, "refused")
    assert sightline(automation, "refuse", approval_id).exit_code == 0
    assert automation.approvals.one(approval_id).status is ApprovalStatus.REFUSED
    listed = sightline(automation, "approvals", "--all", "--limit", "1000").output
    assert any(approval_id in line and "refused" in line for line in listed.splitlines())


def test_incidents_ends_with_1_while_one_is_open_and_shows_its_history(automation: Automation) -> None:
    incident_id = incident(automation, "shown")
    assert sightline(automation, "incidents", "--open").exit_code == 1
    automation.incidents.acted(incident_id, "hold_venue", "done", "")
    automation.incidents.resolve(incident_id, "alpha answers")
    shown = sightline(automation, "incidents", incident_id)
    assert shown.exit_code == 0
    assert "alpha does not answer (critical, resolved)" in shown.output
    assert "hold_venue: done." in shown.output
    assert "`sightline runs a-run` shows the steps" in shown.output


def test_incidents_of_none_says_how_to_find_one(automation: Automation) -> None:
    assert "sightline incidents" in str(sightline(automation, "incidents", "nothing").exception)
