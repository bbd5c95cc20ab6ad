"""One request through two services, found again by its trace everywhere."""

import secrets
from typing import Any

import pytest

from tests.end_to_end.conftest import Platform, eventually, trace_id_in

pytestmark = [pytest.mark.needs("prometheus", "nats-server"), pytest.mark.slow]


@pytest.fixture(scope="module")
def trace_id(platform: Platform) -> str:
    """A trace that the test began, continued by console and by automation, which console asks."""
    trace_id = secrets.token_hex(16)
    answer = platform.ask("/api/alerts?status=firing", traceparent=f"00-{trace_id}-{secrets.token_hex(8)}-01")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-trace-id"] == trace_id
    return trace_id


def _spans(platform: Platform, trace_id: str) -> list[dict[str, Any]]:
    answer = platform.ask(f"/api/traces/{trace_id}")
    return answer.json()["spans"] if answer.status_code == 200 else []


def test_trace_when_read_over_the_api_then_each_hop_is_a_span_below_the_one_before(
    platform: Platform, trace_id: str
) -> None:
    spans = eventually(
        lambda: found if len(found := _spans(platform, trace_id)) == 3 else None,
        within_seconds=60,
        what="trace of three spans",
    )
    by_parent = {span["parent_span_id"]: span for span in spans}
    (server,) = [span for span in spans if (span["service_name"], span["kind"]) == ("console", "server")]
    client = by_parent[server["span_id"]]
    callee = by_parent[client["span_id"]]

    assert (client["service_name"], client["kind"]) == ("console", "client")
    assert (callee["service_name"], callee["kind"], callee["name"]) == ("automation", "server", "GET /alerts")


def test_log_lines_when_asked_by_trace_then_both_services_speak(platform: Platform, trace_id: str) -> None:
    def both() -> set[str] | None:
        lines = platform.ask(f"/api/logs?trace_id={trace_id}").json()["lines"]
        speakers = {line["service_name"] for line in lines}
        return speakers if len(speakers) == 2 else None

    assert eventually(both, within_seconds=60, what="line of each service") == {"console", "automation"}


def test_command_when_it_shows_the_trace_then_spans_and_lines_are_there(platform: Platform, trace_id: str) -> None:
    eventually(lambda: len(_spans(platform, trace_id)) == 3, within_seconds=60, what="trace of three spans")
    shown = platform.run("trace", trace_id)

    assert shown.returncode == 0, shown.stderr
    assert "GET /api/alerts" in shown.stdout
    assert "GET /alerts" in shown.stdout
    assert "automation" in shown.stdout


def test_exemplar_when_prometheus_has_scraped_then_it_leads_to_the_trace(platform: Platform, trace_id: str) -> None:
    def exemplars() -> set[str]:
        data = platform.prometheus(
            "query_exemplars",
            query="sightline_http_request_duration_seconds_bucket",
            start=str(0),
            end="2999-01-01T00:00:00Z",
        )
        return {each["labels"]["trace_id"] for series in data for each in series["exemplars"]}

    assert eventually(lambda: trace_id in exemplars(), within_seconds=90, what="exemplar of the trace")


def test_alerts_command_when_it_asks_then_it_names_its_trace(platform: Platform) -> None:
    asked = platform.run("alerts")

    assert asked.returncode in {0, 1}, asked.stderr  # 1: an alert fires, such as what another test brought about
    shown = eventually(
        lambda: found if (found := platform.run("trace", trace_id_in(asked.stdout))).returncode == 0 else None,
        within_seconds=60,
        what="trace of the command",
    )
    assert "GET /alerts" in shown.stdout
