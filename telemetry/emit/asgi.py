"""Measures requests: a pure ASGI middleware (3 us; Starlette's BaseHTTPMiddleware costs a hundred times that)."""

import asyncio
import time
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telemetry.catalogue import HTTP_REQUEST_DURATION, HTTP_REQUESTS_IN_FLIGHT, METHOD
from telemetry.emit.metrics import OTHER, Metrics
from telemetry.emit.routes import UNMATCHED, route_of, route_templates

_METHODS: Final = frozenset(METHOD.values or ())
_STATUS_CLASSES: Final = {1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx"}
# A service level objective divides failures by all requests, so both have to exist before the first failure.
_CLASSES_FROM_START: Final = ("2xx", "4xx", "5xx")


class MetricsMiddleware:
    """Duration by route template, from the first byte in to the last byte out, and requests in flight.

    A path that matched no route is filed under "unmatched", so a scanner cannot make series. An exception counts as
    5xx, also after a response has begun; one in a background task, after the last byte, does not. WebSockets and
    lifespan events pass untouched. Add it last, so that it is the outermost middleware of the application.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._in_flight = metrics.gauge(HTTP_REQUESTS_IN_FLIGHT)
        self._templates: frozenset[str] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._templates is None:
            self._templates = self._declare_routes(scope)
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(self, scope, send)
        self._in_flight.inc()
        try:
            await self._app(scope, receive, request.send)
        except ClientDisconnect:
            raise  # the client went away in the middle of an answer: no failure of ours
        except BaseException:
            request.status = 500
            raise
        finally:
            request.end()

    def _declare_routes(self, scope: Scope) -> frozenset[str]:
        """At the lifespan's start, or at the first request where nobody runs the lifespan."""
        templates = list(route_templates(scope["app"].routes))
        names = frozenset(template for _, template in templates) | {UNMATCHED}
        self._metrics.declare(HTTP_REQUEST_DURATION, "route", names, create=False)
        for method, template in templates:
            if method in _METHODS:  # HEAD comes with every GET and is hardly ever used
                for status_class in _CLASSES_FROM_START:
                    self._metrics.histogram(
                        HTTP_REQUEST_DURATION, method=method, route=template, status_class=status_class
                    )
        return names

    def record(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request that has ended; status 0 means that it never got a response."""
        self._in_flight.dec()
        method = scope["method"] if scope["method"] in _METHODS else OTHER
        status_class = _STATUS_CLASSES.get(status // 100, "5xx")
        self._metrics.histogram(
            HTTP_REQUEST_DURATION, method=method, route=self._route(scope), status_class=status_class
        ).observe(seconds)

    def _route(self, scope: Scope) -> str:
        route = route_of(scope)
        if route is not None:
            return route
        # A plain Starlette route leaves no trace in the scope; one without parameters is known by its path.
        path: str = scope["path"]
        return path if self._templates is not None and path in self._templates else UNMATCHED


class _Request:
    """Watches one response go by and reports its end once."""

    __slots__ = ("_ended", "_middleware", "_scope", "_send", "_started", "status")

    def __init__(self, middleware: MetricsMiddleware, scope: Scope, send: Send) -> None:
        self._middleware = middleware
        self._scope = scope
        self._send = send
        self._ended = False
        self._started = time.perf_counter()
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            # Not when the application returns: background tasks run in between.
            self.end()

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._middleware.record(self._scope, self.status, time.perf_counter() - self._started)


class MetricsEndpoint:
    """ASGI endpoint for `/metrics`, rendered on a thread so that a scrape delays no request."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        accept = ",".join(
            value.decode("latin-1") for name, value in scope.get("headers", ()) if name.lower() == b"accept"
        )
        page, content_type = await asyncio.to_thread(self._metrics.exposition, accept)
        headers = [
            (b"content-type", content_type.encode("ascii")),
            (b"content-length", str(len(page)).encode("ascii")),
            (b"vary", b"accept"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else page})


def metrics_app(metrics: Metrics) -> ASGIApp:
    """The endpoint to serve at `/metrics`.

    Mount it as `Route("/metrics", metrics_app(metrics), methods=["GET"])`, which answers HEAD too.
    """
    return MetricsEndpoint(metrics)
