"""The view of the main job: every panel and rule answers, and every service is seen by each kind of signal."""

import dataclasses

import httpx
import pytest

from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.files import dashboards
from telemetry.dashboards.panels import Logs, Panel
from tests.end_to_end.conftest import Platform, eventually

pytestmark = [pytest.mark.needs("prometheus", "nats-server"), pytest.mark.slow, pytest.mark.timeout(600)]

_VARIABLES = {"$__rate_interval": "1m", "$__range": "15m", "$__interval": "15s", "$env": ".*", "$service": ".*"}
_SERVICES = ("console", "automation", "auth", "trading", "venue", "content", "agents")
_SILENT = next(
    field.default for field in dataclasses.fields(Panel) if field.name == "empty"
)  # what stands on a panel whose author said nothing about its being empty


def _answer(platform: Platform, query: str) -> list[object]:
    for name, value in _VARIABLES.items():
        query = query.replace(name, value)
    try:
        found: list[object] = platform.prometheus("query", query=query)["result"]
    except httpx.HTTPStatusError as error:
        pytest.fail(f"{query}: {error.response.text}")
    return found


def _empty(platform: Platform, dashboard: Dashboard) -> list[Panel]:
    asked = [panel for panel in dashboard.panels if not isinstance(panel, Logs)]
    return [panel for panel in asked if not any(_answer(platform, target.query) for target in panel.targets)]


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda dashboard: dashboard.uid)
def test_panels_when_the_main_job_runs_then_each_answers_and_says_why_where_it_is_empty(
    trading: Platform, dashboard: Dashboard
) -> None:
    def shown() -> bool:
        empty = _empty(trading, dashboard)
        return all(panel.empty != _SILENT for panel in empty) and 2 * len(empty) <= len(dashboard.panels)

    # Rates need two scrapes.
    eventually(shown, within_seconds=120, what=f"panel of {dashboard.uid} but {_empty(trading, dashboard)}")


def test_rules_when_the_main_job_runs_then_each_is_evaluated(trading: Platform) -> None:
    def evaluated() -> bool:
        rules = [rule for group in trading.prometheus("rules")["groups"] for rule in group["rules"]]
        assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] == "err"] == []
        return all(rule["health"] == "ok" for rule in rules)

    eventually(evaluated, within_seconds=90, what="evaluation of all rules")


@pytest.mark.parametrize("service", _SERVICES)
def test_service_when_the_main_job_runs_then_it_shows_logs_metrics_and_traces(trading: Platform, service: str) -> None:
    def seen() -> bool:
        logs = trading.ask(f"/api/logs?service={service}&limit=1").json()["lines"]
        traces = trading.ask(f"/api/traces?service={service}&limit=1").json()["traces"]
        # The venue stands for what is outside: its callers' spans name it, and it joins no trace.
        return bool(
            logs and (traces or service == "venue") and _answer(trading, f'up{{service_name="{service}"}} == 1')
        )

    eventually(seen, within_seconds=120, what=f"log line, trace and metric of {service}")


@pytest.mark.parametrize(
    ("caller", "called"),
    [
        ("trading", "auth"),
        ("console", "automation"),
    ],
)
def test_hop_when_the_main_job_runs_then_a_trace_leads_over_it(trading: Platform, caller: str, called: str) -> None:
    trading.run("alerts")  # the console asks when it is asked

    def led() -> bool:
        found = trading.ask(f"/api/traces?service={caller}&limit=200").json()["traces"]
        return any(_leads(trading, each["trace_id"], caller, called) for each in found)

    eventually(led, within_seconds=120, what=f"trace that leads from {caller} to {called}")


def _leads(platform: Platform, trace_id: str, caller: str, called: str) -> bool:
    answer = platform.ask(f"/api/traces/{trace_id}")
    if answer.status_code != httpx.codes.OK:
        return False
    spans = answer.json()["spans"]
    by_id = {span["span_id"]: span["service_name"] for span in spans}
    return any(span["service_name"] == called and by_id.get(span["parent_span_id"]) == caller for span in spans)
