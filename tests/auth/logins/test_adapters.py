"""What each adapter makes of answers that its broker gives only now and then."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from services.auth.accounts import Account, MfaMethod
from services.auth.logins.ibkr import week_ends_at
from services.auth.logins.port import (
    Active,
    BrokerLogin,
    LoginStep,
    NeedsApproval,
    NeedsTotp,
    ProbeResult,
    Refused,
    SessionMaterial,
    Unknown,
)
from services.auth.logins.wire import Wire
from services.auth.secret import Secret
from services.contracts.auth import AccountId, Broker, CredentialKind, LoginFailure, LoginMethod
from services.contracts.verdict import Environment
from services.kit.ids import SystemRandomness
from tests.auth.sessions.keeping import logins
from tests.fakes.clock import FakeClock

SECRETS = {
    CredentialKind.API_KEY: Secret("KEYID:secret"),
    CredentialKind.PASSWORD: Secret("password"),
    CredentialKind.DEVICE_TOKEN: Secret("device"),
}
TOKENS = Secret('{"access_token": "a", "refresh_token": "r"}')
Answers = dict[str, tuple[int, Any]]


def _account(broker: Broker, mfa: MfaMethod = MfaMethod.TOTP) -> Account:
    data = {"username": "me", "app_key": "app"}
    return Account(AccountId("one"), broker, Environment.PAPER, mfa, "http://127.0.0.1:1", data)


def _with(broker: Broker, answers: Answers, ask: Callable[[BrokerLogin], Any]) -> Any:  # noqa: ANN401 -- what `ask` gives
    def handle(request: httpx.Request) -> httpx.Response:
        status, body = answers[request.url.path]
        return httpx.Response(status, json=body)

    async def run() -> Any:  # noqa: ANN401 -- the same
        clock = FakeClock()
        async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
            return await ask(logins(Wire(client, clock), clock, SystemRandomness())[broker])

    return asyncio.run(run())


def begin(broker: Broker, answers: Answers) -> LoginStep:
    step: LoginStep = _with(broker, answers, lambda login: login.begin(_account(broker), SECRETS))
    return step


def probe(broker: Broker, answers: Answers) -> ProbeResult:
    secret = SECRETS[CredentialKind.API_KEY] if broker is Broker.ALPACA else TOKENS
    material = SessionMaterial(_account(broker), secret)
    found: ProbeResult = _with(broker, answers, lambda login: login.probe(material))
    return found


@pytest.mark.parametrize(
    ("status", "body", "step"),
    [
        (401, {"message": "request is not authorized"}, Refused(LoginFailure.PASSWORD_REFUSED)),
        (403, {"message": "forbidden."}, Refused(LoginFailure.PASSWORD_REFUSED)),
        (404, {}, Unknown()),
    ],
)
def test_alpaca_when_it_refuses_then_the_reason_is_told(status: int, body: object, step: LoginStep) -> None:
    assert begin(Broker.ALPACA, {"/v2/account": (status, body)}) == step


@pytest.mark.parametrize(
    ("body", "restricted"),
    [
        ({"status": "ACTIVE"}, False),
        ({"status": "ACTIVE", "trading_blocked": True}, True),
        ({"status": "ACTIVE", "account_blocked": True}, True),
        ({"status": "ACCOUNT_CLOSED"}, True),
        ({}, True),
    ],
)
def test_alpaca_when_the_account_is_not_plainly_active_then_it_counts_as_restricted(
    body: object,
    restricted: bool,  # noqa: FBT001 -- a case
) -> None:
    assert probe(Broker.ALPACA, {"/v2/account": (200, body)}).restricted is restricted


@pytest.mark.parametrize(
    ("broker", "path"),
    [
        (Broker.ALPACA, "/v2/account"),
        (Broker.SCHWAB, "/trader/v1/accounts"),
        (Broker.IBKR, "/v1/api/portfolio/accounts"),
        (Broker.ROBINHOOD, "/accounts/"),
    ],
)
@pytest.mark.parametrize(("status", "valid"), [(401, False), (500, None), (404, None), (429, None)])
def test_probe_when_the_broker_does_not_say_yes_then_only_a_401_means_no(
    broker: Broker,
    path: str,
    status: int,
    valid: bool | None,  # noqa: FBT001 -- a case
) -> None:
    found = probe(broker, {path: (status, {})})
    assert found.valid is valid
    assert (found.wait_seconds is not None) is (status == 429)


def test_schwab_when_an_account_may_only_close_positions_then_it_is_restricted() -> None:
    accounts = [{"securitiesAccount": {"isClosingOnlyRestricted": closing}} for closing in (False, True)]
    assert probe(Broker.SCHWAB, {"/trader/v1/accounts": (200, accounts)}).restricted
    assert not probe(Broker.SCHWAB, {"/trader/v1/accounts": (200, accounts[:1])}).restricted
    assert probe(Broker.SCHWAB, {"/trader/v1/accounts": (200, [])}).restricted


def test_schwab_when_the_refresh_token_is_over_then_renewing_is_refused() -> None:
    body = {"error": "unsupported_token_type", "error_description": "refresh_token_authentication_error"}
    material = SessionMaterial(_account(Broker.SCHWAB), TOKENS)
    step = _with(Broker.SCHWAB, {"/v1/oauth/token": (400, body)}, lambda login: login.refresh(material, SECRETS))
    assert step == Refused(LoginFailure.REFRESH_REFUSED)


def test_ibkr_when_nobody_is_logged_in_at_the_gateway_then_a_person_is_asked() -> None:
    step = begin(Broker.IBKR, {"/v1/api/iserver/auth/status": (401, {})})
    assert isinstance(step, NeedsApproval)
    assert "http://127.0.0.1:1" in step.instruction


def test_ibkr_when_the_gateway_brings_the_session_back_by_itself_then_no_person_is_asked() -> None:
    answers = {
        "/v1/api/iserver/auth/status": (200, {"authenticated": False, "connected": True}),
        "/v1/api/iserver/auth/ssodh/init": (200, {"authenticated": True, "connected": True}),
    }
    assert isinstance(begin(Broker.IBKR, answers), Active)


@pytest.mark.parametrize(
    ("status", "body", "step"),
    [
        (400, {"detail": "Unable to log in with provided credentials."}, Refused(LoginFailure.PASSWORD_REFUSED)),
        (401, {"detail": "Unable to log in with provided credentials."}, Refused(LoginFailure.PASSWORD_REFUSED)),
        (403, {"detail": "Your account is restricted."}, Refused(LoginFailure.ACCOUNT_RESTRICTED)),
        (200, {"access_token": "a"}, Unknown()),
        (200, {"access_token": 7, "refresh_token": "r"}, Unknown()),
        (200, {}, Unknown()),
        (418, {}, Unknown()),
    ],
)
def test_robinhood_when_it_gives_no_session_then_the_reason_is_told(status: int, body: object, step: LoginStep) -> None:
    assert begin(Broker.ROBINHOOD, {"/oauth2/token/": (status, body)}) == step


def test_robinhood_when_it_asks_for_the_authenticator_then_a_code_is_needed() -> None:
    body = {"mfa_required": True, "mfa_type": "app"}
    assert isinstance(begin(Broker.ROBINHOOD, {"/oauth2/token/": (200, body)}), NeedsTotp)


@pytest.mark.parametrize("challenge", [{}, {"type": "carrier-pigeon", "id": "1"}, {"type": "sms"}, "sms", None])
def test_robinhood_when_its_verification_is_an_unknown_one_then_it_does_not_go_on(challenge: object) -> None:
    answers: Answers = {
        "/oauth2/token/": (403, {"verification_workflow": {"id": "w"}}),
        "/pathfinder/user_machine/": (200, {"id": "m"}),
        "/pathfinder/inquiries/m/user_view/": (200, {"context": {"sheriff_challenge": challenge}}),
    }
    step = begin(Broker.ROBINHOOD, answers)
    assert step == Unknown()


def test_robinhood_when_an_id_would_lead_elsewhere_then_it_is_not_put_into_an_address() -> None:
    answers: Answers = {
        "/oauth2/token/": (403, {"verification_workflow": {"id": "w"}}),
        "/pathfinder/user_machine/": (200, {"id": "../../oauth2/token/?x="}),
        "/pathfinder/inquiries/unusable/user_view/": (404, {}),
    }
    assert begin(Broker.ROBINHOOD, answers) == Unknown()


@pytest.mark.parametrize(("mfa", "method"), [(MfaMethod.SMS, LoginMethod.SMS), (MfaMethod.NONE, LoginMethod.APPROVAL)])
def test_robinhood_when_the_second_factor_is_known_then_the_method_follows(mfa: MfaMethod, method: LoginMethod) -> None:
    async def plan(login: BrokerLogin) -> LoginMethod:
        return login.plan(_account(Broker.ROBINHOOD, mfa)).method

    assert _with(Broker.ROBINHOOD, {}, plan) is method


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-01-07T12:00", "2026-01-11T06:00"),  # Wednesday, winter
        ("2026-01-11T05:59", "2026-01-11T06:00"),  # a minute before
        ("2026-01-11T06:00", "2026-01-18T06:00"),  # at the end itself
        ("2026-01-11T04:00", "2026-01-11T06:00"),  # Saturday evening in New York, Sunday in UTC
        ("2026-07-08T12:00", "2026-07-12T05:00"),  # summer
        ("2026-03-08T06:30", "2026-03-15T05:00"),  # the night in which clocks go forward
        ("2026-11-01T05:30", "2026-11-08T06:00"),  # the night in which they go back
    ],
)
def test_week_when_it_ends_then_it_is_one_oclock_on_sunday_in_new_york(now: str, end: str) -> None:
    moment, expected = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, end))
    assert week_ends_at(moment) == expected
