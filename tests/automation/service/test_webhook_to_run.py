"""From Alertmanager's webhook over the real bus to a run: one for each occurrence, however often it is told."""

from pathlib import Path

import pytest

from services.contracts.pipelines import CauseKind, RunList, RunView
from tests.automation.pipelines.conftest import until
from tests.automation.service.conftest import Automation, running
from tests.automation.webhooks import STARTED, alert, body
from tests.kit.conftest import NatsServer, nats_server

__all__ = ["nats_server"]  # a fixture that is asked for here too
LATER = "2026-03-02T13:00:00Z"


def runs(automation: Automation) -> list[RunView]:
    with automation.client() as client:
        answer = client.get("/runs", params={"pipeline": "alert_triage"})
        return list(RunList.model_validate_json(answer.content).runs)


@pytest.mark.needs("nats-server")
def test_alert_when_told_again_and_late_then_each_occurrence_has_one_run(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(nats_server.token)
    bus = {"SIGHTLINE_NATS_URL": nats_server.url, "SIGHTLINE_NATS_TOKEN_FILE": str(token)}
    home = tmp_path / "home"
    home.mkdir()
    with running(home, **bus) as automation:
        firing, over = body(alert()), body(alert(status="resolved"))
        for each in (firing, firing, over, firing):
            assert automation.notify(each).status_code == 200
        until(lambda: runs(automation))
        automation.notify(body(alert(starts_at=LATER)))
        until(lambda: len(runs(automation)) > 1)
        found = runs(automation)
    assert {each.cause_kind for each in found} == {CauseKind.ALERT}
    began = sorted(each.cause_id.partition(":")[2] for each in found)
    assert began == [STARTED[:26].rstrip("Z") + "Z", LATER]
