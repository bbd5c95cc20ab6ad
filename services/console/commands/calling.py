"""Calls to services in the operator's name."""

import json
import socket
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import ValidationError

from services.console.commands.context import Operator
from services.console.stack.errors import StackError
from services.console.stack.identities import IDENTITY_DIRECTORY, OPERATOR
from services.console.stack.layout import HOST
from services.kit.callers import IdentityKeyError, read_private_key
from services.kit.errors import Problem
from services.kit.identity import CallerSigner
from services.kit.secret_files import SecretFileError, read_secret

_TIMEOUT_SECONDS = 10.0


def call(  # noqa: PLR0913 -- what makes up a request
    operator: Operator,
    service: str,
    method: str,
    target: str,
    *,
    body: dict[str, Any] | None = None,
    timeout_seconds: float = _TIMEOUT_SECONDS,
    more_headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    """Ask a service of the platform that runs; returns an answer of status 2xx.

    Args:
        operator: Who asks; signs the request.
        service: The service's name.
        method: "GET", "POST", ...
        target: Path and query, every part quoted.
        body: Sent as JSON.
        timeout_seconds: How long the service may take.
        more_headers: Beside those that sign.

    Raises:
        StackError: In words, whatever keeps an answer from coming.
    """
    port = _port(operator, service)
    content = b"" if body is None else json.dumps(body).encode()
    headers = _signer(operator).headers(method, target, content, audience=service)
    headers |= more_headers or {}
    if body is not None:
        headers["content-type"] = "application/json"
    try:
        with httpx.Client(trust_env=False, timeout=timeout_seconds) as client:
            answer = client.request(method, f"http://{HOST}:{port}{target}", headers=headers, content=content)
    except httpx.HTTPError as error:
        raise StackError(
            f"the {service} does not answer on port {port}", remedy="`sightline status` shows what is not well"
        ) from error
    if answer.is_error:
        raise StackError(
            f"the {service} refused: {_detail(answer)}",
            remedy=f"`sightline trace {answer.headers['x-trace-id']}` may tell why"
            if "x-trace-id" in answer.headers
            else f"`sightline logs {service}` may tell why",
        )
    return answer


def is_running(operator: Operator, service: str) -> bool:
    """Whether a service takes connections on this machine."""
    record = operator.record()
    if record is None or record.mode == "docker":
        return record is not None or _own_port(operator, service) is not None
    try:
        with socket.create_connection((HOST, _port(operator, service)), timeout=_TIMEOUT_SECONDS):
            return True
    except OSError:
        return False


def _port(operator: Operator, service: str) -> int:
    record = operator.record()
    if record is None:
        if (own := _own_port(operator, service)) is not None:
            return own
        raise StackError("the platform does not run", remedy="run `sightline up`")
    if record.mode == "docker":
        raise StackError(
            "with Docker the operator's key lies in a volume that only the services see",
            remedy=f"run it inside: `docker compose exec {service} sightline ...`",
        )
    for unit in record.units:
        if unit.name == service:
            return unit.port
    raise StackError(f"there is no service {service} here", remedy="`sightline status` lists what runs")


def _own_port(operator: Operator, service: str) -> int | None:
    """The service's port when this is the service's own environment: its container's, where nothing was recorded."""
    ports = [
        operator.layout.port(port)
        for each in operator.components
        for port in each.ports.values()
        if each.name == service
    ]
    return next((port for port in ports if operator.environ.get("SIGHTLINE_PORT") == str(port)), None)


def _signer(operator: Operator) -> CallerSigner:
    try:
        key = read_private_key(read_secret(operator.layout.secrets_dir / IDENTITY_DIRECTORY / f"{OPERATOR}.pem"))
    except (SecretFileError, IdentityKeyError) as error:
        raise StackError(error.detail) from error
    return CallerSigner(OPERATOR, key, operator.clock)


def _detail(answer: httpx.Response) -> str:
    try:
        return Problem.model_validate_json(answer.content).detail
    except ValidationError:
        return f"HTTP status {answer.status_code}"
