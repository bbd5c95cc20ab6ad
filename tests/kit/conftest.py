"""Parts of the data side, real where they can run."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.instruments import Instruments
from telemetry.emit.metrics import Metrics
from tests.fakes.clock import FakeClock
from tests.kit.ledger import TABLE

_READY_SECONDS = 30.0


@dataclass
class RecordedTelemetry:
    """Telemetry whose metrics and spans a test can read."""

    metrics: Metrics
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    provider: TracerProvider = field(default_factory=lambda: TracerProvider(shutdown_on_exit=False))

    def __post_init__(self) -> None:
        self.provider.add_span_processor(SimpleSpanProcessor(self.spans))

    def tracer(self, name: str, /) -> Tracer:
        return self.provider.get_tracer(name)

    def value(self, name: str, **labels: str) -> float:
        wanted = tuple(sorted(labels.items()))
        found = [sample.value for sample in self.metrics.samples() if (sample.name, sample.labels) == (name, wanted)]
        assert found, f"{name}{labels} has no sample"
        return found[0]


@dataclass
class _TelemetryClock:
    def time_ns(self) -> int:
        return 1_772_452_800_000_000_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def telemetry() -> RecordedTelemetry:
    return RecordedTelemetry(Metrics(_TelemetryClock()))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/db/ledger.db", service="ledger", busy_timeout_seconds=1.0)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def facts(database: Database, telemetry: RecordedTelemetry, clock: FakeClock) -> Facts:
    return Facts(database, Instruments(TABLE), telemetry, clock, "ledger")


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"nothing listens on port {port} after {_READY_SECONDS:.0f} s")


@dataclass
class NatsServer:
    """A real NATS server with JetStream, which can be killed and started again over the same files."""

    port: int
    store: Path
    token: str = "canary-of-a-test"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        program = shutil.which("nats-server")
        assert program is not None
        log = self.store.parent / "nats.log"
        arguments = ["-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.store), "--auth", self.token]
        with log.open("ab") as out:
            self.process = subprocess.Popen(  # noqa: S603 -- our own program and arguments
                [program, *arguments], stdout=out, stderr=out
            )
        wait_for_port(self.port, self.process)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def nats_server(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[NatsServer]:
    server = NatsServer(port=free_port(), store=tmp_path / "jetstream")
    server.start()
    yield server
    server.kill()


def _unprivileged() -> list[str]:
    """Postgres refuses to run as root; Debian's package makes a user for it."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("Postgres does not run as root and there is no user named postgres")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a cluster that lives for this session, without a database name."""
    prefix = _unprivileged()
    # Not under pytest's own directory: that one is closed to every other user.
    with tempfile.TemporaryDirectory(prefix="sightline-postgres-") as name:
        home = Path(name)
        if prefix:
            shutil.chown(home, "postgres", "postgres")
        _initialise(prefix, home)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        command = [*prefix, "postgres", "-D", str(home / "data"), "-p", str(port), *settings]
        with (home / "server.log").open("ab") as log:
            server = subprocess.Popen(  # noqa: S603 -- our own program and arguments
                command, stdout=log, stderr=log, cwd=home
            )
        try:
            wait_for_port(port, server)
            url = f"postgresql://sightline@127.0.0.1:{port}"
            _wait_until_it_takes_sessions(f"{url}/postgres")
            yield url
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=30)


def _wait_until_it_takes_sessions(url: str) -> None:
    """It listens before it is ready: until then a session is refused with "the database system is starting up"."""
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                pytest.fail(f"Postgres takes no session after {_READY_SECONDS:.0f} s: {error}")
            time.sleep(0.05)
        else:
            return


def _initialise(prefix: list[str], home: Path) -> None:
    command = [*prefix, "initdb", "--pgdata", str(home / "data"), "--auth=trust", "--username=sightline", "--no-sync"]
    made = subprocess.run(  # noqa: S603 -- our own program and arguments
        [*command, "--locale=C.UTF-8"], check=False, capture_output=True, text=True, cwd=home
    )
    if made.returncode:
        pytest.fail(f"initdb failed: {made.stderr}")


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    return f"{postgres_server}/postgres"


@pytest.fixture
def postgres_database(postgres_url: str, tmp_path: Path) -> Iterator[Database]:
    """A database in a schema of its own."""
    service = f"ledger_{abs(hash(str(tmp_path))):x}"
    database = Database(postgres_url, service=service, busy_timeout_seconds=2.0)
    database.migrate()
    yield database
    database.close()
