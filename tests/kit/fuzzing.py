"""Asks an API whatever its own description allows and forbids."""

from collections.abc import Callable
from typing import Any, Final

import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.kit.identity import CallerSigner

CHECKS: Final = [status_code_conformance, content_type_conformance, response_schema_conformance]

Case = schemathesis.Case[Any]
Fitting = Callable[[str, Case], None]
"""Makes a case that is meant to be right fit what the description cannot say: the operation's label, the case."""


class Signing(requests.auth.AuthBase):
    """Signs what requests is about to send."""

    def __init__(self, signer: CallerSigner, audience: str) -> None:
        self._signer = signer
        self._audience = audience

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        content = body.encode() if isinstance(body, str) else body
        method, path = str(request.method), request.path_url
        request.headers.update(self._signer.headers(method, path, content, audience=self._audience))
        return request


def ask_everything(
    url: str, signing: Signing, *, fit: Fitting, examples: int, within: str = "/"
) -> dict[str, set[int]]:
    """The statuses that each operation answered with; fails when an answer is not as it is described.

    Each operation whose path begins with `within` is asked so many times what is right, and what is wrong where
    anything can be.
    """
    seen: dict[str, set[int]] = {}
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    for operation in [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]:
        if operation.path == "/readyz" or not operation.path.startswith(within):
            continue
        seen[operation.label] = _ask(operation, GenerationMode.POSITIVE, signing, fit, examples)
        if operation.body or "{" in operation.path:  # without either nothing can be wrong
            seen[operation.label] |= _ask(operation, GenerationMode.NEGATIVE, signing, fit, examples)
    return seen


def _ask(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, signing: Signing, fit: Fitting, examples: int
) -> set[int]:
    statuses = set()

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        if mode is GenerationMode.POSITIVE:
            fit(operation.label, case)
        response = case.call_and_validate(auth=signing, checks=CHECKS)
        statuses.add(response.status_code)

    ask()
    return statuses
