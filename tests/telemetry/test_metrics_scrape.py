"""A real Prometheus scrapes a running service and keeps its exemplars."""

import asyncio
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.routing import Route

from telemetry.emit.asgi import MetricsMiddleware, metrics_app
from telemetry.emit.setup import TelemetryOptions, setup

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
_CONFIG = """\
global: {{scrape_interval: 250ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: sightline
    static_configs:
      - targets: ["127.0.0.1:{port}"]
        labels: {{service_name: console, env: local}}
"""


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The application under uvicorn on a port of its own; its base URL."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    socket = server.config.bind_socket()
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([socket])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        socket.close()


@contextmanager
def prometheus(directory: Path, target_port: int, port: int) -> Iterator[str]:
    """Prometheus with exemplar storage, scraping one target four times a second; its base URL."""
    program = shutil.which("prometheus")
    assert program is not None
    (directory / "prometheus.yml").write_text(_CONFIG.format(port=target_port))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 -- the program found on PATH, our own arguments
            [
                program,
                f"--config.file={directory}/prometheus.yml",
                f"--storage.tsdb.path={directory}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def polled(ask: Callable[[], list[dict[str, Any]]], timeout_seconds: float = 20.0) -> list[dict[str, Any]]:
    """The first answer that is not empty; the other side is a program of its own and cannot tell us when."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        try:
            if answer := ask():
                return answer
        except (httpx.TransportError, ValueError):
            pass  # it does not listen yet, or says in words that it is not ready
        time.sleep(0.05)
    return []


@pytest.mark.needs("prometheus")
def test_scrape_when_prometheus_runs_then_the_target_is_up_and_the_exemplar_is_stored(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    telemetry = setup(
        TelemetryOptions(service_name="console", env="local", version="1.2.3", data_dir=tmp_path, console="off")
    )
    app = FastAPI(telemetry=telemetry.fastapi_config())
    app.add_middleware(MetricsMiddleware, metrics=telemetry.metrics)
    app.router.routes.append(Route("/metrics", metrics_app(telemetry.metrics)))
    app.get("/orders/{order_id}")(lambda order_id: {"order_id": order_id})

    with serving(app) as service, prometheus(tmp_path, httpx.URL(service).port or 0, free_port()) as server:
        httpx.get(f"{service}/orders/4711", headers={"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"})

        def exemplars() -> list[dict[str, Any]]:
            query = {"query": "sightline_http_request_duration_seconds_bucket", "start": "0", "end": "9999999999"}
            return list(httpx.get(f"{server}/api/v1/query_exemplars", params=query).json()["data"])

        (series,) = polled(exemplars)
        targets = httpx.get(f"{server}/api/v1/targets").json()["data"]["activeTargets"]
    telemetry.shutdown()

    assert [(target["health"], target["lastError"]) for target in targets] == [("up", "")]
    assert [found["labels"] for found in series["exemplars"]] == [{"trace_id": TRACE_ID}]
    labels = series["seriesLabels"]
    assert (labels["service_name"], labels["route"]) == ("console", "/orders/{order_id}")
