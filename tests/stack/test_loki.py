"""loki.yml: what the log sink, the rules and the query side rely on."""

import re

from tests.stack.stackfiles import LOG_RULE_FILES, ROOT, load

CONFIG = load("loki/loki.yml")


def test_lines_when_pushed_then_structured_metadata_is_taken() -> None:
    (schema,) = CONFIG["schema_config"]["configs"]
    assert (schema["store"], schema["schema"], schema["object_store"]) == ("tsdb", "v13", "filesystem")
    assert CONFIG["limits_config"]["allow_structured_metadata"] is True


def test_lines_when_old_then_they_are_deleted() -> None:
    assert CONFIG["compactor"]["retention_enabled"] is True
    # Without it a Loki with retention refuses to start.
    assert CONFIG["compactor"]["delete_request_store"] == "filesystem"
    assert CONFIG["limits_config"]["retention_period"] == "720h"


def test_lines_when_replayed_from_a_spool_then_a_week_is_not_too_old() -> None:
    assert CONFIG["limits_config"]["reject_old_samples_max_age"] == "168h"


def test_rules_when_loaded_then_they_lie_under_the_single_tenant() -> None:
    assert CONFIG["auth_enabled"] is False
    assert LOG_RULE_FILES
    assert {path.parent.name for path in LOG_RULE_FILES} == {"fake"}
    assert sorted((ROOT / "loki/rules").iterdir()) == [ROOT / "loki/rules/fake"]


def test_rules_when_compose_mounts_them_then_the_default_directory_is_theirs() -> None:
    directory = CONFIG["ruler"]["storage"]["local"]["directory"]
    assert directory == "${LOKI_RULES_DIR:-/etc/loki/rules}"
    assert "./loki/rules:/etc/loki/rules:ro" in load("docker-compose.yml")["services"]["loki"]["volumes"]


def test_alerts_when_they_fire_then_the_stacks_alertmanager_hears_them() -> None:
    assert CONFIG["ruler"]["alertmanager_url"] == "http://alertmanager:9093"
    assert CONFIG["ruler"]["poll_interval"] == "10s"


def test_rings_when_one_process_runs_then_they_stay_in_memory() -> None:
    assert CONFIG["common"]["ring"]["kvstore"]["store"] == "inmemory"
    assert CONFIG["ruler"]["ring"]["kvstore"]["store"] == "inmemory"


def test_files_when_written_then_all_lie_in_the_data_directory() -> None:
    text = (ROOT / "loki/loki.yml").read_text()
    paths = re.findall(r"(?:path_prefix|directory|index_directory|cache_location|dir|rule_path): (\S+)", text)
    assert len(paths) == 8
    assert [path for path in paths if not path.startswith(("${LOKI_DATA_DIR:-/loki}", "${LOKI_RULES_DIR"))] == []


def test_process_when_it_talks_to_itself_then_no_other_machine_hears() -> None:
    assert CONFIG["server"]["grpc_listen_address"] == "127.0.0.1"
    assert CONFIG["common"]["instance_addr"] == "127.0.0.1"
    assert CONFIG["analytics"]["reporting_enabled"] is False
