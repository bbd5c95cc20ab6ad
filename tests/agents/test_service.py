"""The service as a process: over HTTP with its guards, and by the operator's commands."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from services.agents.analyst.language_model import LanguageModelError
from services.agents.bootstrap import build
from services.agents.settings import AgentsSettings
from services.clients.agents import AgentsClient
from services.contracts.anomalies import DiagnosisRequest
from services.kit.callers import read_private_key
from services.kit.clock import SystemClock
from services.kit.http_client import ServiceClient, Timeouts
from services.kit.identity import CallerSigner
from services.kit.secret_files import read_secret
from services.kit.settings import SettingsError, load
from tests.agents import faults
from tests.agents.story import Story
from tests.content.running import Platform
from tests.kit.conftest import RecordedTelemetry
from tests.kit.running import started


@contextmanager
def running_agents(platform: Platform) -> Iterator[str]:
    """The service over an embedded store, without a bus or a content service; gives its address."""
    nowhere = {"SIGHTLINE_NATS_URL": "nats://127.0.0.1:1", "SIGHTLINE_CONTENT_URL": "http://127.0.0.1:1"}
    with started("services.agents", platform.environ | nowhere | {"SIGHTLINE_PORT": "0"}) as agents:
        platform.record(agents=urlsplit(agents.url).port or 0)
        yield agents.url


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Platform, str, Story]]:
    platform = Platform(tmp_path_factory.mktemp("platform"))
    platform.telemetry_file.parent.mkdir(mode=0o700)
    # Of today: the service's store drops what is older than a week.
    story = Story(platform.telemetry_file, began=SystemClock().now() - timedelta(hours=3))
    faults.rate_limited(story)
    story.told().close()
    with running_agents(platform) as url:
        yield platform, url, story


def asked(story: Story) -> dict[str, object]:
    return story.request().model_dump(mode="json")


def test_diagnosis_when_asked_for_over_http_then_it_names_the_cause(running: tuple[Platform, str, Story]) -> None:
    platform, url, story = running
    with httpx.Client(base_url=url, auth=platform.signed("agents")) as client:
        answer = client.post("/diagnoses", json=asked(story), timeout=30)
    assert answer.status_code == 200
    assert answer.json()["hypotheses"][0]["cause"] == "rate_limited"
    assert [each.partition(":")[0] for each in answer.json()["missing"]] == ["knowledge"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/anomalies"), ("GET", "/detectors"), ("POST", "/diagnoses")])
def test_routes_when_nobody_signs_then_they_are_closed(
    running: tuple[Platform, str, Story], method: str, path: str
) -> None:
    assert httpx.request(method, f"{running[1]}{path}").status_code == 401


@pytest.mark.parametrize(
    "change", [{"window_seconds": 1}, {"incident_id": "has spaces"}, {"started_at": "2026-03-02T12:00:00"}, {"x": 1}]
)
def test_request_when_it_makes_no_sense_then_it_is_refused(
    running: tuple[Platform, str, Story], change: dict[str, object]
) -> None:
    platform, url, story = running
    with httpx.Client(base_url=url, auth=platform.signed("agents")) as client:
        assert client.post("/diagnoses", json={**asked(story), **change}).status_code == 422


async def _by_client(
    platform: Platform, url: str, request: DiagnosisRequest, telemetry: RecordedTelemetry
) -> list[str]:
    key = read_private_key(read_secret(platform.secrets_dir / "identity" / "automation.pem"))
    signer = CallerSigner("automation", key, SystemClock())
    service = ServiceClient(
        url,
        "agents",
        signer=signer,
        metrics=telemetry.metrics,
        tracer=telemetry.tracer("test"),
        timeouts=Timeouts(read_seconds=30, total_seconds=30),
    )
    client = AgentsClient(service)
    try:
        await client.detectors()
        await client.anomalies(open_only=True)
        return [each.cause.value for each in (await client.diagnose(request)).hypotheses]
    finally:
        await client.close()


def test_client_when_automation_asks_then_it_gets_typed_answers(
    running: tuple[Platform, str, Story], telemetry: RecordedTelemetry
) -> None:
    platform, url, story = running
    assert asyncio.run(_by_client(platform, url, story.request(), telemetry))[0] == "rate_limited"


def test_command_when_nothing_is_out_of_the_ordinary_then_it_says_so(running: tuple[Platform, str, Story]) -> None:
    result = running[0].sightline("anomalies")
    assert result.exit_code == 0
    assert "nothing is out of the ordinary" in result.output


def test_command_when_there_is_no_finding_then_it_says_so_and_fails(running: tuple[Platform, str, Story]) -> None:
    result = running[0].sightline("diagnose", "--since", "10m")
    assert result.exit_code == 1
    assert "no finding" in result.output


def test_command_when_asked_for_detectors_then_they_are_listed(running: tuple[Platform, str, Story]) -> None:
    result = running[0].sightline("anomalies", "--detectors")
    assert result.exit_code == 0
    assert result.output.startswith("signal")


def test_settings_when_the_model_has_no_provider_then_they_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="write provider and model"):
        load(AgentsSettings, environ={"SIGHTLINE_LANGUAGE_MODEL": "gpt", "SIGHTLINE_SECRETS_DIR": str(tmp_path)})


def test_service_when_its_model_cannot_be_used_then_it_does_not_start(tmp_path: Path) -> None:
    platform = Platform(tmp_path)
    environ = platform.environ | {"SIGHTLINE_LANGUAGE_MODEL": "nobody:x", "SIGHTLINE_CONSOLE": "off"}
    environ.pop("PYTHONPATH")
    with pytest.raises(LanguageModelError, match="nobody:x cannot be used"):
        build(load(AgentsSettings, environ=environ))
