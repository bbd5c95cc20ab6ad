"""Closes a connection without an answer, as a broken network does."""

import asyncio
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

RAW_SEND: Final = "sightline.raw_send"


class NotSeverableError(RuntimeError):
    """The server gives no way to its connection. Serve with uvicorn."""


class Severable:
    """Lets `Severed` reach the server's connection, whatever stands in between. Goes outermost."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[RAW_SEND] = send
        await self._app(scope, receive, send)


class Severed(Response):
    """No answer: the connection is closed. ASGI has no word for that, so that it is done on uvicorn's transport.

    Raises:
        NotSeverableError: when it is sent by another server.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- nothing is sent
        cycle = getattr(scope.get(RAW_SEND), "__self__", None)
        transport = getattr(cycle, "transport", None)
        if not isinstance(transport, asyncio.Transport):
            raise NotSeverableError
        transport.abort()
        # uvicorn would send a 500 for an application that returns before it has noticed.
        while (await receive())["type"] != "http.disconnect":
            pass
