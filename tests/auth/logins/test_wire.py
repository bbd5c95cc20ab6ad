"""What a broker's answer amounts to, whichever broker it is."""

import asyncio
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from services.auth.logins.port import Refused, Unknown
from services.auth.logins.wire import LONGEST_WAIT_SECONDS, Answer, Wire
from services.contracts.auth import LoginFailure
from tests.fakes.clock import FakeClock

CANARY = "canary-secret-99"
Handler = Callable[[httpx.Request], httpx.Response]


def _send(handler: Handler) -> Answer | Refused | Unknown:
    async def send() -> Answer | Refused | Unknown:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
            return await Wire(client, FakeClock()).send("POST", "http://127.0.0.1/x", form={"password": CANARY})

    return asyncio.run(send())


def _answering(status: int, text: str = "", headers: dict[str, str] | None = None) -> Handler:
    return lambda _request: httpx.Response(status, text=text, headers=headers)


def _raising(error: type[Exception]) -> Handler:
    def handle(_request: httpx.Request) -> httpx.Response:
        raise error(CANARY)

    return handle


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_request_when_no_connection_was_made_then_nothing_was_sent(error: type[Exception]) -> None:
    assert _send(_raising(error)) == Refused(LoginFailure.BROKER_UNREACHABLE)


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError]
)
def test_request_when_the_connection_broke_afterwards_then_nobody_knows(error: type[Exception]) -> None:
    assert _send(_raising(error)) == Unknown()


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, "}{"),
        (200, '"a text"'),
        (200, ""),
        (200, "[" * 100_000),
        (200, '{"a": "' + "x" * 300_000 + '"}'),
        (301, '{"a": 1}'),
        (500, '{"a": 1}'),
        (502, "<html>"),
        (503, "<html>"),
    ],
    ids=["garbage", "no-object", "empty", "nested", "huge", "redirect", "error", "gateway", "unavailable"],
)
def test_answer_when_it_says_nothing_that_counts_then_nobody_knows(status: int, text: str) -> None:
    assert _send(_answering(status, text)) == Unknown()


@pytest.mark.parametrize(
    ("headers", "text", "seconds"),
    [
        ({"retry-after": "37"}, "", 37.0),
        ({"retry-after": "Mon, 02 Mar 2026 12:02:00 GMT"}, "", 120.0),
        ({"retry-after": "Mon, 02 Mar 2020 12:02:00 GMT"}, "", 1.0),
        ({"retry-after": "99999999999"}, "", LONGEST_WAIT_SECONDS),
        ({"retry-after": "soon"}, "", 60.0),
        ({"retry-after": "-5"}, "", 60.0),
        ({}, '{"detail": "Request was throttled. Expected available in 42 seconds."}', 42.0),
        ({}, "", 60.0),
    ],
)
def test_answer_when_the_broker_asks_to_wait_then_its_time_counts_within_bounds(
    headers: dict[str, str], text: str, seconds: float
) -> None:
    assert _send(_answering(429, text, headers)) == Refused(LoginFailure.BROKER_ASKED_TO_WAIT, seconds)


def test_answer_when_a_guard_turns_away_without_json_then_it_is_no_word_about_the_account() -> None:
    refused = _send(_answering(403, "<html>Access Denied</html>"))
    assert isinstance(refused, Refused)
    assert refused.reason is LoginFailure.BROKER_ASKED_TO_WAIT


def test_answer_when_the_broker_itself_refuses_then_its_body_can_be_read() -> None:
    answer = _send(_answering(400, '{"detail": {"text": "no", "count": 3, "flag": true}}'))
    assert isinstance(answer, Answer)
    assert (answer.ok, answer.refused) == (False, True)
    assert (answer.text("detail", "text"), answer.text("detail", "count"), answer.text("detail", "flag")) == (
        "no",
        "3",
        "",
    )
    assert (answer.text("detail", "text", "deeper"), answer.at("nothing")) == ("", None)


@pytest.mark.parametrize(("value", "seconds"), [("1800", 1800.0), ("true", None), ("0", None), ("1e12", None)])
def test_seconds_when_they_cannot_be_right_then_they_do_not_count(value: str, seconds: float | None) -> None:
    answer = _send(_answering(200, f'{{"expires_in": {value}}}'))
    assert isinstance(answer, Answer)
    assert answer.seconds("expires_in") == seconds


def test_answer_when_it_never_ends_then_it_is_not_waited_for() -> None:
    async def trickle() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async def send() -> object:
        transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=trickle()))
        async with httpx.AsyncClient(transport=transport) as client:
            return await Wire(client, FakeClock(), total_seconds=0.01).send("GET", "http://127.0.0.1/x")

    assert asyncio.run(send()) == Unknown()
