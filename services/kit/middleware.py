"""Pure ASGI layers that every response of a service passes through."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.kit.errors import BodyTooLargeError
from services.kit.problems import CarriedRefusalError, Problems, current_trace_id

# An API answers programs: nothing of it is to be framed, sniffed, cached or given as a referrer.
_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class ResponseHeadersMiddleware:
    """Adds security headers, where the handler set none, and the trace id as `x-trace-id`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if trace_id := current_trace_id():
                    headers["x-trace-id"] = trace_id
            await send(message)

        await self._app(scope, receive, send_with_headers)


class ErrorBoundaryMiddleware:
    """Answers what no handler foresaw with status 500, inside the request's span, and lets nothing through.

    The framework's own last resort answers and raises again, and the server then logs the traceback a second time,
    outside the span.
    """

    def __init__(self, app: ASGIApp, *, problems: Problems) -> None:
        self._app = app
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def note_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except Exception as error:
            if started:
                # Half a response is out: only the server can end it, by closing the connection.
                raise
            await self._problems.answer(error)(scope, receive, send)


class BodyLimitMiddleware:
    """Refuses a body above the limit: at once where its length is announced, else as soon as it is exceeded."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, problems: Problems) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _announced_bytes(scope) > self._max_body_bytes:
            response = self._problems.answer(BodyTooLargeError(self._max_body_bytes))
            # What was announced is not read, so the connection cannot be used again.
            response.headers["connection"] = "close"
            await response(scope, receive, send)
            return
        received_bytes = 0

        async def receive_limited() -> Message:
            nonlocal received_bytes
            message = await receive()
            if message["type"] == "http.request":
                received_bytes += len(message.get("body", b""))
                if received_bytes > self._max_body_bytes:
                    raise CarriedRefusalError(BodyTooLargeError(self._max_body_bytes))
            return message

        await self._app(scope, receive_limited, send)


def _announced_bytes(scope: Scope) -> int:
    announced = Headers(scope=scope).get("content-length", "")
    if not (announced.isascii() and announced.isdigit()):
        return 0
    # More digits than any length has; turning thousands of them into a number is slow and, at some point, an error.
    return int(announced[:20])
