"""The client that the examples for Prefect and Airflow share, against the real service."""

import httpx
import pytest

from examples.sightline_client import AwayError, RefusedError, Sightline
from services.contracts.pipelines import RunStatus
from tests.automation.service.conftest import NOBODY, Automation


@pytest.fixture
def sightline(automation: Automation, monkeypatch: pytest.MonkeyPatch) -> Sightline:
    monkeypatch.setenv("AUTOMATION_URL", automation.url)
    key = automation.platform.secrets_dir / "identity" / "scheduler.pem"
    monkeypatch.setenv("AUTOMATION_CALLER_KEY", str(key))
    return Sightline.from_environment()


def test_a_task_that_is_tried_again_starts_no_second_run(sightline: Sightline) -> None:
    run_ids = {sightline.start("recover_session", "a-flow-run", "alpaca paper") for _ in range(3)}
    assert run_ids == {"recover_session:scheduler:a-flow-run"}
    assert sightline.run(*run_ids)["target"] == "alpaca paper"


def test_a_run_that_failed_is_told_with_the_reason(sightline: Sightline, automation: Automation) -> None:
    run_id = sightline.start("keep_sessions_alive", "another-flow-run")
    assert automation.ended(run_id).status is RunStatus.FAILED
    with pytest.raises(RefusedError, match="failed: look"):
        sightline.ended(run_id)


def test_a_run_that_goes_on_is_none_yet(sightline: Sightline) -> None:
    assert sightline.ended(sightline.start("knowledge_refresh", "a-patient-flow-run")) is None  # content is away


@pytest.mark.parametrize("pipeline", ["order_unknown", "nothing/at all"])
def test_what_cannot_be_started_is_refused_for_good(sightline: Sightline, pipeline: str) -> None:
    with pytest.raises(RefusedError, match="problem"):
        sightline.start(pipeline, "a-third-flow-run")


def test_a_service_that_is_away_may_be_asked_again(sightline: Sightline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOMATION_URL", NOBODY)
    with pytest.raises(AwayError, match="does not answer"):
        Sightline.from_environment().start("digest", "a-fourth-flow-run")
    monkeypatch.setattr(httpx, "request", lambda *_arguments, **_more: httpx.Response(503, text="not yet"))
    with pytest.raises(AwayError, match="not yet"):
        sightline.start("digest", "a-fourth-flow-run")
