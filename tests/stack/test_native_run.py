"""One whole life of the real platform, by the command that people use."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.console.stack import processes
from services.console.stack.inventory import COMPONENTS
from services.console.stack.layout import HOST, Layout, checkout
from services.console.stack.ready import port_is_free

READY_SECONDS = 20.0
BUSY_SECONDS = 60.0  # on a machine that has more to do than it can
MEMORY_BYTES = 1.2 * 1024**3


def free_offset() -> int:
    """An offset at which every port of the platform is free; tests side by side begin at different ones."""
    ports = [port for component in COMPONENTS for port in component.ports.values()]
    for step in range(200):
        offset = 11_000 + (os.getpid() * 37 + step * 101) % 30_000
        if all(port_is_free(HOST, port + offset) for port in ports):
            return offset
    pytest.fail("no offset leaves all ports free")


def sightline(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 -- our own command
        [sys.executable, "-m", "services.console.cli", *arguments],
        capture_output=True,
        check=False,
        env=dict(environment),
        text=True,
        timeout=90,
    )


def environment_of(data_dir: Path, offset: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
    return {**kept, "SIGHTLINE_DATA_DIR": str(data_dir), "SIGHTLINE_PORT_OFFSET": str(offset)}


@pytest.mark.slow
@pytest.mark.needs("prometheus", "nats-server")
def test_platform_when_it_lives_a_whole_life_then_every_step_holds(tmp_path: Path) -> None:
    data_dir, offset = tmp_path / "var", free_offset()
    environment = environment_of(data_dir, offset)
    layout = Layout(root=checkout(), data_dir=data_dir, secrets_dir=data_dir / "secrets", port_offset=offset)
    marker = f"SUPERVISOR_SERVER_URL=unix://{layout.socket}"
    try:
        limit = BUSY_SECONDS if os.getloadavg()[0] > (os.cpu_count() or 1) else READY_SECONDS
        began = time.monotonic()
        up = sightline(environment, "up", "--native", "--no-fetch", "--without-strategies")
        assert up.returncode == 0, up.stdout + up.stderr
        assert time.monotonic() - began < limit

        status = json.loads(sightline(environment, "status", "--json").stdout)
        assert [part["name"] for part in status["components"] if not part["ready"]] == []
        assert status["memory_bytes"] < MEMORY_BYTES

        again = sightline(environment, "up", "--native", "--no-fetch", "--without-strategies")
        assert again.returncode == 0
        assert "already running" in again.stdout

        other = environment_of(tmp_path / "other", offset)
        beside = sightline(other, "up", "--native", "--no-fetch", "--without-strategies")
        assert beside.returncode == 1
        assert f"port {4222 + offset} (nats) is taken by " in beside.stderr

        (killed,) = [pid for pid in processes.with_environment(marker) if is_service(pid, "automation")]
        os.kill(killed, signal.SIGKILL)
        assert processes.wait_until(lambda: is_back(environment, "automation"), timeout_seconds=30)

        pids = processes.with_environment(marker)
        assert len(pids) == len(status["components"])
    finally:
        down = sightline(environment, "down")
    assert down.returncode == 0, down.stdout + down.stderr
    assert [pid for pid in pids if processes.is_alive(pid)] == []
    assert processes.with_environment(marker) == []


def is_service(pid: int, name: str) -> bool:
    return processes.command_holds(pid, f"services.{name}")


def is_back(environment: Mapping[str, str], name: str) -> bool:
    status = json.loads(sightline(environment, "status", "--json").stdout)
    return any(part["name"] == name and part["ready"] and part["restarts"] == 1 for part in status["components"])
