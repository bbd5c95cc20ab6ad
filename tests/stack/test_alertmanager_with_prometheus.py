"""The whole way of an alert: a service dies, and a person reads of it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import pytest

from tests.stack.alerting import (
    Caught,
    alertmanager,
    catchers,
    get_json,
    http_server,
    prometheus,
    stage,
    wait_for,
    write_targets,
)

pytestmark = [
    pytest.mark.needs("prometheus", "prometheus-alertmanager"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def killed_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caught]:
    """Prometheus and Alertmanager on the staged files; of two services one has been scraped and then killed."""
    with ExitStack() as stack:
        caught, addresses = stack.enter_context(catchers())
        staged = stage(tmp_path_factory.mktemp("alerts"), addresses, quick=True)
        alive = stack.enter_context(http_server(_metrics))
        write_targets(
            staged, "alertmanager", {"alertmanager": f"127.0.0.1:{stack.enter_context(alertmanager(staged))}"}
        )
        write_targets(staged, "stack", {})
        with http_server(_metrics) as dying:
            services = {"console": f"127.0.0.1:{dying}", "automation": f"127.0.0.1:{alive}"}
            write_targets(staged, "sightline", services)
            port = stack.enter_context(prometheus(staged))
            wait_for(lambda: _up(port) == {"console": "1", "automation": "1"} or None, timeout_seconds=20, what="up")
        yield caught


def _metrics(_path: str, _headers: Mapping[str, str], _body: bytes) -> bytes:
    return b"sightline_watchdog_silent 0\n"


def _up(port: int) -> dict[str, str]:
    answer = get_json(f"http://127.0.0.1:{port}/api/v1/query?query=up")
    return {result["metric"]["service_name"]: result["value"][1] for result in answer["data"]["result"]}


def test_service_when_killed_then_slack_mail_and_webhook_all_name_it(killed_service: Caught) -> None:
    title = "[CRITICAL] TargetDown: console (local)"
    mail = wait_for(lambda: killed_service.mail("TargetDown"), timeout_seconds=40, what="the mail")
    message = wait_for(lambda: killed_service.message("TargetDown"), timeout_seconds=20, what="the Slack message")
    notification = wait_for(lambda: killed_service.webhook("TargetDown"), timeout_seconds=20, what="the webhook")
    assert mail["Subject"] == title
    assert message["attachments"][0]["title"] == title
    first, since, description, runbook, _ = message["attachments"][0]["text"].splitlines()
    assert first == "console is down"
    assert since.startswith("Since 20")
    assert description.endswith("has not answered a scrape for a minute or more.")
    assert runbook == "Runbook: docs/runbooks/targets.md#targetdown"
    assert [alert["labels"]["service_name"] for alert in notification["alerts"]] == ["console"]


def test_watchdog_when_everything_else_is_quiet_then_the_webhook_hears_it(killed_service: Caught) -> None:
    notification = wait_for(lambda: killed_service.webhook("Watchdog"), timeout_seconds=30, what="the watchdog")
    assert notification["commonLabels"]["severity"] == "none"
    assert killed_service.message("Watchdog") is None
