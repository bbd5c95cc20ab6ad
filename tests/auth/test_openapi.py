"""The whole API, asked whatever its own description allows and forbids: it never fails, whoever asks what."""

from pathlib import Path
from typing import Any

import pytest
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

from services.auth.accounts import Account, MfaMethod
from services.auth.opening import open_operations
from services.auth.secret import Secret
from services.contracts.auth import AccountId, Broker, CredentialKind
from services.contracts.verdict import Environment
from tests.auth.service import AuthHome
from tests.kit.running import served

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
# What a sealed vault, a broker or a console that is away are answered with; a fault of the service is a 500.
AWAY = {502, 503, 504}
ACCOUNT = AccountId("alpaca-paper")


class Signing(requests.auth.AuthBase):
    """Signs what requests is about to send."""

    def __init__(self, home: AuthHome) -> None:
        self._signer = home.signed().signer

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        content = body.encode() if isinstance(body, str) else body
        request.headers.update(self._signer.headers(str(request.method), request.path_url, content, audience="auth"))
        return request


def ask_many(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, home: AuthHome) -> set[int]:
    statuses = set()

    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        if mode is GenerationMode.POSITIVE and "account" in (case.path_parameters or {}):
            case.path_parameters["account"] = ACCOUNT
        response = case.call_and_validate(auth=Signing(home), checks=CHECKS)
        statuses.add(response.status_code)

    ask()
    return statuses


@pytest.mark.slow
@pytest.mark.timeout(300)
# The service runs in a thread beside the strategies; its spans and its bus take ids from the same module.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_service_when_asked_all_sorts_of_things_then_it_answers_as_it_describes_and_never_fails(tmp_path: Path) -> None:
    home = AuthHome(tmp_path)
    with open_operations(home.settings(), actor="operator") as operations:
        operations.unlock()
        # Nothing listens there: the flow begins and ends, and no network is needed.
        account = Account(ACCOUNT, Broker.ALPACA, Environment.PAPER, MfaMethod.NONE, "http://127.0.0.1:1")
        operations.register(account)
        operations.store(ACCOUNT, CredentialKind.API_KEY, Secret("made-up:for-this-test"))
    seen: dict[str, set[int]] = {}
    with home.app(after=False) as app, served(app) as url:
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        for operation in [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]:
            if operation.path == "/readyz":
                continue
            seen[operation.label] = ask_many(operation, GenerationMode.POSITIVE, home)
            if operation.body or "{" in operation.path:  # without either nothing can be wrong
                seen[operation.label] |= ask_many(operation, GenerationMode.NEGATIVE, home)
    failed = {label: statuses for label, statuses in seen.items() if {each for each in statuses if each >= 500} - AWAY}
    assert failed == {}
    # Or the test would only have shown that strangers are refused.
    assert seen["GET /accounts"] >= {200}
    assert seen["GET /preflight/{account}"] >= {200, 422}
    assert seen["POST /vault/unseal"] >= {200, 429}
    assert seen["POST /preflight/{account}/revoke"] >= {200, 422}
