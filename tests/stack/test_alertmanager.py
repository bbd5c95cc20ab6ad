"""alertmanager.yml and its templates: who hears what, read as a person reads it."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.stack.alerting import TOKEN, Caught, alertmanager, catchers, stage, wait_for
from tests.stack.stackfiles import ROOT, load, run_tool

CONFIG = ROOT / "prometheus/alertmanager.yml"
STARTED = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


@pytest.mark.needs("amtool")
def test_configuration_when_checked_by_amtool_then_it_is_valid() -> None:
    checked = run_tool("amtool", "check-config", str(CONFIG))
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.needs("amtool")
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=TargetDown", "severity=critical"), "critical"),
        (("alertname=TargetDown", "severity=warning"), "warning"),
        (("alertname=MetricUndeclared", "severity=info"), "automation"),
        (("alertname=Watchdog", "severity=none"), "automation"),
        (("alertname=FromElsewhere",), "automation"),
    ],
)
def test_alert_when_routed_then_its_severity_decides(labels: tuple[str, ...], receiver: str) -> None:
    routed = run_tool("amtool", "config", "routes", "test", f"--config.file={CONFIG}", *labels)
    assert routed.stdout.strip() == receiver


def test_receivers_when_listed_then_every_one_tells_automation() -> None:
    for receiver in load("prometheus/alertmanager.yml")["receivers"]:
        assert [webhook["url"] for webhook in receiver["webhook_configs"]] == ["http://automation:8710/alertmanager"]


def test_watchdog_when_routed_then_it_is_repeated_within_two_minutes() -> None:
    (route,) = (
        route
        for route in load("prometheus/alertmanager.yml")["route"]["routes"]
        if route["matchers"] == ['alertname="Watchdog"']
    )
    # Sent at the first group interval after the repeat interval: 60 s.
    assert (route["group_interval"], route["repeat_interval"]) == ("30s", "50s")


def test_inhibition_when_labels_are_compared_then_service_and_environment_are() -> None:
    for rule in load("prometheus/alertmanager.yml")["inhibit_rules"]:
        assert set(rule["equal"]) >= {"service_name", "env"}


def test_secrets_when_configured_then_none_stands_in_the_file() -> None:
    text = CONFIG.read_text()
    assert "credentials:" not in text
    assert "api_url:" not in text
    assert "hooks.slack.com" not in text


@dataclass
class Pipeline:
    """A running Alertmanager and what came out of it."""

    port: int
    caught: Caught

    def raise_alert(self, name: str, severity: str, *, service: str = "console", ended: bool = False) -> None:
        """Post an alert as Prometheus does."""
        alert = {
            "labels": {"alertname": name, "severity": severity, "service_name": service, "env": "local"},
            "annotations": {
                "summary": f"{service} is down",
                "description": "127.0.0.1:8700 has not answered <a scrape> for a minute.",
                "runbook_url": "docs/runbooks/targets.md#targetdown",
                "dashboard_url": "/d/telemetry-health?var-service=console",
            },
            "startsAt": STARTED.isoformat(),
            "endsAt": (STARTED + timedelta(minutes=7) if ended else datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v2/alerts",
            data=json.dumps([alert]).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310 -- the same
            assert response.status == 200

    def slack(self, text: str) -> dict[str, Any]:
        """The attachment of the message whose title holds a text, once it has come."""
        message = wait_for(lambda: self.caught.message(text), timeout_seconds=20, what=f"Slack: {text}")
        attachment: dict[str, Any] = message["attachments"][0]
        return attachment


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with catchers() as (caught, addresses):
        staged = stage(tmp_path_factory.mktemp("alertmanager"), addresses, quick=True)
        with alertmanager(staged) as port:
            yield Pipeline(port=port, caught=caught)


@pytest.mark.needs("prometheus-alertmanager")
def test_critical_alert_when_it_fires_then_slack_says_what_since_when_and_where_to_look(pipeline: Pipeline) -> None:
    pipeline.raise_alert("CriticalOnSlack", "critical")
    message = pipeline.slack("CriticalOnSlack")
    assert message["title"] == "[CRITICAL] CriticalOnSlack: console (local)"
    assert message["title_link"] == "http://127.0.0.1:3000/d/telemetry-health?var-service=console"
    assert message["color"] == "danger"
    assert message["text"].splitlines() == [
        "console is down",
        "Since 2026-03-02 14:30:00 UTC",
        "127.0.0.1:8700 has not answered <a scrape> for a minute.",
        "Runbook: docs/runbooks/targets.md#targetdown",
        "Dashboard: http://127.0.0.1:3000/d/telemetry-health?var-service=console",
    ]


@pytest.mark.needs("prometheus-alertmanager")
def test_critical_alert_when_it_fires_then_a_mail_says_the_same(pipeline: Pipeline) -> None:
    pipeline.raise_alert("CriticalByMail", "critical")
    mail = wait_for(lambda: pipeline.caught.mail("CriticalByMail"), timeout_seconds=20, what="the mail")
    assert mail["Subject"] == "[CRITICAL] CriticalByMail: console (local)"
    assert mail["To"] == "operator@localhost"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().strip().splitlines()[1] == "Since 2026-03-02 14:30:00 UTC"
    assert "Runbook: docs/runbooks/targets.md#targetdown" in plain.get_content()
    assert "<b>console is down</b>" in html.get_content()
    assert "not answered &lt;a scrape&gt; for" in html.get_content()
    assert 'href="http://127.0.0.1:3000/d/telemetry-health?var-service=console"' in html.get_content()


@pytest.mark.needs("prometheus-alertmanager")
def test_alert_when_it_fires_then_the_webhook_gets_it_with_the_bearer_token(pipeline: Pipeline) -> None:
    pipeline.raise_alert("ByWebhook", "info", service="automation")
    body = wait_for(lambda: pipeline.caught.webhook("ByWebhook"), timeout_seconds=20, what="the webhook")
    (authorization,) = {header for header, taken in pipeline.caught.webhooks if taken is body}
    assert authorization == f"Bearer {TOKEN}"
    (alert,) = body["alerts"]
    assert alert["labels"] == {
        "alertname": "ByWebhook",
        "severity": "info",
        "service_name": "automation",
        "env": "local",
    }
    assert alert["annotations"]["runbook_url"] == "docs/runbooks/targets.md#targetdown"
    assert len(alert["fingerprint"]) == 16


@pytest.mark.needs("prometheus-alertmanager")
def test_warning_when_it_fires_then_slack_hears_of_it_and_mail_does_not(pipeline: Pipeline) -> None:
    pipeline.raise_alert("WarningOnSlack", "warning", service="tempo")
    assert pipeline.slack("WarningOnSlack")["color"] == "warning"
    # A later critical alert is the fence: its mail has come, so one for the warning would have come before it.
    pipeline.raise_alert("FenceForWarning", "critical", service="fence")
    wait_for(lambda: pipeline.caught.mail("FenceForWarning"), timeout_seconds=20, what="the fence")
    assert pipeline.caught.mail("WarningOnSlack") is None


@pytest.mark.needs("prometheus-alertmanager")
def test_info_when_it_fires_then_only_the_webhook_hears_of_it(pipeline: Pipeline) -> None:
    pipeline.raise_alert("InfoByWebhook", "info", service="tempo")
    wait_for(lambda: pipeline.caught.webhook("InfoByWebhook"), timeout_seconds=20, what="the webhook")
    pipeline.raise_alert("FenceForInfo", "critical", service="fence")
    pipeline.slack("FenceForInfo")
    assert pipeline.caught.message("InfoByWebhook") is None


@pytest.mark.needs("prometheus-alertmanager")
def test_warning_when_its_service_has_a_critical_alert_then_it_is_held_back(pipeline: Pipeline) -> None:
    pipeline.raise_alert("Cause", "critical", service="nats")
    pipeline.slack("Cause")
    pipeline.raise_alert("Symptom", "warning", service="nats")
    pipeline.raise_alert("Unrelated", "warning", service="loki")
    pipeline.slack("Unrelated")
    assert pipeline.caught.message("Symptom") is None
    assert pipeline.caught.webhook("Symptom") is None


@pytest.mark.needs("prometheus-alertmanager")
def test_broker_down_when_all_brokers_are_then_it_is_held_back(pipeline: Pipeline) -> None:
    pipeline.raise_alert("AllBrokersDown", "critical", service="trading")
    pipeline.slack("AllBrokersDown")
    pipeline.raise_alert("BrokerDown", "critical", service="trading")
    pipeline.raise_alert("BrokerDown", "critical", service="trading-elsewhere")
    pipeline.slack("BrokerDown: trading-elsewhere")
    assert pipeline.caught.message("BrokerDown: trading (") is None


@pytest.mark.needs("prometheus-alertmanager")
def test_kill_switch_when_engaged_then_other_warnings_of_trading_still_come(pipeline: Pipeline) -> None:
    pipeline.raise_alert("KillSwitchEngaged", "critical", service="halted")
    pipeline.slack("KillSwitchEngaged")
    pipeline.raise_alert("ReconcileStale", "warning", service="halted")
    pipeline.slack("ReconcileStale")


@pytest.mark.needs("prometheus-alertmanager")
def test_anomaly_when_it_is_found_elsewhere_then_warnings_about_the_finder_still_come(pipeline: Pipeline) -> None:
    pipeline.raise_alert("AnomalyHigh", "critical", service="finder")
    pipeline.slack("AnomalyHigh")
    pipeline.raise_alert("DeadLetters", "warning", service="finder")
    pipeline.slack("DeadLetters: finder")


@pytest.mark.needs("prometheus-alertmanager")
def test_warning_when_its_sharper_sister_fires_then_it_is_held_back(pipeline: Pipeline) -> None:
    pipeline.raise_alert("DailyLossNear", "critical", service="losing")
    pipeline.slack("[CRITICAL] DailyLossNear: losing")
    pipeline.raise_alert("DailyLossNear", "warning", service="losing")
    pipeline.raise_alert("DailyLossNear", "warning", service="gaining")
    pipeline.slack("[WARNING] DailyLossNear: gaining")
    assert pipeline.caught.message("[WARNING] DailyLossNear: losing") is None


@pytest.mark.needs("prometheus-alertmanager")
def test_alert_when_it_is_over_then_slack_says_from_when_to_when(pipeline: Pipeline) -> None:
    pipeline.raise_alert("Over", "critical", service="grafana")
    pipeline.slack("[CRITICAL] Over")
    pipeline.raise_alert("Over", "critical", service="grafana", ended=True)
    message = pipeline.slack("[RESOLVED] Over")
    assert message["color"] == "good"
    assert "From 2026-03-02 14:30:00 to 2026-03-02 14:37:00 UTC" in message["text"]
