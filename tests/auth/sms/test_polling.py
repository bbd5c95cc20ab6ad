"""Polling brings the same messages to the same logins, each once, and only while somebody waits."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from services.auth.sms.polling import SmsPolling, SmsPollingError, TwilioMessages
from services.contracts.auth import Broker, SmsReceived, SmsUnmatched, UnmatchedSms
from tests.auth.sms.conftest import AUTH_TOKEN, NUMBER, ROBIN, TWILIO_ACCOUNT, SmsHouse, message_id


class Carrier:
    """Twilio's list of messages."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.requests: list[httpx.Request] = []
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(200, json={"messages": self.messages})

    def add(self, number: int, at: datetime, body: str = "Your Robinhood code is 482913.", **changes: str) -> None:
        listed = {
            "sid": message_id(number),
            "to": NUMBER,
            "body": body,
            "direction": "inbound",
            "date_created": format_datetime(at),
        }
        self.messages.insert(0, listed | changes)  # Twilio lists the newest first

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer()


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


@pytest.fixture
def polling(sms: SmsHouse, carrier: Carrier) -> Iterator[SmsPolling]:
    messages = TwilioMessages(
        "https://twilio.example",
        TWILIO_ACCOUNT,
        AUTH_TOKEN,
        metrics=sms.telemetry.metrics,
        transport=httpx.MockTransport(carrier.handle),
    )
    yield SmsPolling(messages, sms.correlator, sms.receiver, sms.clock)
    messages.close()


def test_look_when_no_login_waits_then_twilio_is_not_asked(polling: SmsPolling, carrier: Carrier) -> None:
    polling.look()
    assert carrier.requests == []


def test_look_when_the_code_has_come_then_the_login_gets_it(
    polling: SmsPolling, carrier: Carrier, sms: SmsHouse
) -> None:
    challenge = sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    sms.clock.advance(6)
    carrier.add(1, sms.clock.now())
    polling.look()
    assert sms.correlator.wait(challenge, 0).reveal() == "482913"
    assert sms.facts.facts == [SmsReceived(subject=ROBIN, broker=Broker.ROBINHOOD, waited_seconds=6)]


def test_look_when_it_asks_then_the_token_is_in_no_address(
    polling: SmsPolling, carrier: Carrier, sms: SmsHouse
) -> None:
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    polling.look()
    (request,) = carrier.requests
    assert request.url.path == f"/2010-04-01/Accounts/{TWILIO_ACCOUNT}/Messages.json"
    assert dict(request.url.params) == {"PageSize": "50", "DateSent>": "2026-03-02"}
    assert AUTH_TOKEN.use(lambda token: token not in str(request.url))
    assert request.headers["authorization"].startswith("Basic ")


def test_look_when_the_message_is_listed_again_then_it_is_not_taken_again(
    polling: SmsPolling, carrier: Carrier, sms: SmsHouse
) -> None:
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    carrier.add(1, sms.clock.now(), "hello")
    polling.look()
    polling.look()
    assert sms.facts.facts == [SmsUnmatched(subject="number-of-robinhood-main", reason=UnmatchedSms.NO_CODE)]


def test_look_when_the_webhook_had_the_message_then_polling_keeps_silent(
    polling: SmsPolling, carrier: Carrier, sms: SmsHouse
) -> None:
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    sms.call()
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    carrier.add(1, sms.clock.now())
    polling.look()
    assert len(sms.facts.facts) == 1
    assert len(sms.correlator.pending()) == 1


def test_call_when_polling_had_the_message_then_twilio_is_not_told_off(
    polling: SmsPolling, carrier: Carrier, sms: SmsHouse
) -> None:
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    carrier.add(1, sms.clock.now())
    polling.look()
    assert sms.call().status_code == 204
    assert sms.facts.of(SmsUnmatched) == [
        SmsUnmatched(subject="number-of-robinhood-main", reason=UnmatchedSms.DUPLICATE)
    ]


def test_look_when_the_message_is_older_than_any_login_then_it_is_not_even_counted(
    polling: SmsPolling, carrier: Carrier, sms: SmsHouse
) -> None:
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    carrier.add(1, sms.clock.now() - timedelta(minutes=6))
    polling.look()
    assert sms.facts.facts == []


def test_look_when_the_message_came_before_the_login_then_the_login_does_not_get_it(
    polling: SmsPolling, carrier: Carrier, sms: SmsHouse
) -> None:
    carrier.add(1, sms.clock.now() - timedelta(seconds=2))
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    polling.look()
    assert len(sms.correlator.pending()) == 1


def test_look_when_twilio_lists_what_we_sent_then_it_is_left_out(
    polling: SmsPolling, carrier: Carrier, sms: SmsHouse
) -> None:
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    carrier.add(1, sms.clock.now(), direction="outbound-api")
    polling.look()
    assert len(sms.correlator.pending()) == 1


def _raising(error: Exception) -> Callable[[], httpx.Response]:
    def answer() -> httpx.Response:
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda: httpx.Response(401, json={"message": "no"}), ("answered 401", "4xx")),
        (lambda: httpx.Response(503), ("answered 503", "5xx")),
        (lambda: httpx.Response(302, headers={"location": "https://elsewhere.example"}), ("answered 302", "3xx")),
        (lambda: httpx.Response(200, text="<html>"), ("not the list", "2xx")),
        (lambda: httpx.Response(200, json={"messages": [{"sid": "x"}]}), ("not the list", "2xx")),
        (_raising(httpx.ReadTimeout("late")), ("in time", "timeout")),
        (_raising(httpx.ConnectError("refused")), ("cannot be reached", "connect_error")),
        (_raising(httpx.RemoteProtocolError("half")), ("broke the connection", "error")),
    ],
)
def test_look_when_twilio_fails_then_the_error_says_how_and_is_measured(
    polling: SmsPolling,
    carrier: Carrier,
    sms: SmsHouse,
    answer: Callable[[], httpx.Response],
    told: tuple[str, str],
) -> None:
    words, outcome = told
    carrier.answer = answer
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    with pytest.raises(SmsPollingError, match=words) as raised:
        polling.look()
    assert raised.value.__cause__ is None
    count = sms.telemetry.value("sightline_http_client_duration_seconds_count", dependency="twilio", outcome=outcome)
    assert count == 1


@pytest.mark.parametrize("date", [None, 5, "", "yesterday", "Mon, 99 Mar 2026 12:00:00 +0000"])
def test_look_when_a_date_cannot_be_read_then_refused_without_the_message(
    polling: SmsPolling, carrier: Carrier, sms: SmsHouse, date: object
) -> None:
    sms.correlator.open(ROBIN, NUMBER, Broker.ROBINHOOD)
    carrier.add(1, sms.clock.now())
    listed: Mapping[str, object] = carrier.messages[0] | {"date_created": date}
    carrier.answer = lambda: httpx.Response(200, content=json.dumps({"messages": [listed]}).encode())
    with pytest.raises(SmsPollingError) as raised:
        polling.look()
    assert "482913" not in str(raised.value)
