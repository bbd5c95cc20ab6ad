"""The simulated brokers keep to their own rules, as the adapters' tests take for granted."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from services.contracts.auth import Broker
from services.kit.ids import SystemRandomness
from services.venue.logins.customers import Customer, Decision, Factor
from services.venue.logins.faults import Fault
from services.venue.logins.simulators import LoginSimulators
from services.venue.logins.sms import NoSms, TwilioSimulator, signature
from services.venue.logins.totp import totp_code
from tests.fakes.clock import FakeClock

SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
PASSWORD = "made-up"
TOKEN_URL = "/robinhood/oauth2/token/"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def venue(clock: FakeClock) -> LoginSimulators:
    return LoginSimulators(clock, SystemRandomness(), NoSms())


def ask(venue: LoginSimulators, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 -- httpx's own
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(venue.app), base_url="http://127.0.0.1") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def _robinhood(venue: LoginSimulators, **more: Any) -> Customer:  # noqa: ANN401 -- fields of a customer
    return venue.customers.put(Customer(Broker.ROBINHOOD, "me", PASSWORD, **more))


def _password(venue: LoginSimulators, **more: str) -> httpx.Response:
    form = {"grant_type": "password", "username": "me", "password": PASSWORD, "device_token": "d", **more}
    return ask(venue, "POST", TOKEN_URL, data=form)


def test_code_when_computed_then_it_is_the_one_of_rfc_6238() -> None:
    seed = base64.b32encode(b"12345678901234567890").decode()
    assert totp_code(seed, datetime.fromtimestamp(59, UTC)) == "287082"
    assert totp_code(seed, datetime.fromtimestamp(1111111109, UTC)) == "081804"


def test_robinhood_when_a_code_comes_a_second_time_then_it_is_refused(venue: LoginSimulators, clock: FakeClock) -> None:
    _robinhood(venue, factor=Factor.TOTP, totp_seed=SEED)
    assert _password(venue).json() == {"mfa_required": True, "mfa_type": "app"}
    code = totp_code(SEED, clock.now())
    assert _password(venue, mfa_code=code).status_code == 200
    assert _password(venue, mfa_code=code).status_code == 400


def test_robinhood_when_a_refresh_token_was_used_then_it_is_spent(venue: LoginSimulators) -> None:
    _robinhood(venue)
    form = {"grant_type": "refresh_token", "refresh_token": _password(venue).json()["refresh_token"]}
    assert ask(venue, "POST", TOKEN_URL, data=form).status_code == 200
    assert ask(venue, "POST", TOKEN_URL, data=form).status_code == 401


def test_robinhood_when_a_session_is_a_day_old_then_it_is_over(venue: LoginSimulators, clock: FakeClock) -> None:
    _robinhood(venue)
    headers = {"authorization": f"Bearer {_password(venue).json()['access_token']}"}
    assert ask(venue, "GET", "/robinhood/accounts/", headers=headers).status_code == 200
    clock.advance(86_400)
    assert ask(venue, "GET", "/robinhood/accounts/", headers=headers).status_code == 401


def test_robinhood_when_the_device_is_not_approved_then_the_workflow_stays_open(venue: LoginSimulators) -> None:
    customer = _robinhood(venue, factor=Factor.PROMPT)
    workflow = _password(venue).json()["verification_workflow"]["id"]
    view = f"/robinhood/pathfinder/inquiries/{workflow}/user_view/"
    assert ask(venue, "POST", view, json={}).json()["type_context"]["result"] != "workflow_status_approved"
    customer.decision = Decision.APPROVED
    status = ask(venue, "GET", f"/robinhood/push/{workflow}/get_prompts_status/").json()
    assert status == {"challenge_status": "validated"}
    assert ask(venue, "POST", view, json={}).json()["type_context"]["result"] == "workflow_status_approved"
    assert _password(venue).status_code == 200


@pytest.mark.parametrize(("seconds", "status"), [(29, 200), (30, 400)])
def test_schwab_when_the_code_is_half_a_minute_old_then_it_is_refused(
    venue: LoginSimulators, clock: FakeClock, seconds: int, status: int
) -> None:
    venue.customers.put(Customer(Broker.SCHWAB, "app", PASSWORD, decision=Decision.APPROVED))
    query = {"client_id": "app", "redirect_uri": "https://127.0.0.1/", "state": "s"}
    address = httpx.URL(ask(venue, "GET", "/schwab/v1/oauth/authorize", params=query).headers["location"])
    assert address.params["state"] == "s"
    clock.advance(seconds)
    form = {"grant_type": "authorization_code", "code": address.params["code"]}
    answers = [ask(venue, "POST", "/schwab/v1/oauth/token", data=form, auth=("app", PASSWORD)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [status, 400]


def test_schwab_when_it_renews_then_the_seven_days_stay_the_same(venue: LoginSimulators, clock: FakeClock) -> None:
    customer = venue.customers.put(Customer(Broker.SCHWAB, "app", PASSWORD))
    customer.refresh_tokens["r"] = clock.now()
    form = {"grant_type": "refresh_token", "refresh_token": "r"}
    assert ask(venue, "POST", "/schwab/v1/oauth/token", data=form, auth=("app", PASSWORD)).status_code == 400
    assert ask(venue, "POST", "/schwab/v1/oauth/token", data=form, auth=("app", "wrong")).status_code == 401


def test_ibkr_when_it_hears_nothing_for_five_minutes_then_the_session_is_dropped(
    venue: LoginSimulators, clock: FakeClock
) -> None:
    customer = venue.customers.put(Customer(Broker.IBKR, "me", ""))
    assert ask(venue, "POST", "/ibkr/v1/api/tickle").status_code == 401
    customer.decision = Decision.APPROVED
    for _ in range(3):
        assert ask(venue, "POST", "/ibkr/v1/api/tickle").json()["iserver"]["authStatus"]["authenticated"] is True
        clock.advance(299)
    clock.advance(1)
    assert ask(venue, "GET", "/ibkr/v1/api/portfolio/accounts").status_code == 401


@pytest.mark.parametrize("secret", ["wrong", ""])
def test_alpaca_when_the_secret_is_wrong_then_it_is_forbidden(venue: LoginSimulators, secret: str) -> None:
    venue.customers.put(Customer(Broker.ALPACA, "KEYID", PASSWORD))
    headers = {"apca-api-key-id": "KEYID", "apca-api-secret-key": secret}
    assert ask(venue, "GET", "/alpaca/v2/account", headers=headers).status_code == 403
    assert ask(venue, "GET", "/alpaca/v2/account").status_code == 401


def test_faults_when_planned_then_each_is_used_once_in_order(venue: LoginSimulators) -> None:
    plan = {"broker": "alpaca", "faults": ["error", "pass", "throttled"]}
    assert ask(venue, "POST", "/local/faults", json=plan).status_code == 204
    statuses = [ask(venue, "GET", "/alpaca/v2/account").status_code for _ in range(4)]
    assert statuses == [500, 401, 429, 401]
    assert {fault.value for fault in Fault} >= {"garbage", "turned_away", "unavailable"}


def test_message_when_the_carrier_is_slow_then_it_comes_that_much_later_and_the_broker_answers_as_ever(
    clock: FakeClock,
) -> None:
    came: list[float] = []

    class Carrier:
        async def send(self, number: str, body: str) -> None:  # noqa: ARG002 -- the port's
            came.append(time.monotonic())

    venue = LoginSimulators(clock, SystemRandomness(), Carrier())
    _robinhood(venue, factor=Factor.SMS, phone="+15005550001")
    assert ask(venue, "PUT", "/local/sms", json={"delay_seconds": 0.3}).status_code == 204
    asked = time.monotonic()
    assert _password(venue).json()["mfa_required"] is True
    assert ask(venue, "PUT", "/local/sms", json={"delay_seconds": 0}).status_code == 204
    at_once = time.monotonic()
    _password(venue)
    assert came[0] - asked >= 0.3
    assert came[1] - at_once < 0.3


@pytest.mark.parametrize("seconds", [-1, 601, "soon"])
def test_message_when_the_delay_makes_no_sense_then_it_is_refused(venue: LoginSimulators, seconds: object) -> None:
    assert ask(venue, "PUT", "/local/sms", json={"delay_seconds": seconds}).status_code == 422


def test_control_when_an_account_is_opened_then_logins_at_it_are_counted_and_no_secret_is_told(
    venue: LoginSimulators,
) -> None:
    new = {"broker": "robinhood", "name": "me", "secret": PASSWORD, "factor": "none"}
    assert ask(venue, "PUT", "/local/customers", json=new).status_code == 204
    assert _password(venue).status_code == 200
    told = ask(venue, "GET", "/local/logins")
    assert told.json()["customers"] == [{"broker": "robinhood", "name": "me", "submissions": 1, "codes": 0}]
    assert PASSWORD not in told.text


@pytest.mark.parametrize("body", ["{", "{}", '{"broker": "alpaca", "name": "a", "secret": ["canary-5"]}'])
def test_control_when_the_body_does_not_fit_then_the_fields_are_named_and_no_value(
    venue: LoginSimulators, body: str
) -> None:
    answer = ask(venue, "PUT", "/local/customers", content=body)
    assert answer.status_code == 422
    assert "canary" not in answer.text


def test_decision_when_there_is_no_such_customer_then_it_is_told(venue: LoginSimulators) -> None:
    decision = {"broker": "ibkr", "name": "me", "decision": "approved"}
    assert ask(venue, "PUT", "/local/decisions", json=decision).status_code == 404


def test_message_when_delivered_then_its_signature_is_twilios() -> None:
    seen: list[httpx.Request] = []
    url = "http://127.0.0.1:8720/sms/twilio"

    async def send(handler: Callable[[httpx.Request], httpx.Response]) -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:
            await TwilioSimulator(client, url, "the-token", SystemRandomness()).send("+15005550100", "123456 is it")

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    asyncio.run(send(take))
    fields = dict(httpx.QueryParams(seen[0].content.decode()))
    signed = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    expected = base64.b64encode(hmac.new(b"the-token", signed.encode(), hashlib.sha1).digest()).decode()
    assert seen[0].headers["x-twilio-signature"] == expected == signature("the-token", url, fields)
    assert (fields["To"], fields["Body"], len(fields["MessageSid"])) == ("+15005550100", "123456 is it", 34)


@pytest.mark.parametrize("answer", [500, None])
def test_message_when_the_webhook_is_away_then_the_broker_does_not_notice(
    answer: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        if answer is None:
            raise httpx.ConnectError("away", request=request)
        return httpx.Response(answer)

    async def send() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
            await TwilioSimulator(client, "http://127.0.0.1:1/x", "t", SystemRandomness()).send("+1", "123456")

    asyncio.run(send())
    assert "text message" in caplog.text or "webhook" in caplog.text
    assert "123456" not in caplog.text
