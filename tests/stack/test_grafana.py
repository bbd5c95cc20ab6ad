"""Grafana's provisioning: fixed uids, every jump wired, nothing editable in the browser."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.stack.promql import metric_of, selectors, series_names
from tests.stack.stackfiles import ROOT, load

PROVISIONING = ROOT / "grafana/provisioning"
SOURCES: Mapping[str, Mapping[str, Any]] = {
    source["uid"]: source for source in load("grafana/provisioning/datasources/datasources.yml")["datasources"]
}


def _named_uids(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "datasourceUid":
                yield inner
            yield from _named_uids(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named_uids(inner)


def test_data_sources_when_provisioned_then_their_uids_are_the_ones_others_name() -> None:
    assert {uid: source["type"] for uid, source in SOURCES.items()} == {
        "prometheus": "prometheus",
        "loki": "loki",
        "tempo": "tempo",
        "alertmanager": "alertmanager",
    }


@pytest.mark.parametrize("uid", SOURCES)
def test_data_source_when_provisioned_then_it_reaches_a_service_of_the_stack(uid: str) -> None:
    found = re.fullmatch(r"http://([a-z]+):(\d+)", SOURCES[uid]["url"])
    assert found is not None
    ports = load("docker-compose.yml")["services"][found.group(1)]["ports"]
    assert f"127.0.0.1:{found.group(2)}:{found.group(2)}" in ports
    assert SOURCES[uid]["editable"] is False


def test_links_when_followed_then_each_leads_to_a_data_source_that_exists() -> None:
    named = list(_named_uids(list(SOURCES.values())))
    assert len(named) == 5
    assert set(named) <= set(SOURCES)


def test_exemplar_when_clicked_then_its_trace_opens() -> None:
    (destination,) = SOURCES["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]
    assert destination == {"name": "trace_id", "datasourceUid": "tempo"}


def test_log_line_when_it_has_a_trace_id_then_its_trace_opens() -> None:
    (derived,) = SOURCES["loki"]["jsonData"]["derivedFields"]
    assert (derived["matcherType"], derived["matcherRegex"]) == ("label", "trace_id")
    assert derived["datasourceUid"] == "tempo"


def test_span_when_its_logs_are_asked_for_then_they_are_found_by_trace_id() -> None:
    logs = SOURCES["tempo"]["jsonData"]["tracesToLogsV2"]
    assert logs["customQuery"] is True
    assert logs["query"] == '{service_name=~".+"} | trace_id="$${__trace.traceId}"'


def test_span_when_its_metrics_are_asked_for_then_the_queries_read_what_is_emitted() -> None:
    for query in SOURCES["tempo"]["jsonData"]["tracesToMetrics"]["queries"]:
        expression = query["query"].replace("$$__tags", 'service_name="console"')
        names = {selector.name or "" for selector in selectors(expression)}
        assert names <= series_names()
        assert all(metric_of(name).startswith("sightline_") for name in names)


def test_dollar_signs_when_grafana_expands_the_files_then_each_is_escaped_or_a_variable_of_ours() -> None:
    for path in PROVISIONING.rglob("*.yml"):
        text = re.sub(r"^\s*#.*$|\s#.*$", "", path.read_text(), flags=re.MULTILINE)
        bare = text.replace("$$", "").replace("${SIGHTLINE_DASHBOARDS_DIR}", "")
        assert "$" not in bare, path


def test_dashboards_when_provisioned_then_the_browser_cannot_change_them() -> None:
    (provider,) = load("grafana/provisioning/dashboards/dashboards.yml")["providers"]
    assert provider["allowUiUpdates"] is False
    assert provider["disableDeletion"] is True


def test_dashboards_when_provisioned_then_the_directory_is_the_one_compose_mounts() -> None:
    grafana = load("docker-compose.yml")["services"]["grafana"]
    directory = grafana["environment"]["SIGHTLINE_DASHBOARDS_DIR"]
    assert f"./grafana/dashboards:{directory}:ro" in grafana["volumes"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "grafana/dashboards" / home.removeprefix(f"{directory}/")).is_file()


def test_login_when_grafana_starts_then_a_password_from_a_file_is_needed() -> None:
    environment = load("docker-compose.yml")["services"]["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"].startswith("/run/sightline/")


def test_alerting_when_provisioned_then_grafana_has_none_of_its_own() -> None:
    assert sorted(path.name for path in PROVISIONING.iterdir()) == ["dashboards", "datasources"]
