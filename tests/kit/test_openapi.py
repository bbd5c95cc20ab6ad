"""The example over HTTP, asked whatever its own description allows and forbids."""

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from examples.hello_service.bootstrap import HelloSettings, build
from services.kit.settings import load
from tests.kit.fuzzing import Signing
from tests.kit.running import Home, served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    allow_header_conformance,
    unsupported_method,
]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_example_when_asked_all_sorts_of_things_then_it_only_answers_as_it_describes(home: Home) -> None:
    environ = {name: value for name, value in home.environ.items() if name.startswith("SIGHTLINE_")}
    app = build(load(HelloSettings, environ | {"SIGHTLINE_CONSOLE": "off"}))
    with served(app) as url:
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        seen: dict[str, set[int]] = {}
        operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
        for operation in operations:
            seen[operation.label] = ask_many(operation, GenerationMode.POSITIVE, home)
            if operation.path.startswith("/greetings"):
                seen[operation.label] |= ask_many(operation, GenerationMode.NEGATIVE, home)
    # Or the test would only have shown that strangers are refused.
    assert seen["POST /greetings"] >= {201, 422, 429}
    assert seen["GET /greetings/{name}"] >= {200, 422}
    assert seen["GET /readyz"] == {503}


def ask_many(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, home: Home) -> set[int]:
    statuses = set()

    @settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        if operation.path == "/readyz":
            # 503 is its word for a bus that is away, which it is here.
            response = case.call_and_validate(checks=[check for check in CHECKS if check is not not_a_server_error])
        else:
            response = case.call_and_validate(auth=Signing(home.signed().signer, "hello"), checks=CHECKS)
        statuses.add(response.status_code)

    ask()
    return statuses
