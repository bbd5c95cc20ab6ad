"""The chassis, held by the example service that stands on it."""

import asyncio
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select

from examples.hello_service.api import hello_router
from examples.hello_service.bootstrap import INSTRUMENTS, HelloSettings
from services.kit.app import ServiceApp
from services.kit.chassis import Chassis, NoIdentityError
from services.kit.errors import StartError
from services.kit.identity import CallerSigner
from services.kit.settings import load
from services.kit.tables import OUTBOX
from telemetry.emit.logs import BatchingHandler
from telemetry.query.open import ReadersOptions, open_readers
from telemetry.query.ports import LogQuery
from tests.kit.conftest import NatsServer
from tests.kit.running import Home
from tests.kit.web import AppClient

ROOT = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def settings(home: Home) -> HelloSettings:
    return load(HelloSettings, {k: v for k, v in home.environ.items() if k.startswith("SIGHTLINE_")})


@pytest.fixture
def chassis(settings: HelloSettings) -> Iterator[Chassis[HelloSettings]]:
    quiet = settings.model_copy(update={"console": "off"})
    chassis = Chassis.open(quiet, instruments=INSTRUMENTS)
    yield chassis
    chassis.close()


@pytest.fixture
def app(chassis: Chassis[HelloSettings]) -> ServiceApp:
    return chassis.create_app("Hello", routers=[hello_router(chassis.facts)])


def unpublished(chassis: Chassis[HelloSettings]) -> int:
    with chassis.database.reading() as connection:
        waiting = select(func.count()).select_from(OUTBOX).where(OUTBOX.c.published_at.is_(None))
        return connection.execute(waiting).scalar_one()


async def settled(chassis: Chassis[HelloSettings], client: httpx.AsyncClient) -> bool:
    waiting = await asyncio.to_thread(unpublished, chassis)
    return not waiting and (await client.get("/readyz")).status_code == httpx.codes.OK


def test_request_when_it_states_a_fact_then_log_metric_span_and_outbox_tell_the_same(
    home: Home, settings: HelloSettings, chassis: Chassis[HelloSettings], app: ServiceApp
) -> None:
    response = AppClient(app, home.signed()).post("/greetings", json={"name": "Ada"})
    event_id = response.json()["event_id"]
    trace_id = response.headers["x-trace-id"]
    assert chassis.telemetry.flush()
    readers = open_readers(ReadersOptions(embedded_path=settings.embedded_path))
    now = datetime.now(UTC)
    (line,) = readers.logs.search(
        LogQuery(
            start=now - timedelta(minutes=5),
            end=now + timedelta(minutes=5),
            trace_id=trace_id,
            logger="facts.hello",
        )
    )
    trace = readers.traces.trace(trace_id)
    readers.close()
    assert (line.line, line.field("event_id")) == ("Ada was greeted", event_id)
    assert trace is not None
    assert [event.attributes["sightline.event.id"] for event in trace.spans[0].events] == [event_id]
    assert unpublished(chassis) == 1
    samples = {(sample.name, sample.labels): sample.value for sample in chassis.telemetry.metrics.samples()}
    assert samples["sightline_events_recorded_total", (("event_type", "hello.greeted"),)] == 1


def test_readyz_when_the_bus_is_away_then_it_alone_is_not_ready(app: ServiceApp) -> None:
    async def ask() -> httpx.Response:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client,
        ):
            return await client.get("/readyz")

    response = asyncio.run(ask())
    found = {name: report["ready"] for name, report in response.json()["dependencies"].items()}
    assert response.status_code == 503
    assert found == {"database": True, "callers": True, "bus": False, "outbox": True}


@pytest.mark.needs("nats-server")
def test_fact_when_the_bus_is_there_then_it_is_published(
    home: Home, settings: HelloSettings, nats_server: NatsServer
) -> None:
    token = SecretStr(nats_server.token)
    changes = {"nats_url": nats_server.url, "nats_token": token, "console": "off"}
    chassis = Chassis.open(settings.model_copy(update=changes), instruments=INSTRUMENTS)
    app = chassis.create_app("Hello", routers=[hello_router(chassis.facts)])

    async def greet_and_wait() -> tuple[int, int]:
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client,
        ):
            greeted = await client.post("/greetings", json={"name": "Ada"}, auth=home.signed())
            async with asyncio.timeout(20):
                # The dispatcher says nothing to us when it is done; the outbox and /readyz are what there is to see.
                while not await settled(chassis, client):  # noqa: ASYNC110 -- see above
                    await asyncio.sleep(0.05)
            return greeted.status_code, unpublished(chassis)

    assert asyncio.run(greet_and_wait()) == (201, 0)


def test_lifespan_when_it_ends_then_nothing_of_ours_is_left_on_the_root_logger(
    app: ServiceApp,
) -> None:
    *others, _ = _handlers()  # of a service that another test lets run, and ours
    AppClient(app).start_and_stop()
    assert _handlers() == others


def test_create_app_when_a_service_has_no_events_then_it_has_no_bus_to_wait_for(settings: HelloSettings) -> None:
    chassis = Chassis.open(settings.model_copy(update={"console": "off"}))
    app = chassis.create_app("Quiet", routers=[])
    assert AppClient(app).get("/readyz").status_code == 200
    chassis.close()


def test_client_when_the_service_has_an_identity_then_the_other_side_knows_it(
    home: Home, chassis: Chassis[HelloSettings]
) -> None:
    client = chassis.client("other", "http://127.0.0.1:1")
    assert isinstance(client._signer, CallerSigner)


def test_client_when_the_service_has_no_identity_then_the_remedy_is_named(settings: HelloSettings) -> None:
    chassis = Chassis.open(settings.model_copy(update={"console": "off", "identity_key": None}))
    with pytest.raises(NoIdentityError, match=r"identity/hello\.pem"):
        chassis.client("other", "http://127.0.0.1:1")
    chassis.close()


def test_open_when_it_fails_then_logging_is_left_as_it_was(settings: HelloSettings) -> None:
    (settings.secrets_dir / "callers.json").write_text("{")
    before = _handlers()
    with pytest.raises(StartError, match="not valid JSON"):
        Chassis.open(settings.model_copy(update={"console": "off"}), instruments=INSTRUMENTS)
    assert _handlers() == before


def test_documentation_when_it_shows_code_then_the_example_contains_it() -> None:
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "services.md").read_text(), re.DOTALL)
    example = "\n".join(path.read_text() for path in sorted((ROOT / "examples" / "hello_service").glob("*.py")))
    lines = {line.strip() for line in example.splitlines()}
    missing = [line for block in shown[:3] for line in block.splitlines() if line.strip() and line.strip() not in lines]
    assert missing == []


def _handlers() -> list[logging.Handler]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, BatchingHandler)]
