"""What simulated brokers do wrong, on demand."""

from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from services.contracts.auth import Broker

Handler = Callable[[Request], Awaitable[Response]]


class Fault(StrEnum):
    """A way to fail."""

    PASS = "pass"  # noqa: S105 -- answer rightly, before the next fault
    ERROR = "error"
    UNAVAILABLE = "unavailable"
    THROTTLED = "throttled"
    TURNED_AWAY = "turned_away"
    GARBAGE = "garbage"


_RETRY_AFTER_SECONDS: Final = "37"


class Faults:
    """Faults to come, for each broker in order; each is used once."""

    def __init__(self) -> None:
        self._coming: dict[Broker, deque[Fault]] = {broker: deque() for broker in Broker}

    def plan(self, broker: Broker, *faults: Fault) -> None:
        """Have the broker fail so at its next requests."""
        self._coming[broker].extend(faults)

    def around(self, broker: Broker, handler: Handler) -> Handler:
        """The handler, unless a fault is due."""

        async def handle(request: Request) -> Response:
            fault = self._coming[broker].popleft() if self._coming[broker] else Fault.PASS
            return await handler(request) if fault is Fault.PASS else _failing(fault)

        return handle


def _failing(fault: Fault) -> Response:
    match fault:
        case Fault.THROTTLED:
            return JSONResponse(
                {"detail": f"Request was throttled. Expected available in {_RETRY_AFTER_SECONDS} seconds."},
                HTTPStatus.TOO_MANY_REQUESTS,
                {"retry-after": _RETRY_AFTER_SECONDS},
            )
        case Fault.UNAVAILABLE:
            headers = {"retry-after": _RETRY_AFTER_SECONDS}
            return PlainTextResponse("maintenance", HTTPStatus.SERVICE_UNAVAILABLE, headers)
        case Fault.TURNED_AWAY:
            return PlainTextResponse("<html><h1>Access Denied</h1></html>", HTTPStatus.FORBIDDEN)
        case Fault.GARBAGE:
            return PlainTextResponse("}{ this is no JSON", HTTPStatus.OK)
        case _:
            return PlainTextResponse("<html><h1>Server Error</h1></html>", HTTPStatus.INTERNAL_SERVER_ERROR)
