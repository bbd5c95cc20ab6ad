"""The service under load: `python -m benchmarks.requests_service bare` or `... instrumented OTLP_URL DIRECTORY`.

Prints its port once it listens, and serves until it is terminated.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.routing import Route

from telemetry.emit.asgi import MetricsMiddleware, metrics_app
from telemetry.emit.setup import Telemetry, TelemetryOptions, setup


def bare() -> FastAPI:
    """FastAPI with every kind of telemetry off."""
    return FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False})


def instrumented(otlp_url: str, directory: Path) -> FastAPI:
    """What a service of ours has: a span for every request sent by OTLP, request metrics, logs into the store."""
    telemetry = setup(
        TelemetryOptions(
            service_name="bench",
            env="local",
            version="0",
            data_dir=directory,
            console="off",
            otlp_url=otlp_url,
            embedded_path=directory / "telemetry.db",
        )
    )
    app = FastAPI(telemetry=telemetry.fastapi_config(), lifespan=_closing(telemetry))
    app.add_middleware(MetricsMiddleware, metrics=telemetry.metrics)
    app.router.routes.append(Route("/metrics", metrics_app(telemetry.metrics)))
    return app


def _closing(telemetry: Telemetry) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(telemetry.shutdown)

    return lifespan


def _add_endpoints(app: FastAPI) -> None:
    @app.get("/trivial/{name}")
    async def trivial(name: str) -> dict[str, str]:
        return {"name": name}

    @app.get("/waits/{name}")
    async def waits(name: str) -> dict[str, str]:
        await asyncio.sleep(0.005)
        return {"name": name}


def main(arguments: list[str]) -> None:
    """Serve on a free port of 127.0.0.1."""
    app = bare() if arguments[0] == "bare" else instrumented(arguments[1], Path(arguments[2]))
    _add_endpoints(app)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    # asyncio switches Nagle's algorithm off only for a socket that says it speaks TCP. The one that uvicorn's
    # `bind_socket` makes does not, and each answer would wait 40 ms for the client's acknowledgement.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        print(listener.getsockname()[1], flush=True)
        asyncio.run(server.serve([listener]))


if __name__ == "__main__":
    main(sys.argv[1:])
