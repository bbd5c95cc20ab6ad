"""Sends requests to a venue for a vendor's client, in place of the session that the client would use by itself.

The client gets to see answers of success alone. Whatever else happens is raised as one of `CallError`'s kinds, which no
vendor's retry loop catches: an order is sent once, whatever the client's settings are.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final, NoReturn

from requests.models import PreparedRequest
from urllib3 import BaseHTTPResponse, HTTPHeaderDict, Timeout
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ReadTimeoutError

from services.kit.backoff import delay_seconds
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.kit.ids import Randomness
from services.trading.wire.budget import LEFT_HEADER, RateBudget, Use
from services.trading.wire.connections import attempt, watched_pools
from services.trading.wire.outcomes import CallError, NoAnswerError, NoKeysError, NotSentError, RefusedError

Keys = Callable[[], Mapping[str, str]]
"""The headers that carry the session at this moment. May raise `SightlineError` when there is none."""

_REPEATABLE: Final = {"GET": Use.QUESTION, "DELETE": Use.CANCEL}
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate"}
_FIRST_WAIT_SECONDS: Final = 0.2
_LARGEST_BODY: Final = 16 * 1024 * 1024  # bytes; 500 orders with legs are about one
_PIECE: Final = 65_536
_LONGEST_REASON: Final = 300
# Statuses of 400 to 499 after which the request may have been acted on all the same.
_UNDECIDED: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, 499})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long things may take, in seconds.

    Attributes:
        connect_seconds: Until a connection stands.
        read_seconds: Between two pieces of an answer.
        total_seconds: For a question with all its repetitions, and for the body of an answer.
        attempts: How often a question or a cancel is sent at most.
    """

    connect_seconds: float = 2.0
    read_seconds: float = 5.0
    total_seconds: float = 15.0
    attempts: int = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of success, as a vendor's client reads it. Its numbers are exact."""

    text: str
    body: Any
    status_code: int

    def raise_for_status(self) -> None:
        """Nothing: other answers are raised before."""

    def json(self) -> Any:  # noqa: ANN401 -- whatever JSON holds
        return self.body


class VenueCalls:
    """What a vendor's client takes for its session. From any thread.

    Args:
        keys: Asked before each attempt, so that renewed keys count at once.
        budget: What the venue takes.
        sleep: Blocks for a number of seconds.
    """

    def __init__(  # noqa: PLR0913 -- each is a collaborator of its own, handed in once when a venue is wired
        self,
        keys: Keys,
        budget: RateBudget,
        *,
        clock: Clock,
        randomness: Randomness,
        sleep: Callable[[float], None],
        patience: Patience | None = None,
    ) -> None:
        self._keys = keys
        self._budget = budget
        self._clock = clock
        self._randomness = randomness
        self._sleep = sleep
        self._patience = patience or Patience()
        self._pools = watched_pools()
        self._timeout = Timeout(connect=self._patience.connect_seconds, read=self._patience.read_seconds)

    def request(  # noqa: PLR0913 -- what alpaca-py passes, name by name
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | str | None = None,
        json: object = None,
        allow_redirects: bool = False,  # noqa: ARG002 -- never followed: a redirect is an answer not to be trusted
    ) -> Answer:
        """Send a request; a question or a cancel again when it may help, anything else once.

        Raises:
            NotSentError: Nothing was sent.
            NoAnswerError: It was sent, and nobody knows what became of it.
            RefusedError: The venue will not do it.
        """
        call = _Call(method, url, {**_HEADERS, **(headers or {})}, params, json)
        use = _REPEATABLE.get(method.upper(), Use.ORDER)
        attempts = 1 if use is Use.ORDER else self._patience.attempts
        ends = self._clock.monotonic() + self._patience.total_seconds
        unanswered, failures = False, 0
        while True:
            try:
                return self._once(use, call)
            except CallError as error:
                failures += 1
                error.unanswered_before = unanswered
                wait = self._wait_seconds(error, failures)
                if failures >= attempts or not error.transient or self._clock.monotonic() + wait > ends:
                    raise
                unanswered = unanswered or isinstance(error, NoAnswerError)
            self._sleep(wait)

    def close(self) -> None:
        """Close all connections."""
        self._pools.clear()

    def _wait_seconds(self, error: CallError, failures: int) -> float:
        usual = delay_seconds(
            failures, self._randomness, first_seconds=_FIRST_WAIT_SECONDS, most_seconds=self._patience.total_seconds
        )
        return max(usual, error.retry_after_seconds or 0.0)

    def _once(self, use: Use, call: "_Call") -> Answer:
        keyed = HTTPHeaderDict(call.headers)
        keyed.update(self._present_keys())
        if call.content is not None:
            keyed["Content-Type"] = "application/json"
        self._budget.take(use)
        with attempt() as watched:
            try:
                response = self._pools.urlopen(
                    call.method,
                    call.target(),
                    body=call.body(),
                    headers=keyed,
                    timeout=self._timeout,
                    retries=False,
                    redirect=False,
                    preload_content=False,
                )
                content = self._content(response)
            except Exception as error:
                # Which exception it is does not matter: what does is whether a byte may have gone out.
                reason = _reason(error, self._patience)
                raise (NoAnswerError if watched.written else NotSentError)(reason) from error
        self._budget.heard(response.headers)
        return self._judged(response.status, response.headers, content)

    def _present_keys(self) -> Mapping[str, str]:
        try:
            return self._keys()
        except SightlineError as error:
            raise NoKeysError(error.detail) from error

    def _content(self, response: BaseHTTPResponse) -> bytes:
        ends = self._clock.monotonic() + self._patience.total_seconds
        content = bytearray()
        with ExitStack() as unless_whole:
            # What is left of an answer must not be read as the beginning of the next one.
            unless_whole.callback(response.close)
            while piece := response.read1(_PIECE, decode_content=True):
                content += piece
                if len(content) > _LARGEST_BODY:
                    raise NoAnswerError("the answer is too large")
                if self._clock.monotonic() > ends:
                    raise NoAnswerError(f"the answer took longer than {self._patience.total_seconds:g} s to arrive")
            unless_whole.pop_all()
        response.release_conn()
        return bytes(content)

    def _judged(self, status: int, headers: Mapping[str, str], content: bytes) -> Answer:
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            try:
                text = content.decode()
                return Answer(text, _parsed(text) if text else None, status)
            except ValueError as error:
                raise NoAnswerError(f"the venue answered {status} with something that is no JSON") from error
        pause = _retry_after(headers)
        if not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR or status in _UNDECIDED:
            raise NoAnswerError(f"the venue answered {status}", retry_after_seconds=pause)
        code, message = _complaint(content)
        limited = status == HTTPStatus.TOO_MANY_REQUESTS and _of_the_limiter(headers)
        if limited and pause is not None:
            self._budget.turned_away(pause)
        raise RefusedError(
            status, code, message or f"the venue answered {status}", limited=limited, retry_after_seconds=pause
        )


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: str
    headers: Mapping[str, str]
    params: Mapping[str, Any] | str | None
    content: object

    def target(self) -> str:
        """The address with its parameters."""
        if not self.params:
            return self.url
        prepared = PreparedRequest()
        prepared.prepare_url(self.url, self.params)
        return prepared.url or self.url

    def body(self) -> bytes | None:
        """What is sent along, as JSON."""
        return None if self.content is None else json.dumps(self.content, allow_nan=False).encode()


def _parsed(text: str) -> Any:  # noqa: ANN401 -- whatever JSON holds
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _complaint(content: bytes) -> tuple[str | None, str]:
    """The venue's code and its words; None and "" when it was not the venue that answered."""
    try:
        body = json.loads(content)
    except ValueError:
        return None, ""
    if not isinstance(body, dict):
        return None, ""
    code = body.get("code")
    return None if code is None else str(code)[:32], str(body.get("message", ""))[:_LONGEST_REASON]


def _of_the_limiter(headers: Mapping[str, str]) -> bool:
    # Its mark is in the headers; the status and the code of the body alone could come from anywhere behind it.
    return headers.get(LEFT_HEADER) == "0" or "Retry-After" in headers


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        return max(float(headers["Retry-After"]), 0.0)
    except (KeyError, ValueError):
        return None


def _reason(error: Exception, patience: Patience) -> str:
    """In words, without the request: its headers are secret."""
    if isinstance(error, SightlineError):
        return error.detail
    if isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError):
        return f"no connection within {patience.connect_seconds:g} s"
    if isinstance(error, ReadTimeoutError):
        return f"no answer within {patience.read_seconds:g} s"
    cause: BaseException | None = error
    while cause is not None and not getattr(cause, "strerror", None):
        cause = cause.__cause__ or cause.__context__
    return f"the connection failed ({getattr(cause, 'strerror', None) or type(error).__name__})"
