"""What a user sees of a platform that is well."""

import json

import pytest

from tests.end_to_end.conftest import Platform, eventually

pytestmark = [pytest.mark.needs("prometheus", "nats-server"), pytest.mark.slow]


def test_status_when_all_runs_then_it_says_so(platform: Platform) -> None:
    asked = platform.run("status", "--json")

    status = json.loads(asked.stdout)
    # An alert may fire for what another test brought about, and then it is not well.
    assert asked.returncode == (0 if status["well"] else 1), asked.stdout
    assert status["well"] == (not status["alerts"]), asked.stdout
    assert all(each["ready"] for each in status["components"]), asked.stdout
    assert {"nats", "mail", "automation", "console", "alertmanager", "prometheus"} <= {
        each["name"] for each in status["components"]
    }


def test_memory_when_all_runs_then_it_is_bounded(platform: Platform) -> None:
    status = json.loads(platform.run("status", "--json").stdout)
    assert sum(each["memory_bytes"] for each in status["components"]) < 1.2 * 1024**3


def test_up_when_repeated_then_nothing_is_started_again(platform: Platform) -> None:
    def uptimes() -> dict[str, int]:
        status = json.loads(platform.run("status", "--json").stdout)
        return {each["name"]: each["uptime_seconds"] for each in status["components"]}

    before = uptimes()
    again = platform.run("up", "--native", "--no-fetch", "--without-strategies")

    assert again.returncode == 0, again.stderr
    after = uptimes()
    assert {name: after[name] >= seconds for name, seconds in before.items()} == dict.fromkeys(before, True)


def test_targets_when_prometheus_scrapes_then_every_one_answers(platform: Platform) -> None:
    def all_up() -> bool:
        targets = platform.prometheus("targets")["activeTargets"]
        found = {target["labels"]["service_name"] for target in targets}
        answering = all(target["health"] == "up" and not target["lastError"] for target in targets)
        return answering and found >= {"console", "automation", "prometheus", "alertmanager"}

    assert eventually(all_up, within_seconds=90, what="round of scrapes")


def test_rules_when_prometheus_has_loaded_them_then_none_fails(platform: Platform) -> None:
    def evaluated() -> bool:
        rules = [rule for group in platform.prometheus("rules")["groups"] for rule in group["rules"]]
        assert len(rules) > 10
        assert [rule["name"] for rule in rules if rule["health"] == "err"] == []
        return all(rule["health"] == "ok" for rule in rules)

    assert eventually(evaluated, within_seconds=60, what="evaluation of all rules")


def test_up_when_a_setting_is_misspelt_then_one_line_says_what_to_do(platform: Platform) -> None:
    misspelt = Platform(
        platform.data_dir, platform.port_offset, {**platform.environment, "SIGHTLINE_LOG_LEVLE": "DEBUG"}
    )
    asked = misspelt.run("status")

    assert asked.returncode == 2
    assert "did you mean SIGHTLINE_LOG_LEVEL?" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_dead_letters_when_there_are_none_then_the_command_says_so(platform: Platform) -> None:
    asked = platform.run("dead-letters", "automation")

    assert (asked.returncode, asked.stdout.strip()) == (0, "automation has no dead letters")
