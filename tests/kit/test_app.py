"""The application: every status is a problem detail, health, headers, limits on bodies."""

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends
from starlette.routing import Route

from services.kit.errors import StartError, UnavailableError
from services.kit.guards import UnguardedRouteError, require_bearer
from services.kit.health import BlockingCheck, Check, Readiness, ReadinessReport
from services.kit.identity import CallerVerifier
from tests.kit.conftest import RecordedTelemetry
from tests.kit.web import CANARY, AppClient, Web, chunks, orders_router


@pytest.fixture
def web(tmp_path: Path, telemetry: RecordedTelemetry) -> Web:
    return Web(tmp_path, telemetry)


@pytest.fixture
def client(web: Web) -> AppClient:
    return web.client()


def problem_of(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "code", "trace_id"} <= set(problem)
    assert problem["status"] == response.status_code
    return problem


@pytest.mark.parametrize(
    ("request_line", "status", "code"),
    [
        ("GET /nothing/here", 404, "not_found"),
        ("DELETE /orders/1", 405, "method_not_allowed"),
        ("OPTIONS /orders/1", 405, "method_not_allowed"),
        ("GET /orders/fail/conflict", 409, "conflict"),
        ("GET /orders/not-a-number", 422, "invalid_request"),
        ("GET /orders/fail/crash", 500, "internal_error"),
        ("GET /orders/admin/secrets", 403, "scope_missing"),
    ],
)
def test_request_when_it_cannot_succeed_then_the_answer_is_a_problem_detail(
    web: Web, client: AppClient, request_line: str, status: int, code: str
) -> None:
    response = client.request(*request_line.split(), auth=web.signed())
    assert response.status_code == status
    assert problem_of(response)["code"] == code


def test_request_when_the_method_is_not_served_then_allow_lists_those_that_are(web: Web, client: AppClient) -> None:
    assert client.request("DELETE", "/orders/1", auth=web.signed()).headers["allow"] == "GET"


def test_request_when_a_handler_crashes_then_its_text_is_not_echoed_but_the_trace_is(
    web: Web, client: AppClient
) -> None:
    response = client.get("/orders/fail/crash", auth=web.signed())
    problem = problem_of(response)
    assert CANARY not in response.text
    assert problem["trace_id"] == response.headers["x-trace-id"]
    assert f"sightline trace {problem['trace_id']}" in str(problem["detail"])


def test_request_when_a_handler_crashes_then_it_is_logged_once_with_traceback_inside_the_span(
    web: Web, client: AppClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.get("/orders/fail/crash", auth=web.signed())
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    (span,) = web.telemetry.spans.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["exception.type"] == "RuntimeError"


def test_request_when_a_handler_crashes_then_it_is_counted(web: Web, client: AppClient) -> None:
    client.get("/orders/fail/crash", auth=web.signed())
    assert web.refused("unhandled_error") == 1


def test_request_when_a_handler_crashes_midway_then_the_error_reaches_the_server(web: Web, client: AppClient) -> None:
    with pytest.raises(RuntimeError, match=CANARY):
        client.get("/orders/fail/midway", auth=web.signed())


def test_body_when_fields_do_not_fit_then_each_is_named_and_no_value_is_repeated(web: Web, client: AppClient) -> None:
    body = {"quantity": -4711, "side": CANARY, "unheard_of": CANARY}
    response = client.post("/orders", json=body, auth=web.signed())
    problem = problem_of(response)
    assert [error["location"] for error in problem["errors"]] == [
        "body.quantity",
        "body.side",
        "body.unheard_of",
    ]
    assert "4711" not in response.text
    assert web.refused("invalid_request") == 1


def test_body_when_it_is_not_json_then_the_problem_says_so_without_quoting_it(web: Web, client: AppClient) -> None:
    content = f'{{"quantity": {CANARY}'
    headers = {"content-type": "application/json"}
    response = client.post("/orders", content=content, headers=headers, auth=web.signed())
    assert problem_of(response)["errors"] == [{"location": "body", "message": "This is not valid JSON"}]
    assert CANARY not in response.text


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", None])
def test_body_when_its_media_type_is_not_json_then_the_status_is_415(
    web: Web, client: AppClient, content_type: str | None
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    response = client.post("/orders", content=b'{"quantity": 1}', headers=headers, auth=web.signed())
    assert response.status_code == 415
    assert problem_of(response)["code"] == "unsupported_media_type"


def test_body_when_its_announced_length_is_above_the_limit_then_the_status_is_413(web: Web, client: AppClient) -> None:
    response = client.post("/orders/upload/raw", content=b"x" * 2049, auth=web.signed())
    assert response.status_code == 413
    assert problem_of(response)["code"] == "body_too_large"
    assert web.refused("body_too_large") == 1


def test_body_when_it_comes_in_chunks_above_the_limit_then_the_status_is_413(web: Web, client: AppClient) -> None:
    headers = web.signer().headers("POST", "/orders/upload/raw", b"x" * 3000, audience="example")
    response = client.post("/orders/upload/raw", content=chunks(*[b"x" * 1000] * 3), headers=headers)
    assert response.status_code == 413
    assert problem_of(response)["code"] == "body_too_large"
    assert web.refused("body_too_large") == 1


def test_body_when_an_open_path_is_sent_too_much_then_the_status_is_413(client: AppClient) -> None:
    assert problem_of(client.request("GET", "/healthz", content=b"x" * 3000))["code"] == "body_too_large"


def test_body_when_its_announced_length_has_thousands_of_digits_then_the_status_is_413(client: AppClient) -> None:
    response = client.post("/healthz", content=b"", headers={"content-length": "9" * 5000})
    assert response.status_code == 413


def test_body_when_it_is_exactly_at_the_limit_then_it_is_taken(web: Web, client: AppClient) -> None:
    response = client.post("/orders/upload/raw", content=b"x" * 2048, auth=web.signed())
    assert response.json() == {"bytes": 2048}


def test_body_when_the_caller_was_checked_then_the_handler_still_gets_it(web: Web, client: AppClient) -> None:
    response = client.post("/orders", json={"quantity": 1, "side": "sell"}, auth=web.signed())
    assert (response.status_code, response.json()) == (201, {"by": "tester", "side": "sell"})


@pytest.mark.parametrize("path", ["/orders/1", "/nothing", "/orders/fail/crash"])
def test_response_when_sent_then_it_carries_security_headers_and_the_trace(
    web: Web, client: AppClient, path: str
) -> None:
    headers = client.get(path, auth=web.signed()).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]
    (span,) = web.telemetry.spans.get_finished_spans()
    assert span.context is not None
    assert headers["x-trace-id"] == format(span.context.trace_id, "032x")


def test_head_when_a_path_takes_only_get_then_it_is_refused_as_any_other_method(web: Web, client: AppClient) -> None:
    response = client.request("HEAD", "/orders/1", auth=web.signed())
    assert (response.status_code, response.headers["allow"]) == (405, "GET")


def test_healthz_when_asked_by_anyone_then_the_process_is_alive(client: AppClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}


def test_metrics_when_asked_by_anyone_then_they_are_served(client: AppClient) -> None:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert "sightline_http_requests_in_flight" in response.text


def test_request_when_spent_tokens_cannot_be_remembered_then_nobody_gets_through(web: Web) -> None:
    class AwayTokens:
        def spend(self, token_id: str, expires_at: float) -> bool:
            raise UnavailableError(f"The database is locked; try again, {len(token_id)} {expires_at > 0}.")

    web.verifier = CallerVerifier(web.callers, AwayTokens(), web.clock, audience="example")
    response = web.client().get("/orders/1", auth=web.signed())
    assert (response.status_code, problem_of(response)["code"]) == (503, "unavailable")


def test_docs_pages_when_asked_for_then_there_are_none(web: Web, client: AppClient) -> None:
    assert client.get("/docs", auth=web.signed()).status_code == 404


def test_readyz_when_all_dependencies_answer_then_the_status_is_200(web: Web) -> None:
    async def well() -> None:
        return

    response = web.client(checks={"database": well}).get("/readyz")
    assert response.status_code == 200
    assert response.json()["dependencies"]["database"]["ready"] is True
    assert web.telemetry.value("sightline_dependency_ready", dependency="database") == 1


def test_readyz_when_one_dependency_fails_then_it_is_named_and_the_others_are_ready(web: Web) -> None:
    async def well() -> None:
        return

    async def away() -> None:
        raise UnavailableError("Nobody listens at 127.0.0.1:4222.")

    response = web.client(checks={"database": well, "bus": away}).get("/readyz")
    assert response.status_code == 503
    found = response.json()["dependencies"]
    assert (found["database"]["ready"], found["bus"]["ready"]) == (True, False)
    assert found["bus"]["reason"] == "Nobody listens at 127.0.0.1:4222."
    assert web.telemetry.value("sightline_dependency_ready", dependency="bus") == 0


def test_readyz_when_a_check_fails_with_a_vendors_error_then_only_its_class_is_told(web: Web) -> None:
    async def broken() -> None:
        raise OSError(f"postgres://user:{CANARY}@host")

    response = web.client(checks={"database": broken}).get("/readyz")
    assert response.json()["dependencies"]["database"]["reason"] == "OSError"


def test_readiness_when_checks_hang_then_all_are_given_up_together_after_the_deadline(
    telemetry: RecordedTelemetry,
) -> None:
    hanging = threading.Event()

    async def never() -> None:
        await asyncio.Event().wait()

    async def ask() -> ReadinessReport:
        checks: dict[str, Check] = {"one": never, "two": never, "three": BlockingCheck(lambda: _wait(hanging))}
        try:
            return await Readiness(telemetry.metrics, checks, deadline_seconds=0.05).report()
        finally:
            hanging.set()

    report = asyncio.run(ask())
    assert report.status == "not_ready"
    assert {found.reason for found in report.dependencies.values()} == {"no answer within 0.05 s"}
    assert sum(found.seconds for found in report.dependencies.values()) < 2.0


def test_gauge_when_the_application_runs_then_it_is_set_without_anyone_asking(web: Web) -> None:
    asked = threading.Event()

    async def well() -> None:
        asked.set()

    app = web.app(checks={"database": well})

    async def live() -> None:
        async with app.router.lifespan_context(app):
            await asyncio.to_thread(asked.wait, 5)

    asyncio.run(live())
    assert web.telemetry.value("sightline_dependency_ready", dependency="database") == 1


def test_watching_when_a_dependency_goes_away_then_the_gauge_follows(telemetry: RecordedTelemetry) -> None:
    async def check() -> None:
        rounds.append(1)
        if len(rounds) >= 3:
            seen.set()
            raise UnavailableError("Gone.")

    rounds: list[int] = []
    seen = asyncio.Event()

    async def live() -> None:
        async with Readiness(telemetry.metrics, {"bus": check}).watching(every_seconds=0.001):
            await asyncio.wait_for(seen.wait(), 5)

    asyncio.run(live())
    assert telemetry.value("sightline_dependency_ready", dependency="bus") == 0


def test_blocking_check_when_it_hangs_and_is_asked_again_then_no_second_thread_is_taken() -> None:
    hanging = threading.Event()
    started = []

    def hang() -> None:
        started.append(1)
        _wait(hanging)

    async def ask_twice() -> None:
        check = BlockingCheck(hang)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(check(), 0.02)
        hanging.set()

    asyncio.run(ask_twice())
    assert len(started) == 1


def test_openapi_when_asked_by_anyone_then_every_error_is_described_as_a_problem(client: AppClient) -> None:
    schema = client.get("/openapi.json").json()
    responses = schema["paths"]["/orders"]["post"]["responses"]
    assert {"401", "403", "413", "415", "422", "500"} <= set(responses)
    for status, response in responses.items():
        if status.startswith(("4", "5")):
            assert list(response["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in json.dumps(schema)


def test_openapi_when_a_route_needs_a_scope_then_its_security_is_described(client: AppClient) -> None:
    schema = client.get("/openapi.json").json()
    assert schema["paths"]["/orders"]["post"]["security"] == [{"caller": []}]
    assert "security" not in schema["paths"]["/healthz"]["get"]


def test_create_app_when_a_route_has_no_guard_then_it_is_refused_by_name(web: Web) -> None:
    router = APIRouter(prefix="/inner")
    router.add_api_route("/forgotten", nothing)
    outer = APIRouter(prefix="/outer")
    outer.include_router(router)
    with pytest.raises(UnguardedRouteError, match="/outer/inner/forgotten declares neither"):
        web.app([orders_router(), outer])


def test_create_app_when_the_path_is_declared_open_then_no_guard_is_needed(web: Web) -> None:
    router = APIRouter()
    router.add_api_route("/welcome", lambda: {"hello": "you"})
    client = web.client([router], open_paths=frozenset({"/welcome"}))
    assert client.get("/welcome").json() == {"hello": "you"}


def test_create_app_when_a_router_holds_a_plain_route_then_it_is_refused(web: Web) -> None:
    router = APIRouter()
    router.routes.append(Route("/plain", lambda _request: None))
    with pytest.raises(UnguardedRouteError, match="/plain"):
        web.app([router])


def test_create_app_when_a_fixed_token_is_required_and_not_given_then_it_is_refused(web: Web) -> None:
    with pytest.raises(StartError, match="token webhook, which this service was not given"):
        web.app(fixed_tokens={})


def test_start_when_a_route_was_added_without_a_guard_later_then_the_application_does_not_start(web: Web) -> None:
    client = web.client()
    client.app.add_api_route("/late", nothing)
    with pytest.raises(UnguardedRouteError, match="/late"):
        client.start_and_stop()


def test_create_app_when_a_router_has_the_guard_then_its_routes_need_none(web: Web) -> None:
    router = APIRouter(dependencies=[])
    router.add_api_route("/hook", lambda: {"taken": True}, methods=["POST"])
    outer = APIRouter(prefix="/guarded", dependencies=[Depends(require_bearer("webhook"))])
    outer.include_router(router)
    headers = {"authorization": "Bearer made-up-webhook-token"}
    assert web.client([outer]).post("/guarded/hook", headers=headers).json() == {"taken": True}


def nothing() -> dict[str, str]:
    return {}


def _wait(event: threading.Event) -> None:
    event.wait(10)
