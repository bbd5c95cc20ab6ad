"""Asks a backend over HTTP: bounded in time and size, with errors that say what to do."""

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx

from telemetry.query.errors import BackendAwayError, QueryError, QueryTimeoutError, RefusedQueryError

MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MESSAGE_LETTERS = 500
_NOT_FOUND = 404
_TOO_MANY = 429
_CLIENT_ERRORS = range(400, 500)


class Backend:
    """One backend's HTTP API. Safe for many threads.

    Args:
        name: What it is called in messages ("Loki").
        base_url: For example http://127.0.0.1:3100; a path prefix is kept.
        timeout_seconds: For one question as a whole, whatever number of requests it takes.
    """

    def __init__(self, name: str, base_url: str, *, timeout_seconds: float) -> None:
        self.name = name
        self._base_url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        # No proxies from the environment: the backends stand on this host or are named by the operator.
        self._client = httpx.Client(timeout=timeout_seconds, trust_env=False, follow_redirects=False)

    def deadline(self) -> float:
        """Monotonic time at which a question asked now must be answered."""
        return time.monotonic() + self._timeout_seconds

    def get(
        self, path: str, params: Mapping[str, str], *, deadline: float, headers: Mapping[str, str] | None = None
    ) -> Any:  # noqa: ANN401 -- JSON of a foreign program; the caller picks out what it knows
        """The JSON answer, or None for 404. Raises the errors of `telemetry.query.errors`."""
        try:
            return self._ask(path, params, deadline, headers or {})
        except httpx.TimeoutException as error:
            raise self._late() from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BackendAwayError(
                f"{self.name} at {self._base_url} cannot be reached ({error}): is it running, is the address right?"
            ) from error

    def close(self) -> None:
        """Release connections."""
        self._client.close()

    def _ask(self, path: str, params: Mapping[str, str], deadline: float, headers: Mapping[str, str]) -> Any:  # noqa: ANN401 -- as above
        left = deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        url = f"{self._base_url}{path}"
        with self._client.stream("GET", url, params=params, headers=headers, timeout=left) as response:
            body = self._body(response, deadline)
        if response.status_code == _NOT_FOUND:
            return None
        if not response.is_success:
            raise self._error(response.status_code, body)
        try:
            return json.loads(body)
        except ValueError as error:
            raise self.unexpected(f"no JSON: {_words(body)}") from error

    def _body(self, response: httpx.Response, deadline: float) -> bytes:
        parts = bytearray()
        for part in response.iter_bytes():
            parts += part
            if len(parts) > MAX_ANSWER_BYTES:
                raise RefusedQueryError(
                    f"{self.name} answers with more than {MAX_ANSWER_BYTES // 2**20} MiB: ask for a smaller window"
                )
            if time.monotonic() > deadline:
                raise self._late()
        return bytes(parts)

    def unexpected(self, what: str) -> BackendAwayError:
        """The error for an answer that is not what this backend gives."""
        return BackendAwayError(f"{self._base_url} does not answer like {self.name} ({what}): is the address right?")

    def _late(self) -> QueryTimeoutError:
        return QueryTimeoutError(
            f"{self.name} at {self._base_url} gave no answer within {self._timeout_seconds:g} s: "
            "ask for a smaller window or a more exact filter"
        )

    def _error(self, status: int, body: bytes) -> QueryError:
        words = _words(body)
        if status in _CLIENT_ERRORS and status != _TOO_MANY:
            return RefusedQueryError(f"{self.name} refused the query ({status}): {words}")
        if b"timeout" in body[:_MESSAGE_LETTERS].lower() or b"deadline exceeded" in body[:_MESSAGE_LETTERS].lower():
            return QueryTimeoutError(f"{self.name} gave up ({status}): {words}")
        return BackendAwayError(f"{self.name} cannot answer now ({status}): {words}")


def _words(body: bytes) -> str:
    """The readable part of an error's body: Prometheus and Loki put it under "error" or "message", or send text."""
    text = body[: 4 * _MESSAGE_LETTERS].decode("utf-8", "replace").strip()
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        text = str(answer.get("error") or answer.get("message") or text)
    return text[:_MESSAGE_LETTERS] or "without a word"
