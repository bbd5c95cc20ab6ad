"""Every panel asked of a real Prometheus that scrapes a service with something to say: none may err or stay empty."""

import itertools
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from telemetry import catalogue
from telemetry.catalogue import Kind, Metric
from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.files import dashboards
from telemetry.dashboards.panels import Logs
from telemetry.emit.clock import SystemClock
from telemetry.emit.metrics import Metrics
from tests.stack.alerting import get_json, http_server, prometheus, stage, wait_for, write_targets

pytestmark = pytest.mark.needs("prometheus")

# Scraped each second here instead of every 15: the interval shrinks with it.
VARIABLES = {"$__rate_interval": "5s", "$__range": "1m", "$env": "local", "$service": ".*", "[5m]": "[5s]"}
QUERIES = {
    f"{dashboard.uid}: {panel.title} {index}": target.query
    for dashboard in dashboards()
    for panel in dashboard.panels
    if not isinstance(panel, Logs)
    for index, target in enumerate(panel.targets)
}

EXPECTED = {
    "AccountBlocked",
    "CallersRefused",
    "DeadLetters",
    "DenialsSurge",
    "FailoverFlapping",
    "FramesQuarantined",
    "InvalidTransition",
    "KillSwitchEngaged",
    "KillSwitchIncomplete",
    "LateFill",
    "MarketDataStale",
    "MetricUndeclared",
    "OrderStuck",
    "OrderSubmissionBudgetBurning",
    "OrderSubmissionBudgetSlowBurn",
    "OrderTermsDiffer",
    "OrderUnknown",
    "OrphanOrder",
    "OutboxStuck",
    "Overfill",
    "ParityDiverged",
    "PositionDrift",
    "RateLimitNear",
    "ReconcileMismatch",
    "RejectRatioHigh",
    "RequestsFailing",
    "SecretsRedacted",
    "SignalsExpired",
    "SpoolGrowing",
    "SpoolNearlyFull",
    "StrategyBudgetExhausted",
    "StrategyStopped",
    "SubmitLatencyHigh",
    "TargetAbsent",
    "TelemetryLoss",
    "TradingReducing",
    "UnhandledErrors",
    "VenueHeldBack",
    "Watchdog",
}


class _BusyService:
    """A service in which everything the catalogue knows happens between any two scrapes."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._metrics = Metrics(self._clock)
        for metric in catalogue.METRICS:
            for label in metric.labels:
                if label.values is None:
                    self._metrics.declare(metric, label.name, ("example",))

    def page(self, _path: str, _headers: Mapping[str, str], _body: bytes) -> bytes:
        for metric in catalogue.METRICS:
            for values in itertools.product(*((label.values or ("example",)) for label in metric.labels)):
                self._happen(metric, dict(zip((label.name for label in metric.labels), values, strict=True)))
        return self._metrics.exposition("text/plain")[0]

    def _happen(self, metric: Metric, labels: Mapping[str, str]) -> None:
        match metric.kind:
            case Kind.COUNTER:
                self._metrics.counter(metric, **labels).inc()
            case Kind.HISTOGRAM:
                self._metrics.histogram(metric, **labels).observe(0.02)
            case Kind.GAUGE:
                self._metrics.gauge(metric, **labels).set(self._level(metric.name))

    def _level(self, name: str) -> float:
        """Moments are now; ages, sizes and sums are large; whatever else there is, there is one of."""
        return self._clock.time_ns() / 1e9 if name.endswith(("_seconds", "_bytes", "_dollars")) else 1.0


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has scraped a busy service a few times."""
    staged = stage(tmp_path_factory.mktemp("dashboards"), {}, quick=True)
    write_targets(staged, "alertmanager", {})
    write_targets(staged, "stack", {})
    with http_server(_BusyService().page) as service:
        write_targets(staged, "sightline", {"console": f"127.0.0.1:{service}"})
        with prometheus(staged) as port:
            found = f"http://127.0.0.1:{port}"
            wait_for(lambda: _scrapes(found) >= 4 or None, timeout_seconds=30, what="four scrapes")
            yield found


def _ask(address: str, expression: str) -> list[dict[str, Any]]:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    answer = get_json(f"{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    assert answer is not None, expression
    assert answer["status"] == "success"
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def _scrapes(address: str) -> float:
    result = _ask(address, 'count_over_time(up{job="sightline"}[1m])')
    return float(result[0]["value"][1]) if result else 0.0


@pytest.mark.parametrize("name", QUERIES)
def test_panel_when_the_platform_is_busy_then_it_shows_something(address: str, name: str) -> None:
    assert _ask(address, QUERIES[name]) != []


def test_alerts_when_everything_goes_wrong_then_each_reads_as_whole_sentences(address: str) -> None:
    def firing() -> list[dict[str, Any]] | None:
        alerts = get_json(f"{address}/api/v1/alerts")["data"]["alerts"]
        raised = [alert for alert in alerts if alert["state"] == "firing"]
        return raised if {alert["labels"]["alertname"] for alert in raised} >= EXPECTED else None

    for alert in wait_for(firing, timeout_seconds=30, what="the alerts of a service in trouble"):
        text = " ".join(alert["annotations"].values())
        assert not re.search(r"<error|<no value>|%!|\{\{|NaN|e\+\d\d", text), text
        assert alert["annotations"]["summary"].startswith((alert["labels"]["service_name"], "The alerting"))


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda dashboard: dashboard.uid)
def test_annotations_when_asked_then_prometheus_answers(address: str, dashboard: Dashboard) -> None:
    for annotation in dashboard.to_json()["annotations"]["list"]:
        _ask(address, annotation["expr"])
