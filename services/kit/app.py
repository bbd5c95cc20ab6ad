"""Makes the FastAPI application of a service, with everything that all of them share."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from pydantic import SecretStr
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from services.kit.authentication import AuthenticationMiddleware
from services.kit.errors import SightlineError
from services.kit.guards import check_guarded
from services.kit.health import Check, Readiness, health_router
from services.kit.identity import CallerVerifier
from services.kit.middleware import BodyLimitMiddleware, ErrorBoundaryMiddleware, ResponseHeadersMiddleware
from services.kit.openapi import describe_problems
from services.kit.problems import Problems
from services.kit.request_log import RequestLogMiddleware
from telemetry.emit.asgi import MetricsMiddleware, metrics_app
from telemetry.emit.metrics import Metrics

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics", "/openapi.json"})
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _no_lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOptions:
    """What an application is made of.

    Attributes:
        title: Name in the OpenAPI description.
        version: Version in the OpenAPI description.
        metrics: The service's instruments.
        telemetry_config: For FastAPI's own OpenTelemetry, from `Telemetry.fastapi_config`.
        verifier: Checks caller tokens.
        routers: The service's routes. Each route has a guard or its path is in `open_paths`.
        checks: Checks of the dependencies that `/readyz` reports.
        fixed_tokens: Bearer tokens of callers that cannot sign, by name.
        open_paths: Paths that need no caller, in addition to OPEN_PATHS.
        max_body_bytes: Largest body that is taken in.
        lifespan: Runs around the serving of requests.
    """

    title: str
    version: str
    metrics: Metrics
    telemetry_config: TelemetryConfig
    verifier: CallerVerifier
    routers: Sequence[APIRouter] = ()
    checks: Mapping[str, Check] = field(default_factory=dict)
    fixed_tokens: Mapping[str, SecretStr] = field(default_factory=dict)
    open_paths: frozenset[str] = frozenset()
    max_body_bytes: int = 1024 * 1024
    lifespan: Lifespan = _no_lifespan


class ServiceApp(FastAPI):
    """FastAPI whose description tells which problems each operation answers with."""

    def openapi(self) -> dict[str, Any]:
        schema = super().openapi()
        if "Problem" not in schema.get("components", {}).get("schemas", {}):
            describe_problems(schema)
        return schema


def create_app(options: AppOptions) -> ServiceApp:
    """Make the application.

    Raises:
        UnguardedRouteError: A route has neither a guard nor an open path.
    """
    problems = Problems(options.metrics)
    open_paths = OPEN_PATHS | options.open_paths
    readiness = Readiness(options.metrics, options.checks)
    app = ServiceApp(
        title=options.title,
        version=options.version,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(options, open_paths, readiness),
        telemetry=options.telemetry_config,
        middleware=_middleware(options, open_paths, problems),
        exception_handlers={
            SightlineError: problems.handle,
            HTTPException: problems.handle,
            RequestValidationError: problems.handle,
            Exception: problems.handle,
        },
    )
    app.include_router(health_router(readiness))
    app.router.routes.append(Route("/metrics", metrics_app(options.metrics), methods=["GET"]))
    for router in options.routers:
        app.include_router(router)
    check_guarded(app.routes, open_paths, options.fixed_tokens)
    return app


def _middleware(options: AppOptions, open_paths: frozenset[str], problems: Problems) -> list[Middleware]:
    """Outermost first."""
    return [
        Middleware(MetricsMiddleware, metrics=options.metrics),
        Middleware(ResponseHeadersMiddleware),
        Middleware(RequestLogMiddleware),
        Middleware(ErrorBoundaryMiddleware, problems=problems),
        Middleware(BodyLimitMiddleware, max_body_bytes=options.max_body_bytes, problems=problems),
        Middleware(
            AuthenticationMiddleware,
            open_paths=open_paths,
            verifier=options.verifier,
            fixed_tokens=options.fixed_tokens,
            problems=problems,
        ),
    ]


def _lifespan(options: AppOptions, open_paths: frozenset[str], readiness: Readiness) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Once more: routes may have been added since the application was made.
        check_guarded(app.routes, open_paths, options.fixed_tokens)
        async with options.lifespan(app), readiness.watching():
            yield

    return lifespan
