"""One request to a broker, and what its answer amounts to whichever broker it is.

No method here tries twice, follows a redirect or lets an exception of the transport out: its text may hold what was
sent. What counts is whether the broker can have acted on the request.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import httpx

from services.auth.logins.port import Refused, Unknown
from services.contracts.auth import LoginFailure
from services.kit.clock import Clock

LONGEST_WAIT_SECONDS: Final = 86_400.0
LONGEST_CALL_SECONDS: Final = 30.0
_USUAL_WAIT_SECONDS: Final = 60.0
_TURNED_AWAY_SECONDS: Final = 900.0
_LARGEST_BODY: Final = 262_144  # bytes
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_SECONDS_IN_WORDS: Final = re.compile(r"available in (\d{1,6}) seconds")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a broker answered, in JSON.

    Attributes:
        status: The HTTP status.
        body: The JSON; an empty object where an error came without any.
    """

    status: int
    body: Any

    @property
    def ok(self) -> bool:
        """Whether the status is one of success."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def refused(self) -> bool:
        """Whether it says that the credentials, or what stands for them, are not right."""
        return self.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED}

    def text(self, *path: str) -> str:
        """The text or number at a path of keys; empty where there is none."""
        found = self.at(*path)
        return str(found)[:200] if isinstance(found, str | int) and not isinstance(found, bool) else ""

    def at(self, *path: str) -> Any:  # noqa: ANN401 -- whatever JSON holds
        """What stands at a path of keys; None where there is nothing."""
        found = self.body
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found

    def seconds(self, *path: str) -> float | None:
        """A number of seconds between 1 and a year at a path of keys."""
        found = self.at(*path)
        fits = isinstance(found, int | float) and not isinstance(found, bool) and 1 <= found <= 366 * 86_400
        return float(found) if fits else None


class Wire:
    """Sends requests.

    Args:
        client: Has its time limits, follows no redirects and trusts no proxy of the environment; the caller's to close.
        clock: Against which a date in Retry-After counts.
        total_seconds: How long a request may take altogether, however slowly its answer trickles in.
    """

    def __init__(self, client: httpx.AsyncClient, clock: Clock, *, total_seconds: float = LONGEST_CALL_SECONDS) -> None:
        self._client = client
        self._clock = clock
        self._total_seconds = total_seconds

    async def send(  # noqa: PLR0913 -- the parts of a request, each by its name
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Answer | Refused | Unknown:
        """Send one request.

        Returns:
            `Answer` for success and for refusals of the broker's own; `Refused` when nothing was sent or the broker
            wants to be left alone; `Unknown` when it may have acted and did not say so.
        """
        request = self._client.build_request(method, url, headers=headers, data=form, json=body)
        try:
            async with asyncio.timeout(self._total_seconds):
                response = await self._client.send(
                    request, stream=True, auth=basic or httpx.USE_CLIENT_DEFAULT, follow_redirects=False
                )
                try:
                    content = await _content(response)
                finally:
                    await response.aclose()
        except _NEVER_SENT:
            return Refused(LoginFailure.BROKER_UNREACHABLE)
        except (httpx.HTTPError, TimeoutError):
            return Unknown()
        return self._read(response.status_code, response.headers, content)

    def _read(self, status: int, headers: httpx.Headers, content: bytes) -> Answer | Refused | Unknown:
        body = _json(content)
        if status == HTTPStatus.TOO_MANY_REQUESTS or (
            status == HTTPStatus.SERVICE_UNAVAILABLE and "retry-after" in headers
        ):
            return Refused(LoginFailure.BROKER_ASKED_TO_WAIT, self._wait_seconds(headers, content))
        if status == HTTPStatus.FORBIDDEN and body is None:
            # The guard in front of the broker, not the broker: it has not looked at what was sent.
            return Refused(LoginFailure.BROKER_ASKED_TO_WAIT, _TURNED_AWAY_SECONDS)
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Unknown() if body is None else Answer(status, body)
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Answer(status, {} if body is None else body)
        return Unknown()

    def _wait_seconds(self, headers: httpx.Headers, content: bytes) -> float:
        said = headers.get("retry-after", "")
        in_words = _SECONDS_IN_WORDS.search(content[:1_000].decode("utf-8", "replace"))
        if said.isascii() and said.isdigit():
            seconds = float(said[:6])
        elif (date := _date(said)) is not None:
            seconds = (date - self._clock.now()).total_seconds()
        else:
            seconds = float(in_words[1]) if in_words else _USUAL_WAIT_SECONDS
        return min(max(seconds, 1.0), LONGEST_WAIT_SECONDS)


async def _content(response: httpx.Response) -> bytes:
    """The body, or as much of it as shows that it is too large."""
    content = b""
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > _LARGEST_BODY:
            break
    return content


def _json(content: bytes) -> Any:  # noqa: ANN401 -- whatever JSON holds
    if len(content) > _LARGEST_BODY:
        return None
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict | list) else None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else None
