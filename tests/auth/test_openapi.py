"""The whole API, asked whatever its own description allows and forbids: it never fails, whoever asks what."""

from pathlib import Path

import pytest

from services.auth.accounts import Account, MfaMethod
from services.auth.opening import open_operations
from services.auth.secret import Secret
from services.contracts.auth import AccountId, Broker, CredentialKind
from services.contracts.verdict import Environment
from tests.auth.service import AuthHome
from tests.kit.fuzzing import Case, Signing, ask_everything
from tests.kit.running import served

# What a sealed vault, a broker or a console that is away are answered with; a fault of the service is a 500.
AWAY = {502, 503, 504}
ACCOUNT = AccountId("alpaca-paper")


def of_the_account(_label: str, case: Case) -> None:
    if "account" in (case.path_parameters or {}):
        case.path_parameters["account"] = ACCOUNT


@pytest.mark.slow
@pytest.mark.timeout(300)
# The service runs in a thread beside the strategies; its spans and its bus take ids from the same module.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
def test_service_when_asked_all_sorts_of_things_then_it_answers_as_it_describes_and_never_fails(tmp_path: Path) -> None:
    home = AuthHome(tmp_path)
    with open_operations(home.settings(), actor="operator") as operations:
        operations.unlock()
        # Nothing listens there: the flow begins and ends, and no network is needed.
        account = Account(ACCOUNT, Broker.ALPACA, Environment.PAPER, MfaMethod.NONE, "http://127.0.0.1:1")
        operations.register(account)
        operations.store(ACCOUNT, CredentialKind.API_KEY, Secret("made-up:for-this-test"))
    with home.app(after=False) as app, served(app) as url:
        signing = Signing(home.signed().signer, "auth")
        seen = ask_everything(url, signing, fit=of_the_account, examples=15)
    failed = {label: statuses for label, statuses in seen.items() if {each for each in statuses if each >= 500} - AWAY}
    assert failed == {}
    # Or the test would only have shown that strangers are refused.
    assert seen["GET /accounts"] >= {200}
    assert seen["GET /preflight/{account}"] >= {200, 422}
    assert seen["POST /vault/unseal"] >= {200, 429}
    assert seen["POST /preflight/{account}/revoke"] >= {200, 422}
