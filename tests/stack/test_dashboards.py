"""Dashboards: as generated, readable by Grafana, every query valid and about something that is emitted."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from telemetry import catalogue
from telemetry.dashboards import foreign, promql
from telemetry.dashboards.__main__ import DIRECTORY, main
from telemetry.dashboards.dashboard import Dashboard
from telemetry.dashboards.files import dashboards, rendered
from telemetry.dashboards.panels import Logs, Target, TimeSeries, Unit
from tests.stack.promql import metric_of, selectors, series_names
from tests.stack.stackfiles import ROOT, RULE_FILES, alert_rules, load, recordings, run_tool

DASHBOARDS: Mapping[str, Mapping[str, Any]] = {name: json.loads(text) for name, text in rendered().items()}
DATASOURCES = {source["uid"] for source in load("grafana/provisioning/datasources/datasources.yml")["datasources"]}
# What Grafana puts in place of its variables.
VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$env": "local", "$service": ".*"}


def _panels() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            yield f"{name}: {panel['title']}", panel


def _expressions() -> Iterator[tuple[str, str]]:
    """Every PromQL of panels and annotations, variables filled in."""
    for name, panel in _panels():
        for target in panel["targets"]:
            if target["datasource"]["uid"] == "prometheus":
                yield f"{name} {target['refId']}", _fill(target["expr"])
    for name, dashboard in DASHBOARDS.items():
        for annotation in dashboard["annotations"]["list"]:
            yield f"{name}: {annotation['name']}", _fill(annotation["expr"])


def _fill(expression: str) -> str:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


PANELS = dict(_panels())
EXPRESSIONS = dict(_expressions())


def test_files_when_generated_again_then_not_a_byte_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert capsys.readouterr().err == ""


def test_check_when_a_file_was_edited_by_hand_then_it_fails_and_shows_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = shutil.copytree(DIRECTORY, tmp_path / "dashboards")
    file = directory / "telemetry-health.json"
    file.write_text(file.read_text().replace('"Request time"', '"Latency"'))
    assert main(["--check", "--directory", str(directory)]) == 1
    message = capsys.readouterr().err
    assert '-      "title": "Latency",' in message
    assert "run: python -m telemetry.dashboards" in message


def test_check_when_a_file_is_missing_or_a_stranger_then_it_fails_and_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "imported.json").write_text("{}")
    assert main(["--check", "--directory", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert "imported.json: no dashboard of this name" in message
    assert "telemetry-health.json: missing" in message


def test_write_when_run_twice_then_the_second_run_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--directory", str(tmp_path)])
    capsys.readouterr()
    assert main(["--directory", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda dashboard: dashboard.uid)
def test_dashboard_when_shown_then_it_fits_one_look(dashboard: Dashboard) -> None:
    assert 8 <= len(dashboard.panels) <= 14
    assert len({panel.title for panel in dashboard.panels}) == len(dashboard.panels)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboard_when_loaded_by_grafana_then_it_has_the_shape_it_expects(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["schemaVersion"] == 41
    assert dashboard["id"] is None
    assert name == f"{dashboard['uid']}.json"
    assert re.fullmatch(r"[a-z0-9-]{1,40}", dashboard["uid"])
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["env", "service"]
    assert [panel["id"] for panel in dashboard["panels"]] == list(range(1, len(dashboard["panels"]) + 1))


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_when_placed_then_none_overlaps_another_or_leaves_the_grid(name: str) -> None:
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not covered & cells
        cells |= covered


@pytest.mark.parametrize("title", PANELS)
def test_panel_when_read_then_it_explains_itself_and_its_emptiness(title: str) -> None:
    panel = PANELS[title]
    assert len(panel["description"]) > 20
    assert panel["fieldConfig"]["defaults"]["noValue"]
    if panel["type"] != "logs":
        assert panel["fieldConfig"]["defaults"]["unit"] in set(Unit)


@pytest.mark.parametrize("title", PANELS)
def test_panel_when_it_asks_then_a_provisioned_data_source_answers(title: str) -> None:
    for target in PANELS[title]["targets"]:
        assert target["datasource"]["uid"] in DATASOURCES
        if target.get("queryType") == "serviceMap":
            continue  # the whole of what Tempo knows: it takes no expression
        assert "$env" in target["expr"]
        assert "$service" in target["expr"]


@pytest.mark.parametrize("title", PANELS)
def test_legend_when_it_names_a_label_then_the_query_keeps_that_label(title: str) -> None:
    for target in PANELS[title]["targets"]:
        for label in re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")):
            assert re.search(rf"by \([^)]*\b{label}\b", target["expr"])


@pytest.mark.parametrize("title", EXPRESSIONS)
def test_expression_when_parsed_by_the_newer_grammar_then_it_reads_what_is_emitted(title: str) -> None:
    foreign_names = {foreign.UP.name, foreign.ALERTS.name, foreign.PROCESS_START_TIME.name}
    foreign_names |= {recording.name for recording in recordings()}
    assert {selector.name for selector in selectors(EXPRESSIONS[title])} <= series_names() | foreign_names


@pytest.mark.needs("promtool")
def test_expressions_when_parsed_by_prometheus_242_then_they_are_valid(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{index}", "expr": text} for index, text in enumerate(EXPRESSIONS.values())]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    checked = run_tool("promtool", "check", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_metrics_when_emitted_then_each_is_on_a_dashboard_or_in_a_rule() -> None:
    read = {selector.name or "" for text in EXPRESSIONS.values() for selector in selectors(text)}
    rules = [rule.expression for rule in alert_rules(RULE_FILES)] + [rule.expression for rule in recordings()]
    read |= {selector.name or "" for rule in rules for selector in selectors(rule)}
    assert {metric.name for metric in catalogue.METRICS} - {metric_of(name) for name in read} == set()


def test_dashboards_when_listed_in_the_docs_then_every_panel_has_its_line() -> None:
    text = (ROOT / "docs/dashboards.md").read_text()
    for dashboard in dashboards():
        assert f"## {dashboard.title}" in text
        assert [panel.title for panel in dashboard.panels if f"| {panel.title} |" not in text] == []


def test_exemplars_when_shown_then_some_panel_leads_to_a_trace() -> None:
    assert any(target.get("exemplar") for panel in PANELS.values() for target in panel["targets"])


def test_query_when_its_label_does_not_exist_then_it_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="sightline_bus_connected has no label consumer"):
        promql.current(catalogue.BUS_CONNECTED, ("consumer",))


def test_query_when_its_matcher_does_not_exist_then_it_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="has no label colour"):
        promql.rate(catalogue.EVENTS_RECORDED, where={"colour": "red"})


def test_rate_when_asked_of_a_gauge_then_it_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="is a gauge"):
        promql.rate(catalogue.OUTBOX_PENDING)


def test_quantile_when_asked_of_a_counter_then_it_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="is a counter, not a histogram"):
        promql.quantile(0.5, catalogue.EVENTS_RECORDED)


def test_panels_when_a_row_is_full_then_the_next_starts_below_the_tallest() -> None:
    def panel(title: str, height: int) -> TimeSeries:
        target = Target(query=promql.current(foreign.UP), legend="")
        return TimeSeries(title=title, description="", unit=Unit.NONE, targets=(target,), width=12, height=height)

    dashboard = Dashboard(uid="u", title="t", description="", panels=(panel("a", 4), panel("b", 9), panel("c", 4)))
    places = [placed["gridPos"] for placed in dashboard.to_json()["panels"]]
    assert [(place["x"], place["y"]) for place in places] == [(0, 0), (12, 0), (0, 9)]


def test_logs_panel_when_shown_then_its_query_goes_to_loki() -> None:
    panel = Logs(title="l", description="", unit=Unit.NONE, targets=(Target(query='{env="x"}', legend=""),))
    assert panel.body()["targets"][0]["datasource"]["uid"] == "loki"


def test_share_when_asked_of_a_gauge_then_it_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="is a gauge"):
        promql.share(catalogue.OUTBOX_PENDING, {})


def test_quantile_when_observations_may_be_negative_then_only_what_is_no_number_is_left_out() -> None:
    assert promql.quantile(0.5, catalogue.TRADING_SLIPPAGE, signed=True).endswith(" > -Inf")
    assert promql.quantile(0.5, catalogue.TRADING_FILL_DELAY).endswith(" >= 0")


@pytest.mark.parametrize(("signed", "floor"), [(True, None), (False, 0)])
def test_panel_when_values_may_be_negative_then_its_axis_does_not_begin_at_zero(
    signed: bool,  # noqa: FBT001 -- a table
    floor: int | None,
) -> None:
    target = Target(query=promql.current(foreign.UP), legend="")
    panel = TimeSeries(title="t", description="", unit=Unit.DOLLARS, targets=(target,), signed=signed)
    assert panel.body()["fieldConfig"]["defaults"].get("min") == floor
