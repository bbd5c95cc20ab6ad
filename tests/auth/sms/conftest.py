"""The SMS side over a database of its own, with a web application around the webhook."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from services.auth.accounts import Account, Accounts, MfaMethod
from services.auth.secret import Secret
from services.auth.sms.correlator import SmsCorrelator
from services.auth.sms.patterns import standard_patterns
from services.auth.sms.receiver import SmsReceiver
from services.auth.sms.signatures import PlainSignatureMaker, SignatureCheck
from services.auth.sms.webhook import PATH, SmsWebhook, sms_router
from services.contracts.auth import AccountId, Broker
from services.contracts.verdict import Environment
from services.kit.database import Database
from services.kit.ids import SystemRandomness
from tests.auth.support import KeptFacts
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry
from tests.kit.conftest import telemetry as telemetry  # noqa: PLC0414 -- a fixture, used by its name
from tests.kit.web import AppClient, Web

TWILIO_ACCOUNT = "AC" + "1" * 32
AUTH_TOKEN = Secret("made-up-auth-token")
PUBLIC_URL = "https://sightline.example:8443/sms/twilio?side=auth"
NUMBER = "+15550100200"
ROBIN = AccountId("robinhood-main")
SCHWAB = AccountId("schwab-main")
FORM = "application/x-www-form-urlencoded"


def message_id(number: int) -> str:
    """An id as Twilio gives them."""
    return f"SM{number:032x}"


def posted(number: int = 1, body: str = "Your Robinhood code is 482913.", **changes: str) -> dict[str, str]:
    """What Twilio posts."""
    return {
        "MessageSid": message_id(number),
        "AccountSid": TWILIO_ACCOUNT,
        "From": "+15550199",
        "To": NUMBER,
        "Body": body,
        "NumMedia": "0",
        **changes,
    }


def signed(fields: Mapping[str, str], *, url: str = PUBLIC_URL, token: Secret = AUTH_TOKEN) -> str:
    """Twilio's signature."""
    return PlainSignatureMaker(token).compute_signature(url, fields)


@dataclass
class SmsHouse:
    """The parts."""

    directory: Path
    database: Database
    telemetry: RecordedTelemetry
    clock: FakeClock
    correlator: SmsCorrelator = field(init=False)

    def __post_init__(self) -> None:
        self.facts = KeptFacts(self.database)
        self.accounts = Accounts()
        self.restart()
        account = Account(
            ROBIN,
            Broker.ROBINHOOD,
            Environment.LIVE,
            MfaMethod.SMS,
            "https://robinhood.example",
            {"sms_number": NUMBER},
        )
        with self.database.transaction() as connection:
            self.accounts.put(connection, account, self.clock.now())

    def restart(self) -> None:
        """Forget what is only in memory."""
        self.correlator = SmsCorrelator(standard_patterns(), self.clock, SystemRandomness())
        self.receiver = SmsReceiver(self.correlator, self.facts, self.accounts, self.clock)
        check = SignatureCheck(PlainSignatureMaker(AUTH_TOKEN), PUBLIC_URL)
        webhook = SmsWebhook(check, TWILIO_ACCOUNT, self.receiver, self.telemetry.metrics, self.clock)
        web = Web(self.directory, self.telemetry, clock=self.clock)
        self.client: AppClient = web.client([sms_router(webhook)], open_paths=frozenset({PATH}), max_body_bytes=100_000)

    def call(
        self,
        fields: Mapping[str, str] | None = None,
        *,
        raw: bytes | None = None,
        signature: str | None = None,
        content_type: str = FORM,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Call the webhook as Twilio does, with whatever a test changes."""
        sent = posted() if fields is None else fields
        content = urlencode(sent).encode() if raw is None else raw
        proof = signed(sent) if signature is None else signature
        all_headers = {"content-type": content_type, "x-twilio-signature": proof, **(headers or {})}
        return self.client.post(PATH, content=content, headers=all_headers)

    def refused(self, reason: str) -> float:
        """How often calls were refused for that."""
        return self.telemetry.value("sightline_auth_sms_refused_total", reason=reason)


@pytest.fixture
def sms(tmp_path: Path, database: Database, telemetry: RecordedTelemetry, clock: FakeClock) -> SmsHouse:
    return SmsHouse(tmp_path, database, telemetry, clock)
