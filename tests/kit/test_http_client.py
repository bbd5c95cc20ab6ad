"""Calls to other services: what is sent, what errors become, what is tried again."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from services.kit.errors import SightlineError
from services.kit.http_client import RemoteError, RemoteUnavailableError, RequestSigner, ServiceClient, Timeouts
from tests.kit.conftest import RecordedTelemetry
from tests.kit.web import AUDIENCE, CANARY, Web

BASE = "http://127.0.0.1:1"


class FakeRandomness:
    """The shortest wait, always."""

    def bits(self, count: int) -> int:
        return count

    def fraction(self) -> float:
        return 0.0

    def token(self) -> str:
        return "fixed"


class FakeService:
    """Answers each request with the next of the answers it was given, and remembers what it was asked."""

    def __init__(self, *answers: httpx.Response | type[httpx.TransportError]) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, httpx.Response):
            return answer
        raise answer(CANARY)


def problem(status: int, code: str) -> httpx.Response:
    body = {"type": "urn:x", "title": "It is so", "status": status, "detail": "Do this.", "code": code, "trace_id": ""}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


def call(  # noqa: PLR0913 -- what a call is made of
    telemetry: RecordedTelemetry,
    transport: httpx.AsyncBaseTransport,
    method: str = "GET",
    template: str = "/things/{id}",
    *,
    signer: RequestSigner | None = None,
    timeouts: Timeouts | None = None,
    **parts: Any,  # noqa: ANN401 -- those of `ServiceClient.request`
) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with ServiceClient(
            BASE,
            AUDIENCE,
            signer=signer,
            metrics=telemetry.metrics,
            tracer=telemetry.tracer("test"),
            timeouts=timeouts,
            randomness=FakeRandomness(),
            transport=transport,
        ) as client:
            return await client.request(method, template, **({"path": {"id": "7"}} | parts))

    return asyncio.run(ask())


def count_of(telemetry: RecordedTelemetry, outcome: str) -> float:
    name = "sightline_http_client_duration_seconds_count"
    return telemetry.value(name, dependency=AUDIENCE, outcome=outcome)


def test_call_when_it_succeeds_then_the_response_comes_back(telemetry: RecordedTelemetry) -> None:
    service = FakeService(httpx.Response(200, json={"a": 1}))
    assert call(telemetry, httpx.MockTransport(service)).json() == {"a": 1}
    assert count_of(telemetry, "2xx") == 1


def test_call_when_made_then_the_span_is_named_by_the_template_and_carries_its_context(
    telemetry: RecordedTelemetry,
) -> None:
    service = FakeService(httpx.Response(200))
    call(telemetry, httpx.MockTransport(service))
    (span,) = telemetry.spans.get_finished_spans()
    assert (span.name, span.kind) == ("GET /things/{id}", SpanKind.CLIENT)
    assert span.context is not None
    assert format(span.context.trace_id, "032x") in service.asked[0].headers["traceparent"]


@pytest.mark.parametrize("value", ["a/b", "ü", "a b", "a?b", "a%2Fb", "a#b", "..%2f"])
def test_path_when_a_value_has_special_characters_then_it_stays_one_part(
    telemetry: RecordedTelemetry, value: str
) -> None:
    service = FakeService(httpx.Response(200))
    call(telemetry, httpx.MockTransport(service), path={"id": value})
    raw = service.asked[0].url.raw_path.decode()
    assert raw.count("/") == 2
    assert httpx.URL(f"http://h{raw}").path.removeprefix("/things/") == value


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_path_when_a_value_would_name_another_path_then_nothing_is_sent(
    telemetry: RecordedTelemetry, value: str
) -> None:
    service = FakeService()
    with pytest.raises(ValueError, match="another path"):
        call(telemetry, httpx.MockTransport(service), path={"id": value})
    assert service.asked == []


def test_call_when_the_service_explains_an_error_then_its_problem_is_at_hand(telemetry: RecordedTelemetry) -> None:
    with pytest.raises(RemoteError) as caught:
        call(telemetry, httpx.MockTransport(FakeService(problem(409, "conflict"))))
    assert caught.value.problem is not None
    assert (caught.value.status, caught.value.problem.code) == (409, "conflict")
    assert caught.value.detail == "example answered 409: It is so. Do this."


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(500, text=CANARY),
        httpx.Response(404, json={"detail": CANARY}),
        httpx.Response(500, text=CANARY, headers={"content-type": "application/problem+json"}),
        httpx.Response(302, headers={"location": f"http://127.0.0.1/{CANARY}"}),
    ],
)
def test_call_when_the_service_answers_otherwise_then_the_status_is_told_and_nothing_of_the_body(
    telemetry: RecordedTelemetry, response: httpx.Response
) -> None:
    with pytest.raises(RemoteError) as caught:
        call(telemetry, httpx.MockTransport(FakeService(response)))
    assert caught.value.problem is None
    assert CANARY not in str(caught.value)


def test_call_when_the_service_is_not_ready_then_it_is_unavailable(telemetry: RecordedTelemetry) -> None:
    with pytest.raises(RemoteUnavailableError, match="cannot serve this now: Do this"):
        call(telemetry, httpx.MockTransport(FakeService(problem(503, "unavailable"))))
    assert count_of(telemetry, "5xx") == 1


def test_get_when_no_connection_can_be_made_then_it_is_tried_twice_more(telemetry: RecordedTelemetry) -> None:
    service = FakeService(httpx.ConnectError, httpx.ConnectError, httpx.Response(200))
    assert call(telemetry, httpx.MockTransport(service)).status_code == 200
    assert (count_of(telemetry, "connect_error"), count_of(telemetry, "2xx")) == (2, 1)


def test_get_when_no_connection_can_ever_be_made_then_the_third_attempt_is_the_last(
    telemetry: RecordedTelemetry,
) -> None:
    service = FakeService(*[httpx.ConnectError] * 9)
    with pytest.raises(RemoteUnavailableError, match="cannot be reached") as caught:
        call(telemetry, httpx.MockTransport(service))
    assert len(service.asked) == 3
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("method", "failure", "outcome"),
    [
        ("POST", httpx.ConnectError, "connect_error"),
        ("DELETE", httpx.ConnectError, "connect_error"),
        ("POST", httpx.ConnectTimeout, "timeout"),
        ("GET", httpx.ReadTimeout, "timeout"),
        ("GET", httpx.RemoteProtocolError, "error"),
        ("GET", httpx.ReadError, "error"),
        ("GET", httpx.PoolTimeout, "timeout"),
    ],
)
def test_call_when_it_may_have_had_an_effect_or_is_no_get_then_it_is_not_tried_again(
    telemetry: RecordedTelemetry, method: str, failure: type[httpx.TransportError], outcome: str
) -> None:
    service = FakeService(failure, httpx.Response(200))
    with pytest.raises(RemoteUnavailableError) as caught:
        call(telemetry, httpx.MockTransport(service), method)
    assert (len(service.asked), caught.value.outcome) == (1, outcome)
    assert count_of(telemetry, outcome) == 1


def test_get_when_the_service_answers_with_an_error_then_it_is_not_tried_again(telemetry: RecordedTelemetry) -> None:
    service = FakeService(problem(503, "unavailable"), httpx.Response(200))
    with pytest.raises(RemoteUnavailableError):
        call(telemetry, httpx.MockTransport(service))
    assert len(service.asked) == 1


def test_call_when_the_whole_takes_too_long_then_it_is_given_up_and_counted(telemetry: RecordedTelemetry) -> None:
    async def never(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    with pytest.raises(RemoteUnavailableError, match=r"within 0\.05 s"):
        call(telemetry, httpx.MockTransport(never), timeouts=Timeouts(total_seconds=0.05))
    assert count_of(telemetry, "timeout") == 1


def test_call_when_it_fails_then_the_span_says_so_without_the_exceptions_text(telemetry: RecordedTelemetry) -> None:
    with pytest.raises(SightlineError):
        call(telemetry, httpx.MockTransport(FakeService(httpx.ReadError)))
    (span,) = telemetry.spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert CANARY not in span.to_json()


def test_call_when_a_retry_is_signed_then_each_attempt_has_its_own_token(
    telemetry: RecordedTelemetry, tmp_path: Path
) -> None:
    web = Web(tmp_path, telemetry)
    service = FakeService(httpx.ConnectError, httpx.Response(200))
    call(telemetry, httpx.MockTransport(service), signer=web.signer())
    tokens = {request.headers["authorization"] for request in service.asked}
    assert len(tokens) == 2


@pytest.mark.parametrize(
    ("method", "template", "parts"),
    [
        ("GET", "/orders/{id}", {"path": {"id": "7"}, "query": {"note": "ü &/?", "b": ""}}),
        ("POST", "/orders", {"path": {}, "body": {"quantity": 1, "side": "buy"}}),
    ],
)
def test_call_when_signed_then_the_other_side_accepts_it(
    telemetry: RecordedTelemetry, tmp_path: Path, method: str, template: str, parts: dict[str, Any]
) -> None:
    web = Web(tmp_path, telemetry)
    transport = httpx.ASGITransport(web.app())
    response = call(telemetry, transport, method, template, signer=web.signer(), **parts)
    assert response.is_success


def test_call_when_it_goes_through_a_service_then_both_sides_are_one_trace(
    telemetry: RecordedTelemetry, tmp_path: Path
) -> None:
    web = Web(tmp_path, telemetry)
    call(telemetry, httpx.ASGITransport(web.app()), template="/orders/{id}", signer=web.signer())
    server, client = telemetry.spans.get_finished_spans()
    assert server.parent is not None
    assert client.context is not None
    assert (server.parent.span_id, server.kind) == (client.context.span_id, SpanKind.SERVER)


def test_call_when_the_other_side_refuses_the_caller_then_the_reason_is_at_hand(
    telemetry: RecordedTelemetry, tmp_path: Path
) -> None:
    web = Web(tmp_path, telemetry)
    with pytest.raises(RemoteError) as caught:
        call(telemetry, httpx.ASGITransport(web.app()), template="/orders/{id}")
    assert caught.value.problem is not None
    assert caught.value.problem.code == "token_missing"


def test_environment_when_it_names_a_proxy_then_calls_do_not_go_there(
    telemetry: RecordedTelemetry, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")

    async def mounts() -> int:
        client = ServiceClient(BASE, AUDIENCE, signer=None, metrics=telemetry.metrics, tracer=telemetry.tracer("test"))
        async with client:
            return len(client._client._mounts)

    assert asyncio.run(mounts()) == 0
