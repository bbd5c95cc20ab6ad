"""Calls other services: timeouts, a signature, the trace, a metric, and errors as types."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from time import perf_counter
from types import TracebackType
from typing import Any, ClassVar, Final, Protocol, Self
from urllib.parse import quote

import httpx
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import ValidationError

from services.kit.errors import PROBLEM_MEDIA_TYPE, Problem, SightlineError, UnavailableError
from services.kit.ids import Randomness, SystemRandomness
from telemetry.catalogue import HTTP_CLIENT_DURATION
from telemetry.emit.metrics import Metrics

_MAX_RETRIES: Final = 2
_FIRST_BACKOFF_SECONDS: Final = 0.1
_MAX_CONNECTIONS: Final = 20


class RequestSigner(Protocol):
    """Proves who sends a request; `services.kit.identity.CallerSigner` is the one."""

    def headers(self, method: str, target: str, body: bytes, *, audience: str) -> dict[str, str]:
        """Headers for one request; see `CallerSigner.headers`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """In seconds. `total_seconds` bounds a call with all its retries."""

    connect_seconds: float = 1.0
    read_seconds: float = 5.0
    total_seconds: float = 10.0


class RemoteError(SightlineError):
    """The service that was called answered with an error.

    Attributes:
        dependency: Name of the service that was called.
        status: The HTTP status that it answered with.
        problem: What it said, or None when that was no problem detail.
    """

    status_code: ClassVar[int] = HTTPStatus.BAD_GATEWAY
    code = "remote_error"
    title = "A service that this needs answered with an error"

    def __init__(self, dependency: str, status: int, problem: Problem | None) -> None:
        said = f"{problem.title}. {problem.detail}" if problem else "without saying why."
        super().__init__(f"{dependency} answered {status}: {said}")
        self.dependency = dependency
        self.status = status
        self.problem = problem


class RemoteUnavailableError(UnavailableError):
    """The service that was called could not be reached, did not answer in time or said that it cannot now.

    Attributes:
        dependency: Name of the service that was called.
        outcome: A value of the outcome label of HTTP_CLIENT_DURATION.
    """

    code = "remote_unavailable"
    title = "A service that this needs is away"

    def __init__(self, dependency: str, outcome: str, detail: str) -> None:
        super().__init__(f"{dependency} {detail}")
        self.dependency = dependency
        self.outcome = outcome


class ServiceClient:
    """An HTTP client for one service. Use it as an asynchronous context manager or call `close`.

    Args:
        base_url: "http://127.0.0.1:8710".
        dependency: Name of the service, which is also the audience of the tokens.
        signer: Signs each request; None for a service that asks for no caller.
        metrics: The caller's own instruments.
        tracer: Makes the client spans.
        timeouts: How long things may take.
        randomness: Spreads retries.
        transport: Where requests go instead of to the network, for tests.
    """

    def __init__(  # noqa: PLR0913 -- each is a collaborator of its own, handed in once when a service is wired
        self,
        base_url: str,
        dependency: str,
        *,
        signer: RequestSigner | None,
        metrics: Metrics,
        tracer: trace.Tracer,
        timeouts: Timeouts | None = None,
        randomness: Randomness | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._dependency = dependency
        self._signer = signer
        self._metrics = metrics
        self._tracer = tracer
        self._timeouts = timeouts or Timeouts()
        self._randomness = randomness or SystemRandomness()
        metrics.declare(HTTP_CLIENT_DURATION, "dependency", [dependency])
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(self._timeouts.read_seconds, connect=self._timeouts.connect_seconds),
            limits=httpx.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_CONNECTIONS),
            follow_redirects=False,
            # A proxy from the environment must not see or bend calls between our own services.
            trust_env=False,
            transport=transport,
        )

    async def request(
        self,
        method: str,
        template: str,
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,  # noqa: ANN401 -- whatever is JSON
    ) -> httpx.Response:
        """Call and return a response of status 2xx.

        Args:
            method: "GET", "POST", ...
            template: Path with names in braces, "/alerts/{fingerprint}"; names the span.
            path: Values for the names in braces; they are quoted.
            query: Query parameters.
            body: Sent as JSON; None for no body.

        Raises:
            RemoteError: The service answered with an error.
            RemoteUnavailableError: It could not be reached, was too slow or is not ready.
            ValueError: A value for the path is empty or would name another path.
        """
        target = template.format_map({name: _quoted(value) for name, value in (path or {}).items()})
        with self._tracer.start_as_current_span(
            f"{method} {template}",
            kind=SpanKind.CLIENT,
            attributes={"http.request.method": method, "sightline.dependency": self._dependency},
            # Its text would travel with the span, and part of it is another service's.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                async with asyncio.timeout(self._timeouts.total_seconds):
                    response = await self._with_retries(method, target, query, body)
            except TimeoutError:
                raise self._away("timeout", f"did not answer within {self._timeouts.total_seconds:g} s.") from None
            span.set_attribute("http.response.status_code", response.status_code)
            if response.is_success:
                return response
            span.set_status(StatusCode.ERROR)
            raise self._told(response)

    async def get(
        self, template: str, *, path: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """`request("GET", ...)`; tried again, at most twice, when no connection could be made."""
        return await self.request("GET", template, path=path, query=query)

    async def post(self, template: str, *, path: Mapping[str, str] | None = None, body: Any = None) -> httpx.Response:  # noqa: ANN401 -- whatever is JSON
        """`request("POST", ...)`; never tried again."""
        return await self.request("POST", template, path=path, body=body)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _with_retries(
        self,
        method: str,
        target: str,
        query: Mapping[str, str] | None,
        body: Any,  # noqa: ANN401 -- whatever is JSON
    ) -> httpx.Response:
        retries = _MAX_RETRIES if method == "GET" else 0
        for attempt in range(retries + 1):
            # Built anew for each attempt: a caller token is good for one use.
            request = self._client.build_request(method, target, params=query, json=body)
            try:
                return await self._send(request)
            except httpx.ConnectError:
                if attempt == retries:
                    raise self._away("connect_error", "cannot be reached; is it running?") from None
            except httpx.ConnectTimeout:
                if attempt == retries:
                    raise self._away("timeout", "accepted no connection in time.") from None
            except httpx.TimeoutException:
                raise self._away("timeout", "did not answer in time.") from None
            except httpx.HTTPError as error:
                raise self._away("error", f"broke the connection ({type(error).__name__}).") from None
            # Full jitter: many callers of a service that comes back must not come at once.
            await asyncio.sleep(self._randomness.fraction() * _FIRST_BACKOFF_SECONDS * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _send(self, request: httpx.Request) -> httpx.Response:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        request.headers.update(carrier)
        if self._signer is not None:
            target = request.url.raw_path.decode("ascii")
            request.headers.update(
                self._signer.headers(request.method, target, request.content, audience=self._dependency)
            )
        started = perf_counter()
        outcome = "error"
        try:
            response = await self._client.send(request)
            outcome = _outcome_of(response.status_code)
        except httpx.TimeoutException:
            outcome = "timeout"
            raise
        except httpx.ConnectError:
            outcome = "connect_error"
            raise
        except asyncio.CancelledError:
            # The time for the whole call ran out, or the caller was told to stop.
            outcome = "timeout"
            raise
        finally:
            histogram = self._metrics.histogram(HTTP_CLIENT_DURATION, dependency=self._dependency, outcome=outcome)
            histogram.observe(perf_counter() - started)
        return response

    def _away(self, outcome: str, detail: str) -> RemoteUnavailableError:
        span = trace.get_current_span()
        span.set_attribute("error.type", outcome)
        span.set_status(StatusCode.ERROR)
        return RemoteUnavailableError(self._dependency, outcome, detail)

    def _told(self, response: httpx.Response) -> SightlineError:
        problem = _problem_of(response)
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            said = problem.detail if problem else "without saying why."
            return RemoteUnavailableError(self._dependency, "5xx", f"cannot serve this now: {said}")
        return RemoteError(self._dependency, response.status_code, problem)


def _problem_of(response: httpx.Response) -> Problem | None:
    if not response.headers.get("content-type", "").startswith(PROBLEM_MEDIA_TYPE):
        return None
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        return None


def _outcome_of(status: int) -> str:
    return f"{status // 100}xx" if status in range(200, 600) else "error"


def _quoted(value: str) -> str:
    if value in {"", ".", ".."}:
        raise ValueError("a part of a path must not be empty, '.' or '..': it would name another path")
    return quote(value, safe="")
