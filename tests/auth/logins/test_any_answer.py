"""Whatever a broker answers, its adapter returns a step; it never raises and never takes nonsense for a session."""

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.auth.accounts import Account, MfaMethod
from services.auth.logins.port import (
    Active,
    LoginStep,
    NeedsApproval,
    NeedsSms,
    NeedsTotp,
    ProbeResult,
    Refused,
    SessionMaterial,
    Unknown,
)
from services.auth.logins.wire import Wire
from services.auth.secret import OneTimeCode, Secret
from services.contracts.auth import AccountId, Broker, CredentialKind
from services.contracts.verdict import Environment
from services.kit.ids import SystemRandomness
from tests.auth.sessions.keeping import logins
from tests.fakes.clock import FakeClock

WORDS = (
    *("access_token", "refresh_token", "expires_in", "error", "detail", "mfa_required", "mfa_type", "phone_number"),
    *("verification_workflow", "id", "type", "status", "context", "type_context", "sheriff_challenge", "result"),
    *("challenge_status", "authenticated", "connected", "fail", "iserver", "authStatus", "clearingStatus"),
    *("securitiesAccount", "isClosingOnlyRestricted", "results", "state", "trading_blocked"),
)
VALUES = ("sms", "prompt", "app", "issued", "validated", "active", "ACTIVE", "O", "workflow_status_approved", "")
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(VALUES)
    | st.text()
)
BODIES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner), max_leaves=12
)
ANSWERS = st.lists(st.tuples(st.sampled_from([200, 200, 200, 301, 400, 401, 403, 404, 429, 500]), BODIES), min_size=1)
SECRETS = {
    CredentialKind.API_KEY: Secret("KEYID:secret"),
    CredentialKind.PASSWORD: Secret("password"),
    CredentialKind.DEVICE_TOKEN: Secret("device"),
}
TOKENS = Secret('{"access_token": "a", "refresh_token": "r"}')
STEPS = (Active, NeedsTotp, NeedsSms, NeedsApproval, Refused, Unknown)


async def _everything(broker: Broker, answers: list[tuple[int, Any]]) -> tuple[list[LoginStep], ProbeResult]:
    turn = iter(answers * 20)

    def handle(_request: httpx.Request) -> httpx.Response:
        status, body = next(turn)
        return httpx.Response(status, json=body)

    clock = FakeClock()
    data = {"username": "me", "app_key": "app"}
    account = Account(AccountId("one"), broker, Environment.PAPER, MfaMethod.TOTP, "http://127.0.0.1:1", data)
    material = SessionMaterial(account, SECRETS[CredentialKind.API_KEY] if broker is Broker.ALPACA else TOKENS)
    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as client:
        login = logins(Wire(client, clock), clock, SystemRandomness())[broker]
        steps = [await login.begin(account, SECRETS), await login.refresh(material, SECRETS)]
        for step in list(steps):
            if isinstance(step, NeedsTotp | NeedsSms | NeedsApproval):
                steps.append(await login.answer(step.pending, OneTimeCode("123456")))
                if isinstance(step, NeedsApproval) and not step.takes_code:
                    steps.append(await login.answer(step.pending, None))
        found = await login.probe(material)
        for step in steps:
            if isinstance(step, Active):
                login.headers(step.material)
    return steps, found


@pytest.mark.parametrize("broker", list(Broker))
@settings(max_examples=150, deadline=None)
@given(answers=ANSWERS)
def test_adapter_when_the_broker_answers_anything_then_it_returns_a_step(
    broker: Broker, answers: list[tuple[int, Any]]
) -> None:
    steps, found = asyncio.run(_everything(broker, answers))
    assert all(isinstance(step, STEPS) for step in steps)
    assert isinstance(found, ProbeResult)
    if all(status != 200 for status, _ in answers):
        began_or_renewed = [step for step in steps if isinstance(step, Active)]
        assert began_or_renewed == [] or broker is Broker.ALPACA  # whose keys need no renewing
        assert found.valid is not True
