"""Every alert rule: well formed, tested, explained, and true to the catalogue."""

import re
from collections import defaultdict
from pathlib import Path

import promql_parser
import pytest

from telemetry import catalogue
from tests.stack.promql import metric_of, selectors, series_names
from tests.stack.stackfiles import (
    LOG_RULE_FILES,
    ROOT,
    RULE_FILES,
    AlertRule,
    Recording,
    alert_rules,
    load,
    recordings,
    run_tool,
)

RULES = tuple(alert_rules())
METRIC_RULES = tuple(alert_rules(RULE_FILES))
RECORDINGS = tuple(recordings())
EXPRESSIONS: tuple[AlertRule | Recording, ...] = (*METRIC_RULES, *RECORDINGS)
TESTS = tuple(sorted((ROOT / "prometheus/tests").glob("*.yml")))
DASHBOARD_UIDS = {path.stem for path in (ROOT / "grafana/dashboards").glob("*.json")}

# Metrics that others emit: Prometheus, Alertmanager, Loki's ruler.
FOREIGN = {
    "up",
    "process_start_time_seconds",
    "scrape_samples_post_metric_relabeling",
    "prometheus_notifications_errors_total",
    "prometheus_notifications_dropped_total",
    "alertmanager_notifications_failed_total",
}


def _keeps(label: str, expression: str) -> bool:
    """Whether the expression's result has the label."""
    pattern = rf'^up\{{|by \([^)]*\b{label}\b|"{label}", "\w+", "", ""'
    return re.search(pattern, expression) is not None


@pytest.mark.needs("promtool")
def test_rules_when_checked_by_promtool_then_they_are_valid() -> None:
    checked = run_tool("promtool", "check", "rules", "--lint-fatal", *map(str, RULE_FILES))
    assert checked.returncode == 0, checked.stderr


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("file", TESTS, ids=lambda path: path.stem)
def test_rules_when_tested_by_promtool_then_they_fire_and_stay_silent_as_written(file: Path) -> None:
    tested = run_tool("promtool", "test", "rules", str(file))
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("rule", EXPRESSIONS, ids=str)
def test_expression_when_parsed_by_the_newer_grammar_then_it_is_valid(rule: AlertRule | Recording) -> None:
    promql_parser.parse(rule.expression)


@pytest.mark.parametrize("rule", EXPRESSIONS, ids=str)
def test_expression_when_it_names_a_metric_then_somebody_emits_it(rule: AlertRule | Recording) -> None:
    named = {selector.name for selector in selectors(rule.expression) if selector.name}
    assert named <= series_names() | FOREIGN | {recording.name for recording in RECORDINGS}


@pytest.mark.parametrize("rule", RECORDINGS, ids=str)
def test_recording_when_kept_then_an_alert_or_a_panel_reads_it_and_it_names_service_and_environment(
    rule: Recording,
) -> None:
    readers = [other.expression for other in METRIC_RULES]
    readers += [path.read_text() for path in (ROOT / "grafana/dashboards").glob("*.json")]
    assert any(rule.name in reader for reader in readers)
    assert _keeps("service_name", rule.expression)
    assert _keeps("env", rule.expression)


@pytest.mark.parametrize("rule", EXPRESSIONS, ids=str)
def test_expression_when_it_matches_a_label_then_the_value_can_occur(rule: AlertRule | Recording) -> None:
    labels = {metric.name: {label.name: label.values for label in metric.labels} for metric in catalogue.METRICS}
    for selector in selectors(rule.expression):
        for matcher in selector.matchers.matchers:
            values = labels.get(metric_of(selector.name or ""), {}).get(matcher.name)
            if values is not None:
                assert any(re.fullmatch(matcher.value, value) for value in values)


def test_rules_when_tested_then_each_alert_has_a_firing_and_a_silent_case() -> None:
    outcomes: dict[str, set[bool]] = defaultdict(set)
    for file in TESTS:
        for case in load(file)["tests"]:
            for expectation in case["promql_expr_test"]:
                found = re.search(r'alertname="(\w+)"', expectation["expr"])
                assert found is not None
                outcomes[found.group(1)].add(bool(expectation["exp_samples"]))
    names = {rule.name for rule in METRIC_RULES}
    assert set(outcomes) == names
    # The watchdog's whole point is that it is never silent.
    assert {name for name in names if outcomes[name] != {True, False}} == {"Watchdog"}


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_alert_when_it_fires_then_it_carries_a_severity_that_is_routed(rule: AlertRule) -> None:
    assert rule.labels["severity"] in {"critical", "warning", "info", "none"}


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_alert_when_it_fires_then_it_names_service_and_environment(rule: AlertRule) -> None:
    # Inhibition takes a label that both alerts lack as equal, so one that lacks them would silence strangers.
    if rule.name == "Watchdog":
        assert rule.labels["service_name"] == "prometheus"
        return
    for label in ("service_name", "env"):
        assert _keeps(label, rule.expression) or label in rule.labels


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_alert_when_read_then_it_says_what_where_and_what_to_do(rule: AlertRule) -> None:
    assert set(rule.annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert len(rule.annotations["summary"]) <= 110
    assert "\n" not in rule.annotations["summary"].strip()
    # Annotations see the labels of the series alone, not those that the rule adds.
    assert ("$labels.service_name" in rule.annotations["summary"]) is _keeps("service_name", rule.expression)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_alert_when_it_links_to_a_dashboard_then_that_dashboard_exists(rule: AlertRule) -> None:
    found = re.fullmatch(r"/d/([\w-]+)(\?.*)?", rule.annotations["dashboard_url"])
    assert found is not None
    assert found.group(1) in DASHBOARD_UIDS


@pytest.mark.parametrize("rule", EXPRESSIONS, ids=str)
def test_range_when_it_is_read_then_it_holds_at_least_two_scrapes(rule: AlertRule | Recording) -> None:
    for seconds in re.findall(r"\[(\d+)s\]", rule.expression):
        assert int(seconds) >= 30
    assert "holt_winters" not in rule.expression
    assert not re.search(r'le="\d+"', rule.expression)


def test_files_when_listed_then_every_rule_file_has_its_tests() -> None:
    assert {path.name for path in RULE_FILES} == {path.name for path in TESTS}


def test_services_when_scraped_then_each_has_its_rule_for_being_absent() -> None:
    expected = {group["labels"]["service_name"] for group in load("prometheus/targets/sightline.yml")}
    absent = [rule.expression for rule in METRIC_RULES if rule.name == "TargetAbsent"]
    watched = {name for expression in absent for name in re.findall(r'up\{service_name="(\w+)"\}', expression)}
    assert watched == expected


@pytest.mark.parametrize("file", LOG_RULE_FILES, ids=lambda path: path.name)
def test_log_rules_when_read_then_only_labels_and_severities_of_ours_are_used(file: Path) -> None:
    for rule in alert_rules((file,)):
        stream = re.findall(r"\{([^}]*)\}", rule.expression)
        assert stream
        names = {name for selector in stream for name in re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selector)}
        assert names <= {"service_name", "env", "level", "logger", "replay"}


@pytest.mark.parametrize("rule", tuple(alert_rules(LOG_RULE_FILES)), ids=str)
def test_log_expression_when_read_then_its_brackets_and_patterns_are_whole(rule: AlertRule) -> None:
    for pattern in re.findall(r"`([^`]*)`", rule.expression):
        re.compile(pattern)
    bare = re.sub(r"`[^`]*`|\"[^\"]*\"", "", rule.expression)
    for opening, closing in ("()", "{}", "[]"):
        assert bare.count(opening) == bare.count(closing)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("-----BEGIN PRIVATE KEY-----", True),
        ("-----BEGIN EC PRIVATE KEY-----", True),
        ("otpauth://totp/Broker:me?secret=ABC", True),
        ("token eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJjb25zb2xlIn0.sig", True),
        ("Authorization: Bearer abcdefghijklmnopqrstuvwxyz", True),
        ("Authorization: Bearer [redacted]", False),
        ("otpauth://totp/[redacted]", False),
        ("public key -----BEGIN PUBLIC KEY-----", False),
        ("order 4711 filled", False),
    ],
)
def test_secret_pattern_when_given_a_line_then_it_finds_secrets_alone(line: str, found: bool) -> None:  # noqa: FBT001 -- a table
    (rule,) = (rule for rule in alert_rules(LOG_RULE_FILES) if rule.name == "SecretInLogs")
    (pattern,) = re.findall(r"`([^`]*)`", rule.expression)
    assert bool(re.search(pattern, line)) is found
