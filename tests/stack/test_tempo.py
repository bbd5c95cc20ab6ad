"""tempo.yml: the shape that Tempo 3 takes, and where traces come in and metrics go out."""

import re

from tests.stack.stackfiles import ROOT, load

CONFIG = load("tempo/tempo.yml")


def test_configuration_when_read_by_tempo_3_then_no_removed_block_is_left() -> None:
    assert not {"ingester", "ingester_client", "compactor", "metrics_generator_client"} & set(CONFIG)


def test_spans_when_sent_then_otlp_over_http_is_the_only_way_in() -> None:
    assert CONFIG["distributor"]["receivers"] == {
        "otlp": {"protocols": {"http": {"endpoint": "${TEMPO_LISTEN_ADDRESS:-0.0.0.0}:4318"}}}
    }


def test_files_when_written_then_all_lie_in_the_data_directory() -> None:
    paths = re.findall(r"(?:path|shutdown_marker_dir|local_work_path): (\S+)", (ROOT / "tempo/tempo.yml").read_text())
    assert len(paths) == 6
    assert [path for path in paths if not path.startswith("${TEMPO_DATA_DIR:-/var/tempo}/")] == []


def test_span_metrics_when_generated_then_prometheus_takes_them_with_exemplars() -> None:
    (target,) = CONFIG["metrics_generator"]["storage"]["remote_write"]
    assert target == {"url": "http://prometheus:9090/api/v1/write", "send_exemplars": True}
    assert "--web.enable-remote-write-receiver" in load("docker-compose.yml")["services"]["prometheus"]["command"]
    assert CONFIG["overrides"]["defaults"]["metrics_generator"]["processors"] == ["service-graphs", "span-metrics"]


def test_blocks_when_old_then_scheduler_and_worker_agree_on_their_age() -> None:
    scheduled = CONFIG["backend_scheduler"]["provider"]["compaction"]["compaction"]["block_retention"]
    assert scheduled == CONFIG["backend_worker"]["compaction"]["block_retention"] == "336h"


def test_process_when_it_runs_then_it_reports_to_nobody() -> None:
    assert CONFIG["usage_report"]["reporting_enabled"] is False
    assert CONFIG["server"]["grpc_listen_address"] == "127.0.0.1"


def test_ports_when_loki_and_tempo_share_a_machine_then_they_differ() -> None:
    loki = load("loki/loki.yml")["server"]
    tempo = CONFIG["server"]
    ports = [server[f"{kind}_listen_port"] for server in (loki, tempo) for kind in ("http", "grpc")]
    assert len(set(ports)) == 4
