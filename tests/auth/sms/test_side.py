"""The SMS side in the service as it is put together."""

from pathlib import Path
from urllib.parse import urlencode

import pytest

from services.auth.accounts import Account, MfaMethod
from services.auth.opening import open_operations
from services.auth.secret import Secret
from services.contracts.auth import AccountId, Broker
from services.contracts.verdict import Environment
from services.kit.secret_files import write_new_secret
from services.kit.settings import SettingsError
from tests.auth.service import AuthHome
from tests.auth.sms.conftest import FORM, posted, signed
from tests.kit.web import AppClient

_TOKEN = "made-up-token-of-the-side"
_URL = "https://sightline.example/sms/twilio"


@pytest.fixture
def home(tmp_path: Path) -> AuthHome:
    return AuthHome(tmp_path)


def _call(client: AppClient, fields: dict[str, str]) -> int:
    proof = signed(fields, url=_URL, token=Secret(_TOKEN))
    headers = {"content-type": FORM, "x-twilio-signature": proof}
    return client.post("/sms/twilio", content=urlencode(fields).encode(), headers=headers).status_code


def test_service_when_there_is_no_token_then_no_message_is_taken(home: AuthHome) -> None:
    with home.app() as app:
        assert _call(AppClient(app), posted()) in {401, 404}


def test_service_when_there_is_a_token_then_twilios_calls_need_no_caller_token(home: AuthHome) -> None:
    write_new_secret(home.secrets_dir / "twilio_auth_token", _TOKEN)
    with home.app(SIGHTLINE_SMS_WEBHOOK_URL=_URL, SIGHTLINE_TWILIO_ACCOUNT_ID=posted()["AccountSid"]) as app:
        client = AppClient(app)
        assert _call(client, posted()) == 204
        assert _call(client, posted()) == 403
        metrics = client.get("/metrics").text
    assert 'sightline_auth_sms_total{outcome="no_challenge"} 1.0' in metrics
    assert 'sightline_auth_sms_refused_total{reason="repeated"} 1.0' in metrics


def test_service_when_polling_is_asked_for_then_it_starts_and_stops_with_it(home: AuthHome) -> None:
    write_new_secret(home.secrets_dir / "twilio_auth_token", _TOKEN)
    with home.app(SIGHTLINE_TWILIO_API_URL="http://127.0.0.1:1") as app:
        assert AppClient(app).get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIGHTLINE_TWILIO_ACCOUNT_ID", "AC12"),
        ("SIGHTLINE_SMS_WEBHOOK_URL", "sightline.example/sms/twilio"),
        ("SIGHTLINE_TWILIO_API_URL", "https://user:password@api.example"),
    ],
)
def test_settings_when_one_has_another_form_then_the_service_does_not_start(
    home: AuthHome, name: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=name):
        home.settings(**{name: value})


def test_stage_when_an_operator_says_it_too_early_then_refused_with_what_comes_first(home: AuthHome) -> None:
    registered = Account(
        AccountId("robin"), Broker.ROBINHOOD, Environment.PAPER, MfaMethod.SMS, "https://api.robinhood.com"
    )
    with home.app() as app:
        with open_operations(home.settings(), actor="test") as operations:
            operations.unlock()
            operations.register(registered)
        answer = home.client(app).post("/accounts/robin/sms-removed")
        unknown = home.client(app).post("/accounts/nobody/sms-removed")
        stranger = home.client(app, "stranger").post("/accounts/robin/sms-removed")
    assert (answer.status_code, answer.json()["code"]) == (409, "mfa_stage_order")
    assert "totp_pending" in answer.json()["detail"]
    assert (unknown.status_code, stranger.status_code) == (404, 403)
