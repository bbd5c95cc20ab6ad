"""Pipelines, runs and approvals over HTTP: who may ask, and that no request starts more than it says."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from services.automation.tables import RUNS
from services.contracts.pipelines import ApprovalStatus, ApprovalView, CauseKind, PipelineList, RunStatus
from services.kit.errors import Problem
from tests.automation.service.conftest import PASSPHRASE, WEBHOOK_TOKEN, Automation
from tests.automation.webhooks import alert, body

LIMIT = {"limit": "day_loss", "to": "500"}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, Problem.model_validate_json(answer.content).code


def asked(automation: Automation, run_id: str, number: int = 1) -> ApprovalView:
    question = automation.approvals.ask(run_id, number, "raise_limits", LIMIT, "The day is volatile.")
    return automation.approvals.one(question.approval_id)


@pytest.mark.parametrize(
    ("method", "path", "caller"),
    [
        ("GET", "/pipelines", "stranger"),
        ("POST", "/pipelines/digest/runs", "stranger"),
        ("GET", "/runs", "stranger"),
        ("GET", "/runs/any", "stranger"),
        ("DELETE", "/runs/any", "stranger"),
        ("GET", "/approvals", "scheduler"),
        ("GET", "/approvals/any", "scheduler"),
        ("POST", "/approvals/any/grant", "scheduler"),
        ("POST", "/approvals/any/refuse", "scheduler"),
        ("GET", "/incidents", "scheduler"),
    ],
)
def test_request_when_its_caller_lacks_the_scope_then_it_is_refused(
    automation: Automation, method: str, path: str, caller: str
) -> None:
    with automation.client(caller) as client:
        assert client.request(method, path, json={}, headers={"idempotency-key": "k"}).status_code == 403


def test_request_when_nobody_signed_it_then_it_is_refused(automation: Automation) -> None:
    assert httpx.post(f"{automation.url}/pipelines/digest/runs", json={}).status_code == 401


def test_run_when_asked_for_with_one_key_then_there_is_one_and_it_is_told_again(automation: Automation) -> None:
    first, again = automation.run("digest", "one"), automation.run("digest", "one")
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json() == {"run_id": "digest:operator:one", "started": True}
    assert again.json() == {"run_id": "digest:operator:one", "started": False}


def test_key_when_another_caller_has_it_too_then_each_has_a_run_of_its_own(automation: Automation) -> None:
    ids = [automation.run("digest", "ours", caller).json()["run_id"] for caller in ("operator", "scheduler")]
    assert ids == ["digest:operator:ours", "digest:scheduler:ours"]
    with automation.client() as client:
        kinds = [client.get(f"/runs/{run_id}").json()["cause_kind"] for run_id in ids]
    assert kinds == [CauseKind.COMMAND, CauseKind.HTTP]


@pytest.mark.parametrize("changed", [{"target": "beta"}, {"target": "alpha", "parameters": {"more": "1"}}])
def test_key_when_it_comes_with_another_request_then_it_is_refused(
    automation: Automation, changed: Mapping[str, Any]
) -> None:
    key = f"taken-{len(changed)}"
    assert automation.run("recover_session", key, target="alpha").status_code == 202
    assert code(automation.run("recover_session", key, **changed)) == (409, "key_reused")


@pytest.mark.parametrize(
    ("pipeline", "wanted"),
    [
        ("nothing", (404, "unknown_pipeline")),
        ("order_unknown", (409, "not_by_hand")),
        ("recover_session", (422, "target_missing")),
    ],
)
def test_run_when_it_cannot_be_then_the_refusal_says_why(
    automation: Automation, pipeline: str, wanted: tuple[int, str]
) -> None:
    assert code(automation.run(pipeline, "refused")) == wanted


@pytest.mark.parametrize("headers", [{}, {"idempotency-key": ""}, {"idempotency-key": "two words"}])
def test_run_when_its_key_is_missing_or_malformed_then_nothing_starts(
    automation: Automation, headers: Mapping[str, str]
) -> None:
    with automation.client() as client:
        assert client.post("/pipelines/weekly_review/runs", json={}, headers=headers).status_code == 422
        assert client.get("/runs", params={"pipeline": "weekly_review"}).json() == {"runs": []}


def test_run_when_a_parameter_is_a_secret_then_it_is_refused_and_stored_nowhere(automation: Automation) -> None:
    canary = "hunter2-of-a-test"
    answer = automation.run("digest", "secret", parameters={"password": canary})
    assert code(answer) == (422, "secret_in_request")
    assert canary not in answer.text
    kept = (automation.platform.data_dir / "db").iterdir()
    assert canary.encode() not in b"".join(path.read_bytes() for path in kept)


def test_run_when_canceled_then_it_ends_and_cannot_be_canceled_again(automation: Automation) -> None:
    run_id = automation.run("knowledge_refresh", "cancel").json()["run_id"]  # content is away: it would try for long
    with automation.client() as client:
        assert client.delete(f"/runs/{run_id}").json()["status"] == RunStatus.CANCELED
        assert code(client.delete(f"/runs/{run_id}")) == (409, "run_ended")
        assert code(client.delete("/runs/nothing")) == (404, "unknown_run")
        assert code(client.get("/runs/nothing")) == (404, "unknown_run")


def test_pipelines_when_listed_then_each_says_what_starts_it_and_when_it_is_due(automation: Automation) -> None:
    with automation.client("scheduler") as client:
        listed = PipelineList.model_validate_json(client.get("/pipelines").content).pipelines
    due = {each.name for each in listed if each.next_due_at is not None}
    assert {"keep_sessions_alive", "nightly_reconciliation", "digest", "weekly_review"} <= due
    assert all(each.triggers for each in listed)


def test_approval_when_the_passphrase_is_wrong_then_nothing_is_decided(automation: Automation) -> None:
    view = asked(automation, "a-run")
    with automation.client() as client:
        decision = {"parameters_digest": view.parameters_digest, "step_up": "another one"}
        answer = client.post(f"/approvals/{view.approval_id}/grant", json=decision)
        assert answer.status_code == 502
        assert "It is another one." in answer.text
    assert automation.approvals.one(view.approval_id).status is ApprovalStatus.PENDING


def test_approval_when_granted_then_a_replay_and_a_widened_one_are_refused(automation: Automation) -> None:
    view = asked(automation, "b-run")
    decision = {"parameters_digest": view.parameters_digest, "step_up": PASSPHRASE}
    path = f"/approvals/{view.approval_id}"
    with automation.client() as client:
        assert code(client.post(f"{path}/grant", json=decision | {"parameters_digest": "0" * 64})) == (
            409,
            "parameters_differ",
        )
        granted = client.post(f"{path}/grant", json=decision)
        assert (granted.status_code, granted.json()["decided_by"]) == (200, "operator")
        assert code(client.post(f"{path}/grant", json=decision)) == (409, "approval_closed")
        assert code(client.post(f"{path}/refuse", json=decision)) == (409, "approval_closed")
        assert code(client.get("/approvals/nothing")) == (404, "unknown_approval")


def test_webhook_when_it_comes_twice_or_late_then_it_changes_something_once(automation: Automation) -> None:
    firing, over = body(alert("TargetDown")), body(alert("TargetDown", status="resolved"))
    changes = [automation.notify(each).json()["changed"] for each in (firing, firing, over, firing, over)]
    assert changes == [1, 0, 1, 0, 0]


@pytest.mark.parametrize("token", ["forged", WEBHOOK_TOKEN[:-1]])
def test_webhook_when_forged_then_it_is_refused(automation: Automation, token: str) -> None:
    assert automation.notify(body(alert()), token=token).status_code == 401


def test_webhook_when_a_caller_signs_it_then_it_is_refused(automation: Automation) -> None:
    with automation.client() as client:
        assert client.post("/alertmanager", json=body(alert())).status_code == 403


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"version": "3", "alerts": []}', b'{"version": "4", "alerts": [{"status": "firing"}]}'],
)
def test_webhook_when_malformed_then_it_is_refused_in_words(automation: Automation, content: bytes) -> None:
    answer = automation.notify(content)
    assert answer.status_code == 422
    assert Problem.model_validate_json(answer.content).detail


def test_runs_when_all_of_this_was_asked_then_each_key_has_one(automation: Automation) -> None:
    with automation.database.reading() as connection:
        once = select(RUNS.c.cause_id, RUNS.c.pipeline).group_by(RUNS.c.cause_id, RUNS.c.pipeline)
        assert connection.execute(once.having(func.count() > 1)).all() == []
