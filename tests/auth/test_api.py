"""The API over HTTP: who may ask what, and that nothing secret is ever answered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.auth.accounts import Account, Accounts, MfaMethod
from services.auth.door import VaultDoor
from services.auth.key_sources import KeySources
from services.auth.opening import open_chassis
from services.auth.secret import Secret
from services.auth.vault.vault import Vault
from services.contracts.auth import AccountId, Broker, CredentialKind
from services.contracts.verdict import Environment
from services.kit.app import ServiceApp
from tests.auth.service import AuthHome

PASSPHRASE = "correct horse battery staple"
CANARY = "canary-hunter2-9714"
NAME = AccountId("robinhood-main")


@pytest.fixture
def home(tmp_path: Path) -> AuthHome:
    return AuthHome(tmp_path)


@pytest.fixture
def sealed_app(home: AuthHome) -> Iterator[ServiceApp]:
    with home.app(SIGHTLINE_VAULT_KEY_SOURCE="passphrase") as app:
        yield app


def stock(home: AuthHome) -> None:
    """An account with a secret, put there as the operator's command does."""
    chassis = open_chassis(home.settings())
    vault = Vault(chassis.facts, chassis.database, chassis.clock)
    VaultDoor(vault, KeySources(home.settings()), chassis.database, chassis.telemetry.metrics).look()
    account = Account(NAME, Broker.ROBINHOOD, Environment.LIVE, MfaMethod.TOTP, "https://api.example.com")
    with chassis.facts.transaction() as tx:
        Accounts().put(tx.connection, account, chassis.clock.now())
    vault.put(NAME, CredentialKind.PASSWORD, Secret(CANARY), actor="operator")
    chassis.close()


def test_accounts_when_asked_then_kinds_of_secrets_are_told_and_no_secret(home: AuthHome) -> None:
    stock(home)
    with home.app() as app:
        answer = home.client(app).get("/accounts")
    (account,) = answer.json()["accounts"]
    assert (account["name"], account["broker"], account["stage"]) == (NAME, "robinhood", "sms_only")
    assert [(each["kind"], each["generation"]) for each in account["credentials"]] == [("password", 1)]
    assert CANARY not in answer.text


def test_accounts_when_the_vault_is_sealed_then_they_are_told_all_the_same(home: AuthHome) -> None:
    stock(home)
    (home.secrets_dir / "vault_key").unlink()
    with home.app() as app:
        assert [each["name"] for each in home.client(app).get("/accounts").json()["accounts"]] == [NAME]


@pytest.mark.parametrize(("method", "path"), [("GET", "/accounts"), ("GET", "/vault"), ("POST", "/vault/unseal")])
def test_request_when_the_caller_lacks_the_scope_then_it_is_refused(
    home: AuthHome, sealed_app: ServiceApp, method: str, path: str
) -> None:
    assert home.client(sealed_app, "stranger").request(method, path, json={}).status_code == 403


def test_unseal_when_first_time_and_a_passphrase_is_given_then_the_vault_opens(
    home: AuthHome, sealed_app: ServiceApp
) -> None:
    asked = {"passphrases": [PASSPHRASE], "first_time": True}
    answer = home.client(sealed_app).post("/vault/unseal", json=asked)
    assert (answer.status_code, answer.json()["sealed"]) == (200, False)
    assert PASSPHRASE not in answer.text


def test_unseal_when_the_passphrase_is_wrong_then_it_is_refused_and_stays_sealed(home: AuthHome) -> None:
    source = {"SIGHTLINE_VAULT_KEY_SOURCE": "passphrase"}
    with home.app(**source) as app:
        home.client(app).post("/vault/unseal", json={"passphrases": [PASSPHRASE], "first_time": True})
    with home.app(**source) as app:
        answer = home.client(app).post("/vault/unseal", json={"passphrases": ["another long passphrase"]})
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_key")
        assert home.client(app).get("/vault").json()["sealed"] is True


def test_unseal_when_nothing_was_ever_stored_and_it_is_not_said_to_be_the_first_time_then_it_is_refused(
    home: AuthHome, sealed_app: ServiceApp
) -> None:
    answer = home.client(sealed_app).post("/vault/unseal", json={"passphrases": [PASSPHRASE]})
    assert answer.json()["code"] == "vault_uninitialised"


def test_unseal_when_guessed_again_and_again_then_it_is_limited_over_a_restart_too(home: AuthHome) -> None:
    source = {"SIGHTLINE_VAULT_KEY_SOURCE": "passphrase"}
    guess = {"passphrases": ["a guess of some length"]}
    with home.app(**source) as app:
        statuses = [home.client(app).post("/vault/unseal", json=guess).status_code for _ in range(5)]
    with home.app(**source) as app:
        answer = home.client(app).post("/vault/unseal", json=guess)
    assert 429 not in statuses
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_unseal_when_a_field_is_wrong_then_the_answer_does_not_repeat_it(
    home: AuthHome, sealed_app: ServiceApp
) -> None:
    answer = home.client(sealed_app).post("/vault/unseal", json={"passphrases": [[CANARY]], CANARY: CANARY})
    assert answer.status_code == 422
    assert f"[{CANARY}" not in answer.text
    assert answer.text.count(CANARY) <= 1  # the name of the field that does not exist


def test_metrics_when_read_then_accounts_and_the_seal_are_shown(home: AuthHome) -> None:
    stock(home)
    with home.app() as app:
        page = home.client(app).get("/metrics").text
    assert "sightline_auth_vault_sealed 0.0" in page
    assert f'sightline_auth_attempt_budget_left_attempts{{account="{NAME}"}} 3.0' in page
    assert f'sightline_auth_mfa_stage{{account="{NAME}",stage="sms_only"}} 1.0' in page
