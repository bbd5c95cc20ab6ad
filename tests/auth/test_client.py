"""The typed client against the service itself."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from opentelemetry import trace
from pydantic import SecretStr

from services.auth.accounts import Account, MfaMethod
from services.auth.opening import open_operations
from services.auth.secret import Secret
from services.clients.auth import AuthClient
from services.contracts.auth import AccountId, Broker
from services.contracts.verdict import Environment, SettingsDigest
from services.kit.http_client import RemoteError, ServiceClient
from telemetry.emit.metrics import Metrics
from tests.auth.service import AuthHome
from tests.kit.conftest import _TelemetryClock

NAME = AccountId("alpaca-paper")
DIGEST = SettingsDigest("ab" * 32)
Answer = TypeVar("Answer")


@pytest.fixture
def home(tmp_path: Path) -> AuthHome:
    home = AuthHome(tmp_path)
    with open_operations(home.settings(), actor="operator") as operations:
        operations.unlock()
        operations.register(Account(NAME, Broker.ALPACA, Environment.PAPER, MfaMethod.NONE, "http://127.0.0.1:1"))
    return home


def ask(home: AuthHome, question: Callable[[AuthClient], Awaitable[Answer]]) -> Answer:
    """Ask the service in this process, with its lifespan around."""

    async def run() -> Answer:
        with home.app(after=False) as app:
            async with app.router.lifespan_context(app):
                client = ServiceClient(
                    "http://127.0.0.1:8720",
                    "auth",
                    signer=home.signed().signer,
                    metrics=Metrics(_TelemetryClock()),
                    tracer=trace.NoOpTracerProvider().get_tracer("test"),
                    transport=httpx.ASGITransport(app),
                )
                auth = AuthClient(client)
                try:
                    return await question(auth)
                finally:
                    await auth.close()

    return asyncio.run(run())


def test_reading_when_asked_then_accounts_sessions_vault_and_keys_come_as_types(home: AuthHome) -> None:
    async def everything(auth: AuthClient) -> tuple[list[str], list[str], bool, int]:
        accounts = [each.name for each in (await auth.accounts()).accounts]
        sessions = [each.state for each in (await auth.sessions()).sessions]
        return accounts, sessions, (await auth.vault()).sealed, len((await auth.verdict_keys()).keys)

    assert ask(home, everything) == ([NAME], ["signed_out"], False, 1)


def test_preflight_when_the_account_is_not_logged_in_then_there_is_no_verdict(home: AuthHome) -> None:
    found = ask(home, lambda auth: auth.preflight(NAME, Environment.PAPER, DIGEST))
    assert (found.passed, found.verdict, len(found.checks)) == (False, None, 16)


def test_revoke_when_asked_then_its_moment_comes_back(home: AuthHome) -> None:
    assert ask(home, lambda auth: auth.revoke(NAME, "a test")).account == NAME


def test_lease_when_the_account_is_not_logged_in_then_the_problem_says_so(home: AuthHome) -> None:
    with pytest.raises(RemoteError) as refused:
        ask(home, lambda auth: auth.lease(NAME))
    assert refused.value.problem is not None
    assert (refused.value.status, refused.value.problem.code) == (409, "no_session")


def test_login_when_the_credential_is_missing_then_the_problem_is_told(home: AuthHome) -> None:
    with pytest.raises(RemoteError) as refused:
        ask(home, lambda auth: auth.login(NAME))
    assert "sightline auth add" in str(refused.value.problem)


def test_step_up_when_set_then_only_the_right_passphrase_passes(home: AuthHome) -> None:
    right, wrong = SecretStr(secrets.token_urlsafe(16)), SecretStr(secrets.token_urlsafe(16))

    async def refused(auth: AuthClient, given: SecretStr) -> int:
        with pytest.raises(RemoteError) as caught:
            await auth.step_up(given, "approve resume")
        return caught.value.status

    assert ask(home, lambda auth: refused(auth, right)) == 409  # none is set yet
    with open_operations(home.settings(), actor="operator") as operations:
        operations.unlock()
        operations.set_step_up(Secret(right.get_secret_value()), None)
    assert ask(home, lambda auth: refused(auth, wrong)) == 403
    assert ask(home, lambda auth: auth.step_up(right, "approve resume")) is None
