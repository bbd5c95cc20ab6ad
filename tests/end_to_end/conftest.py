"""A whole platform of the tests' own, started as a user starts it, beside whatever else runs on the machine."""

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from services.console.stack import processes
from services.kit.callers import read_private_key
from services.kit.clock import SystemClock
from services.kit.identity import CallerSigner
from services.kit.secret_files import read_secret

T = TypeVar("T")

SIGHTLINE = Path(sys.executable).with_name("sightline")
_PORTS = {
    "console": 8700,
    "automation": 8710,
    "auth": 8720,
    "trading": 8730,
    "venue": 8740,
    "content": 8750,
    "agents": 8760,
    "prometheus": 9090,
    "alertmanager": 9093,
    "nats": 4222,
    "mail": 1025,
}


def eventually(look: Callable[[], T | None], *, within_seconds: float, what: str) -> T:
    """What `look` finds, asked again until it finds something; fails after `within_seconds`."""
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"no {what} within {within_seconds:g} s")


@dataclass(frozen=True)
class Platform:
    """A running platform and its operator."""

    data_dir: Path
    port_offset: int
    environment: Mapping[str, str]

    def run(
        self, *arguments: str, timeout_seconds: float = 90, lines: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run `sightline` as the operator, who answers its questions with `lines`."""
        return subprocess.run(  # noqa: S603 -- our own command
            [str(SIGHTLINE), *arguments],
            env=dict(self.environment),
            input="".join(f"{line}\n" for line in lines),
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )

    def url(self, component: str) -> str:
        """Where a component listens."""
        return f"http://127.0.0.1:{_PORTS[component] + self.port_offset}"

    def ask(self, target: str, *, service: str = "console", **headers: str) -> httpx.Response:
        """GET from a service, signed as the operator."""
        return self.call("GET", target, service=service, **headers)

    def call(
        self,
        method: str,
        target: str,
        *,
        service: str,
        body: Any = None,  # noqa: ANN401 -- whatever is JSON
        **headers: str,
    ) -> httpx.Response:
        """Ask a service anything, signed as the operator."""
        key = read_private_key(read_secret(self.data_dir / "secrets" / "identity" / "operator.pem"))
        content = b"" if body is None else json.dumps(body).encode()
        signed = CallerSigner("operator", key, SystemClock()).headers(method, target, content, audience=service)
        if body is not None:
            headers["content-type"] = "application/json"
        url = f"{self.url(service)}{target}"
        with httpx.Client(timeout=30, trust_env=False) as client:
            return client.request(method, url, headers={**signed, **headers}, content=content)

    def prometheus(self, path: str, **query: str) -> Any:  # noqa: ANN401 -- whatever Prometheus answers
        """The data of an answer of Prometheus' API."""
        answer = httpx.get(f"{self.url('prometheus')}/api/v1/{path}", params=query, timeout=10, trust_env=False)
        answer.raise_for_status()
        return answer.json()["data"]


def free_offset() -> int:
    for _ in range(50):
        offset = 11_000 + secrets.randbelow(11_000)  # below the ports of outgoing connections
        probes = []
        try:
            for port in (*_PORTS.values(), 8222, 8025):
                probe = socket.socket()
                probes.append(probe)
                probe.bind(("127.0.0.1", port + offset))
        except OSError:
            continue
        else:
            return offset
        finally:
            for probe in probes:
                probe.close()
    pytest.fail("no free range of ports")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One platform after the other: two at once would wait for each other's processors."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("platforms"))


@contextmanager
def native_platform(*options: str, **settings: str) -> Iterator[Platform]:
    """A native platform with real NATS, Prometheus and Alertmanager; stopped at the end, with nothing left."""
    # Short: a socket's path has room for 107 characters.
    data_dir = Path(tempfile.mkdtemp(prefix="sightline-"))
    offset = free_offset()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SIGHTLINE_", "APCA_"))}
    own = {"SIGHTLINE_DATA_DIR": str(data_dir), "SIGHTLINE_PORT_OFFSET": str(offset), "NO_COLOR": "1"}
    platform = Platform(data_dir, offset, {**kept, **own, **settings})
    try:
        # Patient: tests run beside others, and a dozen programs start at once.
        started = platform.run("up", "--native", "--no-fetch", "--timeout", "240", *options, timeout_seconds=420)
        if started.returncode:
            pytest.fail(f"`sightline up` ended with {started.returncode}:\n{started.stdout}\n{started.stderr}")
        yield platform
    finally:
        stopped = platform.run("down")
        assert stopped.returncode == 0, stopped.stderr
        shutil.rmtree(data_dir)


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """A platform on which nothing trades by itself."""
    # A price a second: nobody waits a minute for the first one.
    with native_platform("--without-strategies", SIGHTLINE_PAPER_BAR_SECONDS="1") as running:
        yield running


@pytest.fixture(scope="session")
def trading() -> Iterator[Platform]:
    """A platform as `make up` leaves it, at its main job; nothing of it is left at the end."""
    with native_platform() as running:
        yield running
    assert processes.with_environment(f"SIGHTLINE_DATA_DIR={running.data_dir}") == []


def trace_id_in(text: str) -> str:
    """The first trace id in a text."""
    found = re.search(r"\b[0-9a-f]{32}\b", text)
    assert found is not None, text
    return found.group()
