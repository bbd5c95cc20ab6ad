"""Default deny: whoever asks for anything but the open paths must say who they are, before a body is parsed."""

import asyncio
import hmac
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from opentelemetry import trace
from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.contracts.ids import CallerName
from services.kit.errors import SightlineError
from services.kit.identity import Caller, CallerVerifier
from services.kit.identity_errors import TokenMalformedError, TokenMissingError
from services.kit.problems import CarriedRefusalError, Problems

CALLER_KEY: Final = "sightline.caller"
_SCHEME: Final = "bearer "


class AuthenticationMiddleware:
    """Finds out who calls and puts a `Caller` into the scope; answers 401 where nobody known does.

    Args:
        app: What comes next.
        open_paths: Paths that need no caller.
        verifier: Checks signed caller tokens.
        fixed_tokens: Bearer tokens of callers that cannot sign, by the token's name.
        problems: Answers, counts and logs what is refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        open_paths: frozenset[str],
        verifier: CallerVerifier,
        fixed_tokens: Mapping[str, SecretStr],
        problems: Problems,
    ) -> None:
        self._app = app
        self._open_paths = open_paths
        self._verifier = verifier
        self._fixed_tokens = {name: token.get_secret_value().encode() for name, token in fixed_tokens.items()}
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # No service has one, and a browser cannot put a caller token on it.
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http" or scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return
        try:
            token = _token_of(scope)
            caller = self._by_fixed_token(token)
            if caller is None:
                verified = self._verifier.verify(token, scope["method"], _target_of(scope))
                body = await _read(receive)
                caller = await asyncio.to_thread(self._verifier.accept, verified, body)
                receive = _replay(body, receive)
        except (SightlineError, CarriedRefusalError) as error:
            response = self._problems.answer(error)
            if response.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                # The body may not have been read.
                response.headers["connection"] = "close"
            await response(scope, receive, send)
            return
        scope[CALLER_KEY] = caller
        trace.get_current_span().set_attribute("sightline.caller", caller.name)
        await self._app(scope, receive, send)

    def _by_fixed_token(self, token: str) -> Caller | None:
        given = token.encode()
        # Every token is compared, so that the time tells nothing of which one came near.
        found = [name for name, expected in self._fixed_tokens.items() if hmac.compare_digest(given, expected)]
        return Caller(CallerName(found[0]), frozenset(), token_name=found[0]) if found else None


def _token_of(scope: Scope) -> str:
    values = Headers(scope=scope).getlist("authorization")
    if not values:
        raise TokenMissingError
    if len(values) > 1 or not values[0].lower().startswith(_SCHEME):
        raise TokenMalformedError
    return values[0][len(_SCHEME) :].strip()


def _target_of(scope: Scope) -> str:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return (raw + b"?" + query if query else raw).decode("latin-1")


async def _read(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, then whatever the server says next."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


class ClientGoneError(SightlineError):
    """The client closed the connection before it had sent its body. Nobody reads the answer."""

    status_code = HTTPStatus.BAD_REQUEST
    code = "client_gone"
    title = "The client closed the connection"
