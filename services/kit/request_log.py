"""One log line for each request served, inside its trace: what a span holds, for whoever reads logs."""

import logging
from time import perf_counter
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit.authentication import CALLER_KEY
from services.kit.identity import Caller
from telemetry.emit.routes import UNMATCHED, route_of

# Asked every few seconds by machines; metrics count them.
_QUIET_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_log = logging.getLogger("services.requests")


class RequestLogMiddleware:
    """Logs method, route template, status, duration and caller; never a path, a query or a body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _QUIET_PATHS:
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            _tell(scope, status, perf_counter() - started)


def _tell(scope: Scope, status: int, seconds: float) -> None:
    caller = scope.get(CALLER_KEY)
    route = route_of(scope) or UNMATCHED
    _log.info(
        "%s %s answered %s in %.1f ms",
        scope["method"] if scope["method"] in _METHODS else "a foreign method",
        route,
        status or "nothing",
        seconds * 1_000,
        extra={
            "fields": {
                "http_status": status,
                "http_route": route,
                "caller": caller.name if isinstance(caller, Caller) else "",
            }
        },
    )
