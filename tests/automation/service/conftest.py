"""The automation service as a process of its own, without a bus, beside an auth that knows one passphrase."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from services.automation.approvals.desk import ApprovalDesk
from services.automation.incidents.desk import IncidentDesk
from services.automation.instruments import TABLE
from services.contracts.pipelines import RunView
from services.kit.callers import CallerEntry, generate_identity, read_private_key, write_callers
from services.kit.clock import SystemClock
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.identity import CallerSigner
from services.kit.ids import SystemRandomness
from services.kit.instruments import Instruments
from services.kit.secret_files import read_secret, write_new_secret
from telemetry.emit.metrics import Metrics
from tests.automation.conftest import MIGRATIONS
from tests.automation.pipelines.conftest import until
from tests.content.running import Platform
from tests.fakes.json_server import Answer, Asked, JsonServer
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock
from tests.kit.running import started
from tests.kit.web import SignedBy

PASSPHRASE = "a second passphrase of a test"
WEBHOOK_TOKEN = "made-up-alertmanager-token"
NOBODY = "http://127.0.0.1:1"
CALLERS = {"stranger": ("alerts:read",)}


@dataclass
class Automation:
    """The service, and the same database that it has."""

    platform: Platform
    url: str

    def __post_init__(self) -> None:
        path = self.platform.data_dir / "db" / "automation.db"
        self.database = Database(f"sqlite:///{path}", service="automation", versions=[MIGRATIONS])
        facts = Facts(
            self.database,
            Instruments(TABLE),
            RecordedTelemetry(Metrics(_TelemetryClock())),
            SystemClock(),
            "automation",
        )
        self.approvals = ApprovalDesk(facts, SystemClock(), SystemRandomness())
        self.incidents = IncidentDesk(facts, SystemClock())

    def client(self, caller: str = "operator") -> httpx.Client:
        key = read_private_key(read_secret(self.platform.secrets_dir / "identity" / f"{caller}.pem"))
        signed = SignedBy(CallerSigner(caller, key, SystemClock()), audience="automation")
        return httpx.Client(base_url=self.url, auth=signed)

    def run(self, pipeline: str, key: str, caller: str = "operator", **body: object) -> httpx.Response:
        with self.client(caller) as client:
            headers = {"idempotency-key": key}
            return client.post(f"/pipelines/{pipeline}/runs", json=body, headers=headers)

    def notify(self, content: object, *, token: str = WEBHOOK_TOKEN) -> httpx.Response:
        """What Alertmanager would send; bytes as they are."""
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        text = content if isinstance(content, bytes) else json.dumps(content).encode()
        return httpx.post(f"{self.url}/alertmanager", headers=headers, content=text)

    def ended(self, run_id: str) -> RunView:
        """The run, once it has ended."""
        with self.client() as client:

            def look() -> RunView:
                return RunView.model_validate_json(client.get(f"/runs/{run_id}").content)

            until(lambda: look().status.ended)
            return look()


def _auth(asked: Asked) -> Answer:
    if (asked.method, asked.path) != ("POST", "/step-up"):
        return Answer(404)
    if json.loads(asked.body)["passphrase"] == PASSPHRASE:
        return Answer(200, b"{}")
    problem = {"type": "urn:sightline:problem:wrong", "title": "No", "status": 403, "code": "wrong", "trace_id": ""}
    problem |= {"detail": "It is another one."}
    return Answer(403, json.dumps(problem).encode(), "application/problem+json")


def _open_to(platform: Platform) -> None:
    path = platform.secrets_dir / "callers.json"
    known = {name: CallerEntry.model_validate(each) for name, each in json.loads(path.read_text()).items()}
    for name, scopes in CALLERS.items():
        known[name] = CallerEntry(public_key=generate_identity(platform.secrets_dir, name), scopes=scopes)
    write_callers(path, known)


@contextmanager
def running(directory: Path, **more: str) -> Iterator[Automation]:
    """The service over files in the directory."""
    platform = Platform(directory)
    _open_to(platform)
    write_new_secret(platform.secrets_dir / "alertmanager_token", WEBHOOK_TOKEN)
    write_new_secret(platform.secrets_dir / "slack_webhook_url", NOBODY)
    with JsonServer(_auth) as auth:
        environ = platform.environ | {
            "SIGHTLINE_PORT": "0",
            "SIGHTLINE_NATS_URL": "nats://127.0.0.1:1",
            "SIGHTLINE_NOTIFY_TO": "[]",
            "SIGHTLINE_AUTH_URL": auth.url,
            "SIGHTLINE_TRADING_URL": NOBODY,
            "SIGHTLINE_CONTENT_URL": NOBODY,
            "SIGHTLINE_AGENTS_URL": NOBODY,
        }
        with started("services.automation", environ | more) as service:
            platform.record(automation=urlsplit(service.url).port or 0)
            here = Automation(platform, service.url)
            yield here
            here.database.close()
            assert service.stop() in {0, -signal.SIGTERM}


@pytest.fixture(scope="session")
def automation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Automation]:
    with running(Path(tmp_path_factory.mktemp("automation"))) as here:
        yield here
