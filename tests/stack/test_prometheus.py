"""prometheus.yml: valid, and the real Prometheus loads all of it and labels every target."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stack.alerting import get_json, http_server, prometheus, stage, wait_for, write_targets
from tests.stack.stackfiles import ROOT, RULE_FILES, alert_rules, load, recordings, run_tool


@pytest.mark.needs("promtool")
def test_configuration_when_checked_by_promtool_then_it_is_valid() -> None:
    checked = run_tool("promtool", "check", "config", "--lint-fatal", str(ROOT / "prometheus/prometheus.yml"))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_configuration_when_read_then_no_address_stands_in_it() -> None:
    configuration = load("prometheus/prometheus.yml")
    text = (ROOT / "prometheus/prometheus.yml").read_text()
    assert "static_configs" not in text
    for scrape in configuration["scrape_configs"]:
        assert scrape["file_sd_configs"] == [{"files": [f"targets/{scrape['job_name']}.yml"]}]
        assert not scrape.get("honor_labels")


def test_configuration_when_read_then_prometheus_242_knows_every_key() -> None:
    configuration = load("prometheus/prometheus.yml")
    assert set(configuration["global"]) == {"scrape_interval", "scrape_timeout", "evaluation_interval"}
    assert set(configuration) == {"global", "rule_files", "alerting", "scrape_configs"}


@pytest.fixture(scope="module")
def running_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prometheus on a staged copy that scrapes a service twice; yields its address."""
    staged = stage(tmp_path_factory.mktemp("prometheus"), {}, quick=True)
    with http_server(lambda *_: b"sightline_bus_connected 1\n") as service:
        write_targets(staged, "sightline", {"console": f"127.0.0.1:{service}"})
        # A target file that forgets both labels.
        (staged / "targets/stack.yml").write_text(f"- targets: ['127.0.0.1:{service}']\n")
        write_targets(staged, "alertmanager", {})
        with prometheus(staged) as port:
            yield f"http://127.0.0.1:{port}"


def _targets(address: str) -> list[dict[str, Any]]:
    def scraped() -> list[dict[str, Any]] | None:
        active = get_json(f"{address}/api/v1/targets?state=active")["data"]["activeTargets"]
        return active if len(active) == 2 and all(target["health"] == "up" for target in active) else None

    return wait_for(scraped, timeout_seconds=20, what="two scraped targets")


@pytest.mark.needs("prometheus")
def test_rules_when_loaded_by_prometheus_then_not_one_is_missing(running_prometheus: str) -> None:
    groups = get_json(f"{running_prometheus}/api/v1/rules")["data"]["groups"]
    loaded = sorted(rule["name"] for group in groups for rule in group["rules"])
    assert loaded == sorted(rule.name for rule in (*alert_rules(RULE_FILES), *recordings()))


@pytest.mark.needs("prometheus")
def test_rules_when_evaluated_by_prometheus_then_each_is_healthy(running_prometheus: str) -> None:
    def evaluated() -> list[dict[str, Any]] | None:
        groups = get_json(f"{running_prometheus}/api/v1/rules")["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else None

    rules = wait_for(evaluated, timeout_seconds=20, what="every rule to be evaluated")
    assert [rule["name"] for rule in rules if rule["health"] != "ok"] == []


@pytest.mark.needs("prometheus")
def test_target_when_its_file_names_it_then_it_carries_service_environment_and_instance(
    running_prometheus: str,
) -> None:
    (target,) = (target for target in _targets(running_prometheus) if target["labels"]["job"] == "sightline")
    assert target["labels"]["service_name"] == "console"
    assert target["labels"]["env"] == "local"
    assert target["labels"]["instance"] == target["discoveredLabels"]["__address__"]


@pytest.mark.needs("prometheus")
def test_target_when_its_file_forgets_the_labels_then_it_gets_some_of_its_own(running_prometheus: str) -> None:
    (target,) = (target for target in _targets(running_prometheus) if target["labels"]["job"] == "stack")
    assert target["labels"]["service_name"] == "127.0.0.1"
    assert target["labels"]["env"] == "unknown"


@pytest.mark.parametrize("file", sorted((ROOT / "prometheus/targets").glob("*.yml")), ids=lambda path: path.stem)
def test_target_file_when_it_feeds_a_scrape_then_it_labels_every_target(file: Path) -> None:
    for group in load(file):
        if file.stem != "alertmanager":
            assert set(group["labels"]) == {"service_name", "env"}
