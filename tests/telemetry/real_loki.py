"""Grafana's Loki itself, where it is on PATH: other projects have a program of that name."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def running_loki(directory: Path) -> Iterator[str]:
    """Base URL of a Loki with empty storage; skips the test, naming the reason, where Grafana's Loki is missing."""
    program = shutil.which("loki")
    if program is None or "loki, version" not in _version(program):
        pytest.skip("no Loki of Grafana's on PATH; Loki's protocol is tested against a fake")
    port, grpc_port = _free_port(), _free_port()
    (directory / "loki.yml").write_text(json.dumps(_config(port, grpc_port)))
    process = subprocess.Popen(  # noqa: S603 -- found on PATH and asked for its name
        [program, "-config.file=loki.yml"], cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/ready", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _version(program: str) -> str:
    said = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 -- found on PATH
    return said.stdout + said.stderr


def _config(port: int, grpc_port: int) -> dict[str, object]:
    """JSON is YAML. Lines of the tests are months old: nothing may reject them or look for them in chunks alone."""
    return {
        "auth_enabled": False,
        "server": {
            "http_listen_address": "127.0.0.1",
            "http_listen_port": port,
            "grpc_listen_address": "127.0.0.1",
            "grpc_listen_port": grpc_port,
        },
        "common": {
            "path_prefix": "data",
            "replication_factor": 1,
            "ring": {"kvstore": {"store": "inmemory"}, "instance_addr": "127.0.0.1"},
            "storage": {"filesystem": {"chunks_directory": "data/chunks", "rules_directory": "data/rules"}},
        },
        "ingester": {"lifecycler": {"min_ready_duration": "0s"}},
        "querier": {"query_ingesters_within": "0s"},
        "query_range": {"cache_results": False},
        "limits_config": {"allow_structured_metadata": True, "reject_old_samples": False, "discover_service_name": []},
        "schema_config": {
            "configs": [
                {
                    "from": "2024-01-01",
                    "store": "tsdb",
                    "object_store": "filesystem",
                    "schema": "v13",
                    "index": {"prefix": "index_", "period": "24h"},
                }
            ]
        },
        "analytics": {"reporting_enabled": False},
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"Loki ended with {process.returncode} before it was ready")
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 -- loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail("Loki was not ready within a minute")
