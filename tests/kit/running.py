"""Services as processes of their own, and what a test needs to talk to them."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from services.kit.callers import CallerEntry, generate_identity, read_private_key, write_callers
from services.kit.clock import SystemClock
from services.kit.identity import CallerSigner
from services.kit.secret_files import read_secret
from services.kit.server import listen
from tests.kit.web import SignedBy

ROOT = Path(__file__).parents[2]
SCOPES = ("greetings:read", "greetings:write", "child:use")
_START_SECONDS = 30.0


@dataclass
class Home:
    """Data and secrets of a service, with a caller named tester who may do everything."""

    directory: Path
    service: str = "hello"

    def __post_init__(self) -> None:
        tester = generate_identity(self.secrets_dir, "tester")
        generate_identity(self.secrets_dir, self.service)
        entry = CallerEntry(public_key=tester, scopes=SCOPES)
        write_callers(self.secrets_dir / "callers.json", {"tester": entry})

    @property
    def secrets_dir(self) -> Path:
        return self.directory / "secrets"

    @property
    def embedded_path(self) -> Path:
        return self.directory / "var" / "telemetry" / "telemetry.db"

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
        return kept | {
            "PYTHONPATH": str(ROOT),
            "SIGHTLINE_DATA_DIR": str(self.directory / "var"),
            "SIGHTLINE_SECRETS_DIR": str(self.secrets_dir),
            "SIGHTLINE_NATS_URL": "nats://127.0.0.1:1",
            "SIGHTLINE_PORT": "0",
        }

    def signed(self) -> SignedBy:
        key = read_private_key(read_secret(self.secrets_dir / "identity" / "tester.pem"))
        return SignedBy(CallerSigner("tester", key, SystemClock()), audience=self.service)


@dataclass
class Running:
    """A service's process and what it wrote to standard error."""

    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)
    url: str = ""
    reader: threading.Thread | None = None

    @property
    def told(self) -> str:
        return "".join(self.lines)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


def start(module: str, environ: Mapping[str, str]) -> Running:
    """Start a service and return once it serves."""
    process = subprocess.Popen(  # noqa: S603 -- our own program
        [sys.executable, "-m", module], env=environ, stderr=subprocess.PIPE, text=True
    )
    running = Running(process)
    serving = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                running.lines.append(line)
                if found := re.search(r"serving on (http://\S+)", line):
                    running.url = found[1]
                if "services.chassis: started" in line:
                    serving.set()

    running.reader = threading.Thread(target=read, daemon=True)
    running.reader.start()
    if not serving.wait(_START_SECONDS):
        process.kill()
        pytest.fail(f"{module} does not serve: {running.told}")
    return running


@contextmanager
def started(module: str, environ: Mapping[str, str]) -> Iterator[Running]:
    running = start(module, environ)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()
        if running.reader is not None:
            running.reader.join(10)


def run_to_end(module: str, environ: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a service that is expected not to start."""
    return subprocess.run(  # noqa: S603 -- our own program
        [sys.executable, "-m", module], env=environ, capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an application of this process over HTTP; gives its base URL."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    deadline = time.monotonic() + _START_SECONDS
    while not _answers(url):
        assert time.monotonic() < deadline, "the application does not serve"
    try:
        yield url
    finally:
        server.should_exit = True
        thread.join(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=_START_SECONDS).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
