"""Between the sockets and the broker: who asks, what goes wrong, and that nothing is told before it is stored."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from services.kit.errors import SightlineError
from services.venue.broker.accounts import PaperAccount
from services.venue.broker.errors import BrokerError, TooLargeError, TooManyRequestsError
from services.venue.broker.faults import OF_VENUE, Fault, FaultKind, Kind
from services.venue.broker.plan import FaultPlan, one_of
from services.venue.broker.rate import RateLimit
from services.venue.broker.severing import Severed

_LARGEST_BODY: Final = 64 * 1024
_STATUS: Final = re.compile(r'"status":"[a-z_]+"')
_BEFORE: Final = "before"


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, as handlers see it.

    Attributes:
        faults: What goes wrong with what they do.
    """

    account: PaperAccount
    path: Mapping[str, Any]
    query: Mapping[str, str]
    body: bytes
    faults: list[Fault]


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers; no document, no body."""

    document: object = None
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Ask], Reply]


class Desk:
    """Answers the requests of one venue.

    Handlers run from their beginning to their end without a pause, so that no two of them see each other's work half
    done; the answer waits until all that was changed before it is stored.

    Args:
        authenticate: Gives the account of a key pair. Raises `BrokerError`.
        settle: Stores what was changed and tells the streams.
        happen: Carries out a fault of the venue.
        plan: What goes wrong.
        rate: The limit of requests.
    """

    def __init__(
        self,
        authenticate: Callable[[str, str], PaperAccount],
        settle: Callable[[], Awaitable[None]],
        happen: Callable[[Fault], None],
        plan: FaultPlan,
        rate: RateLimit,
    ) -> None:
        self._authenticate = authenticate
        self._settle = settle
        self._happen = happen
        self._plan = plan
        self._rate = rate

    def endpoint(self, kind: Kind, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """A Starlette endpoint around a handler."""

        async def serve(request: Request) -> Response:
            try:
                body = await _body_of(request)
            except ClientDisconnect:
                return Severed()
            except BrokerError as error:
                return _refusal(error, {})
            faults = self._plan.at_request(kind)
            if not faults:
                return await self._carry_out(request, handler, body, faults)
            return await self._with_faults(request, handler, body, faults)

        return serve

    async def _with_faults(self, request: Request, handler: Handler, body: bytes, faults: list[Fault]) -> Response:
        for fault in faults:
            if fault.fault is FaultKind.LATENCY:
                await asyncio.sleep(self._plan.latency(fault))
            elif fault.fault in OF_VENUE:
                self._happen(fault)
        if one_of(faults, FaultKind.EXPIRED_KEY):
            await self._expire(request)
        failing = [fault for fault in faults if fault.fault in FAILING]
        for fault in failing:
            if fault.when == _BEFORE:
                return await _fail(request, fault)
        response = await self._carry_out(request, handler, body, faults)
        if failing:
            return await _fail(request, failing[0])
        odd = one_of(faults, FaultKind.UNKNOWN_STATUS)
        if odd is not None:
            changed = _STATUS.sub(f'"status":"{odd.status}"', bytes(response.body).decode())
            headers = {name: value for name, value in response.headers.items() if name != "content-length"}
            return Response(changed, response.status_code, headers)
        return response

    async def _carry_out(self, request: Request, handler: Handler, body: bytes, faults: list[Fault]) -> Response:
        headers: dict[str, str] = {}
        try:
            account = self._account_of(request)
            allowance = self._rate.take(account.account_id)
            headers = allowance.headers()
            if not allowance.allowed:
                raise TooManyRequestsError
            reply = handler(Ask(account, request.path_params, request.query_params, body, faults))
        except BrokerError as error:
            response = _refusal(error, headers)
        else:
            content = b"" if reply.document is None else _text(reply.document)
            media = None if reply.document is None else "application/json"
            response = Response(content, reply.status, headers, media_type=media)
        try:
            await self._settle()
        except SightlineError:
            # The change stands in memory and may yet be stored: the customer cannot know, as with a real 500.
            return _failure(HTTPStatus.INTERNAL_SERVER_ERROR, headers)
        return response

    async def _expire(self, request: Request) -> None:
        try:
            self._account_of(request).expired = True
        except BrokerError:
            return

    def _account_of(self, request: Request) -> PaperAccount:
        headers = request.headers
        return self._authenticate(headers.get("apca-api-key-id", ""), headers.get("apca-api-secret-key", ""))


async def _body_of(request: Request) -> bytes:
    if request.method in {"GET", "HEAD"}:
        return b""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > _LARGEST_BODY:
            raise TooLargeError("request body is too large")
    return bytes(parts)


async def _fail(request: Request, fault: Fault) -> Response:
    match fault.fault:
        case FaultKind.DROP:
            return Severed()
        case FaultKind.HANG:
            await _until_gone(request, fault.seconds)
            return Severed()
        case FaultKind.GARBAGE:
            return Response("}{ this is no JSON", HTTPStatus.OK, media_type="application/json")
        case _:
            return _failure(FAILING[fault.fault], {})


async def _until_gone(request: Request, seconds: float | None) -> None:
    """Wait until the customer gives up, or for so long."""
    try:
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return


FAILING: Final = {
    FaultKind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    FaultKind.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
    FaultKind.SERVER_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
    FaultKind.GATEWAY_TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    FaultKind.DROP: HTTPStatus.OK,
    FaultKind.HANG: HTTPStatus.OK,
    FaultKind.GARBAGE: HTTPStatus.OK,
}
_BODIES: Final = {
    HTTPStatus.FORBIDDEN: {"code": 40310000, "message": "forbidden."},
    HTTPStatus.TOO_MANY_REQUESTS: {"code": 42910000, "message": "too many requests."},
    HTTPStatus.INTERNAL_SERVER_ERROR: {"code": 50010000, "message": "internal server error"},
    HTTPStatus.GATEWAY_TIMEOUT: {"code": 50410000, "message": "request timed out"},
}


def _failure(status: HTTPStatus, headers: Mapping[str, str]) -> Response:
    return Response(_text(_BODIES[status]), status, dict(headers), media_type="application/json")


def _refusal(error: BrokerError, headers: Mapping[str, str]) -> Response:
    return Response(_text(error.body()), error.status_code, dict(headers), media_type="application/json")


def _text(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
