"""The whole API, asked whatever its own description allows and forbids: it never fails."""

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

from services.kit.database import Database
from telemetry.emit.metrics import Metrics
from tests.kit.conftest import RecordedTelemetry, _TelemetryClock
from tests.kit.running import served
from tests.trading.desk.support import VERSIONS, DeskHouse
from tests.trading.front import Front

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]


class Signing(requests.auth.AuthBase):
    """Signs what requests is about to send."""

    def __init__(self, front: Front) -> None:
        self._signed = front.web.signed()

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        body = request.body or b""
        content = body.encode() if isinstance(body, str) else body
        signed = self._signed
        request.headers.update(
            signed.signer.headers(str(request.method), request.path_url, content, audience=signed.audience)
        )
        return request


def ask_many(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, front: Front) -> set[int]:
    statuses = set()

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        if mode is GenerationMode.POSITIVE and operation.label == "POST /orders":
            # The description cannot say which prices go with which type of order: a ticket that fits, of any size.
            drawn = case.body["ticket"]
            case.body["ticket"] = {name: drawn[name] for name in ("symbol", "side", "quantity")}
        response = case.call_and_validate(auth=Signing(front), checks=CHECKS)
        statuses.add(response.status_code)

    ask()
    return statuses


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_trading_when_asked_all_sorts_of_things_then_it_answers_as_it_describes_and_never_fails(
    tmp_path: Path,
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'trading.db'}", service="trading", versions=(VERSIONS,))
    database.migrate()
    front = Front(DeskHouse(database).start(), tmp_path, RecordedTelemetry(Metrics(_TelemetryClock())))
    seen: dict[str, set[int]] = {}
    with served(front.app) as url:
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        for operation in [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]:
            if operation.path == "/readyz":
                continue
            seen[operation.label] = ask_many(operation, GenerationMode.POSITIVE, front)
            if operation.body or "{" in operation.path:  # without either nothing can be wrong
                seen[operation.label] |= ask_many(operation, GenerationMode.NEGATIVE, front)
    database.close()
    assert {label: statuses for label, statuses in seen.items() if max(statuses) >= 500} == {}
    # Or the test would only have shown that strangers are refused.
    assert seen["GET /state"] == {200}
    assert seen["POST /orders"] >= {200, 422}
    assert seen["POST /halt"] >= {200, 422}
