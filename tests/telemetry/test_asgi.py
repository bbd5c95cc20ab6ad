"""Requests are measured by route template, to the last byte, and nothing a client sends becomes a series."""

import asyncio
import threading
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import Message, Scope

from telemetry.emit.asgi import MetricsMiddleware, metrics_app
from telemetry.emit.clock import SystemClock
from telemetry.emit.metrics import Metrics

Series = dict[tuple[str, str, str], float]

COUNT = "sightline_http_request_duration_seconds_count"
SUM = "sightline_http_request_duration_seconds_sum"


class Client:
    """Asks an application without a server between."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def request(self, method: str, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return asyncio.run(self._request(method, path, headers))

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        return self.request("GET", path, headers)

    async def _request(self, method: str, path: str, headers: dict[str, str] | None) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.request(method, path, headers=headers)

    def play(self, scope: Scope, incoming: list[Message]) -> list[Message]:
        """Run the application on a scripted list of messages; what it sent."""
        sent: list[Message] = []

        async def receive() -> Message:
            return incoming.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(self._app(scope, receive, send))
        return sent


async def plain(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


def application() -> FastAPI:
    app = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})
    orders = APIRouter(prefix="/orders")

    @orders.get("/{order_id}")
    async def order(order_id: str) -> dict[str, str]:
        return {"order_id": order_id}

    @app.post("/fail")
    async def fail() -> None:
        raise RuntimeError("broken")

    @app.get("/refuse")
    async def refuse() -> PlainTextResponse:
        return PlainTextResponse("no", status_code=503)

    app.include_router(orders, prefix="/v1")
    app.mount("/mounted", Starlette(routes=[Route("/inner/{name}", plain)]))
    return app


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(SystemClock())


@pytest.fixture
def app(metrics: Metrics) -> FastAPI:
    app = application()
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.router.routes.append(Route("/metrics", metrics_app(metrics), methods=["GET"]))
    return app


@pytest.fixture
def client(app: FastAPI) -> Client:
    return Client(app)


def counted(metrics: Metrics) -> Series:
    """(method, route, status class) of every series that counted something."""
    found = {}
    for sample in metrics.samples():
        if sample.name == COUNT and sample.value:
            labels = dict(sample.labels)
            found[labels["method"], labels["route"], labels["status_class"]] = sample.value
    return found


def reading(metrics: Metrics, name: str) -> float:
    return next(sample.value for sample in metrics.samples() if sample.name == name)


def test_request_when_router_has_a_prefix_then_the_whole_template_is_the_route(
    client: Client, metrics: Metrics
) -> None:
    client.get("/v1/orders/4711")

    assert counted(metrics) == {("GET", "/v1/orders/{order_id}", "2xx"): 1.0}


def test_request_when_ids_differ_then_they_share_one_series(client: Client, metrics: Metrics) -> None:
    for number in range(20):
        client.get(f"/v1/orders/{number}?token=hidden")

    assert counted(metrics) == {("GET", "/v1/orders/{order_id}", "2xx"): 20.0}


def test_request_when_no_route_matches_then_it_is_filed_under_unmatched(client: Client, metrics: Metrics) -> None:
    client.get("/wp-admin")
    client.get("/../../etc/passwd")

    assert counted(metrics) == {("GET", "unmatched", "4xx"): 2.0}


def test_request_when_method_does_not_fit_then_the_template_is_still_known(client: Client, metrics: Metrics) -> None:
    client.get("/fail")

    assert counted(metrics) == {("GET", "/fail", "4xx"): 1.0}


def test_request_when_method_is_unheard_of_then_it_is_other(client: Client, metrics: Metrics) -> None:
    client.request("BREW", "/refuse")

    assert [key[0] for key in counted(metrics)] == ["other"]


def test_request_when_handler_raises_then_it_counts_as_5xx(client: Client, metrics: Metrics) -> None:
    client.request("POST", "/fail")

    assert counted(metrics) == {("POST", "/fail", "5xx"): 1.0}


def test_request_when_handler_answers_503_then_it_counts_as_5xx(client: Client, metrics: Metrics) -> None:
    client.get("/refuse")

    assert counted(metrics) == {("GET", "/refuse", "5xx"): 1.0}


def test_request_when_a_mounted_application_answers_then_its_template_is_prefixed(
    client: Client, metrics: Metrics
) -> None:
    client.get("/mounted/inner/4711")

    assert counted(metrics) == {("GET", "/mounted/inner/{name}", "2xx"): 1.0}


def test_request_when_a_plain_route_has_no_parameters_then_its_path_is_the_route(
    client: Client, metrics: Metrics
) -> None:
    client.get("/metrics")

    assert counted(metrics) == {("GET", "/metrics", "2xx"): 1.0}


def test_start_when_routes_are_known_then_their_series_stand_at_zero(client: Client, metrics: Metrics) -> None:
    client.play({"type": "lifespan"}, [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    series = {s.labels for s in metrics.samples() if s.name == COUNT}
    assert (("method", "GET"), ("route", "/v1/orders/{order_id}"), ("status_class", "5xx")) in series
    assert counted(metrics) == {}


def test_stream_when_last_byte_is_late_then_the_duration_includes_it(
    app: FastAPI, client: Client, metrics: Metrics
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(0.05)
        yield b"last"

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(chunks())

    assert client.get("/stream").content == b"firstlast"

    durations = [s.value for s in metrics.samples() if s.name == SUM and ("route", "/stream") in s.labels]
    assert max(durations) >= 0.05


def test_stream_when_it_breaks_after_the_first_byte_then_it_counts_as_5xx(
    app: FastAPI, client: Client, metrics: Metrics
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        raise RuntimeError("broken half-way")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(chunks())

    client.get("/stream")

    assert counted(metrics) == {("GET", "/stream", "5xx"): 1.0}


def test_stream_when_the_client_goes_away_then_it_is_no_failure_of_the_service(
    app: FastAPI, client: Client, metrics: Metrics
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        raise ClientDisconnect

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(chunks())

    client.get("/stream")

    assert counted(metrics) == {("GET", "/stream", "2xx"): 1.0}


def test_respond_when_a_background_task_follows_then_the_request_has_ended_before_it(
    app: FastAPI, client: Client, metrics: Metrics
) -> None:
    seen: list[tuple[Series, float]] = []

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> None:
        tasks.add_task(lambda: seen.append((counted(metrics), reading(metrics, "sightline_http_requests_in_flight"))))

    client.get("/later")

    assert seen == [({("GET", "/later", "2xx"): 1.0}, 0.0)]


def test_read_gauge_when_a_request_is_being_served_then_it_is_in_flight(
    app: FastAPI, client: Client, metrics: Metrics
) -> None:
    seen: list[float] = []

    @app.get("/look")
    async def look() -> None:
        seen.append(reading(metrics, "sightline_http_requests_in_flight"))

    client.get("/look")

    assert (seen, reading(metrics, "sightline_http_requests_in_flight")) == ([1.0], 0.0)


def test_connect_websocket_when_it_echoes_then_nothing_is_measured(
    app: FastAPI, client: Client, metrics: Metrics
) -> None:
    @app.websocket("/ws")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())

    scope = {"type": "websocket", "path": "/ws", "headers": [], "query_string": b"", "subprotocols": []}
    sent = client.play(scope, [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}])

    assert sent[1] == {"type": "websocket.send", "text": "hello"}
    assert counted(metrics) == {}


def test_scrape_when_openmetrics_is_accepted_then_it_is_served(client: Client) -> None:
    response = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


def test_scrape_when_a_rendering_is_slow_then_other_requests_are_served_meanwhile(metrics: Metrics) -> None:
    rendering, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        rendering.set()
        assert go_on.wait(10)

    metrics.before_collecting(slow)
    app = Starlette(routes=[Route("/metrics", metrics_app(metrics)), Route("/plain", plain)])

    async def scrape_and_ask() -> tuple[int, bool, int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            scrape = asyncio.create_task(client.get("/metrics"))
            assert await asyncio.to_thread(rendering.wait, 10)
            answered = (await client.get("/plain")).status_code
            waiting = not scrape.done()
            go_on.set()
            return answered, waiting, (await scrape).status_code

    assert asyncio.run(scrape_and_ask()) == (200, True, 200)
