"""Unique secrets through every flow of the running service, the failing ones too, then looked for everywhere.

The service is a process of its own with everything logged, the brokers are simulated over HTTP. Looked at is all that
comes out: standard error, log lines and spans in their store, the metrics page, every response, every file.
"""

import base64
import gzip
import io
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stderr, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from services.auth.accounts import Account, MfaMethod
from services.auth.canaries import Canaries
from services.auth.enrolment.reading import read_bytes
from services.auth.opening import open_operations
from services.auth.operations import Operations
from services.auth.secret import Secret
from services.auth.totp.seeds import TotpSeed
from services.contracts.auth import AccountId, Broker, CredentialKind
from services.contracts.verdict import Environment
from services.kit.clock import SystemClock
from services.kit.errors import SightlineError
from services.kit.ids import SystemRandomness
from services.kit.secret_files import write_new_secret
from services.venue.logins.customers import Customer, Factor
from services.venue.logins.faults import Fault
from services.venue.logins.simulators import LoginSimulators
from services.venue.logins.sms import TwilioSimulator
from tests.auth.service import AuthHome
from tests.kit.running import Running, served, started

STEP_UP = "canary-step-up-passphrase-7741"
PASSPHRASE = "canary-vault-passphrase-7742"
PASSWORD = "canary-password-7743"
WRONG = "canary-wrong-password-7744"
API_SECRET = "canary-alpaca-secret-7745"
APP_SECRET = "canary-schwab-secret-7746"
DISTURBING = "canary-in-a-request-7747"
TYPED_CODE = "canary-typed-code-7748"
TWILIO_TOKEN = "canary-twilio-token-7749"
SEED = base64.b32encode(b"canary-seed-20-byte1").decode()
OTHER_SEED = base64.b32encode(b"canary-seed-20-byte2").decode()
NUMBER, OWN_NUMBER = "+15005550177", "+15005550188"
SIGNED_URL = "https://auth.example.com/sms/twilio"
PLANTED = (
    *(STEP_UP, PASSPHRASE, PASSWORD, WRONG, API_SECRET, APP_SECRET, DISTURBING, TYPED_CODE, TWILIO_TOKEN),
    *(SEED, OTHER_SEED),
    *("canary-seed-20-byte1", "canary-seed-20-byte2"),
)
ALPACA, SCHWAB, IBKR = AccountId("alpaca-1"), AccountId("schwab-1"), AccountId("ibkr-1")
BY_TOTP, BY_SMS, REFUSED = AccountId("robinhood-totp"), AccountId("robinhood-sms"), AccountId("robinhood-refused")
BY_WEBHOOK = AccountId("robinhood-webhook")
ACCOUNTS = (ALPACA, SCHWAB, IBKR, BY_TOTP, BY_SMS, BY_WEBHOOK, REFUSED)
_LONGEST_SECONDS = 60.0
_GZIP = b"\x1f\x8b"


class Rerouted(httpx.AsyncHTTPTransport):
    """Brings what is meant for the webhook's public address to the service, as a proxy in front of it would."""

    def __init__(self, url: str) -> None:
        super().__init__(trust_env=False)
        self._url = httpx.URL(url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host=self._url.host, port=self._url.port)
        return await super().handle_async_request(request)


@dataclass
class Carrier:
    """Keeps text messages and delivers those to one number: forged, genuine, and again when nobody waits any more."""

    sent: list[tuple[str, str]] = field(default_factory=list)
    service: str = ""

    async def send(self, number: str, body: str) -> None:
        self.sent.append((number, body))
        if number == OWN_NUMBER:
            async with httpx.AsyncClient(transport=Rerouted(self.service)) as client:
                await TwilioSimulator(client, SIGNED_URL, WRONG, SystemRandomness()).send(number, body)
                await TwilioSimulator(client, SIGNED_URL, TWILIO_TOKEN, SystemRandomness()).send(number, body)
                await TwilioSimulator(client, SIGNED_URL, TWILIO_TOKEN, SystemRandomness()).send(number, body)


class Sweep:
    """Runs the flows and keeps what was answered."""

    def __init__(self, directory: Path) -> None:
        self.home = AuthHome(directory, {"SIGHTLINE_LOG_LEVEL": "DEBUG"})
        self.home.environ |= {"SIGHTLINE_CONSOLE": "text", "SIGHTLINE_SMS_WEBHOOK_URL": SIGNED_URL}
        write_new_secret(self.home.secrets_dir / "twilio_auth_token", TWILIO_TOKEN)
        self.sms = Carrier()
        self.venue = LoginSimulators(SystemClock(), SystemRandomness(), self.sms)
        self.answers: list[str] = []
        self.refusals: list[str] = []
        self.leased = ""
        self.told = ""
        self.planted: list[str] = []

    @property
    def issued(self) -> list[str]:
        """What the brokers handed out, and the codes that they were sent."""
        customers = [each for broker in Broker for each in self.venue.customers.of(broker)]
        tokens = [token for each in customers for token in (*each.tokens, *each.refresh_tokens, *each.devices)]
        return [token for token in tokens if len(token) > 8]

    @property
    def codes(self) -> list[str]:
        """One-time codes that went to the brokers or came from them."""
        customers = [each for broker in Broker for each in self.venue.customers.of(broker)]
        sent = [code for _, body in self.sms.sent for code in re.findall(r"\d{6}", body)]
        return [*sent, *(code for each in customers for code in each.codes)]

    @contextmanager
    def brokers(self) -> Iterator[str]:
        async def healthy(_request: Request) -> Response:
            return PlainTextResponse("ok")

        async def logs(_request: Request) -> Response:
            return JSONResponse({"lines": [], "truncated": False})

        # The console stands there too, so that a preflight can pass.
        routes = [Route("/healthz", healthy), Route("/api/logs", logs), Mount("", self.venue.app)]
        with served(Starlette(routes=routes)) as url:
            self.home.environ["SIGHTLINE_CONSOLE_URL"] = url
            yield url

    def operate(self, url: str) -> None:
        """What the operator's command does, with what is refused."""
        with open_operations(self.home.settings(SIGHTLINE_LOG_LEVEL="DEBUG"), actor="operator") as hands:
            hands.unlock()
            self._register(hands, url)
            self._refuse(lambda: hands.reveal(BY_TOTP, CredentialKind.PASSWORD, Secret(STEP_UP)))
            hands.set_step_up(Secret(STEP_UP), None)
            self._refuse(lambda: hands.set_step_up(Secret(WRONG), Secret(WRONG)))
            self._refuse(lambda: hands.reveal(BY_TOTP, CredentialKind.PASSWORD, Secret(WRONG)))
            hands.reveal(BY_TOTP, CredentialKind.PASSWORD, Secret(STEP_UP))
            (offer,) = read_bytes(f"otpauth://totp/Robinhood:me?secret={OTHER_SEED}".encode())
            self._refuse(lambda: hands.enrol(REFUSED, offer, Secret(TYPED_CODE)))
            self._refuse(lambda: read_bytes(f"otpauth://hotp/x?secret={SEED}".encode()))
            hands.rotate("key_file", None)

    def _register(self, hands: Operations, url: str) -> None:
        kinds = CredentialKind
        seed = TotpSeed.from_text(SEED).to_vault()
        user = {"username": "me@example.com", "sms_number": NUMBER}
        self._account(
            hands, url, ALPACA, Broker.ALPACA, MfaMethod.NONE, {}, {kinds.API_KEY: Secret(f"KEYID:{API_SECRET}")}
        )
        app = {"app_key": "the-app", "callback_url": "https://127.0.0.1:8182/"}
        self._account(hands, url, SCHWAB, Broker.SCHWAB, MfaMethod.NONE, app, {kinds.API_KEY: Secret(APP_SECRET)})
        self._account(hands, url, IBKR, Broker.IBKR, MfaMethod.APPROVAL, {}, {})
        own = {kinds.PASSWORD: Secret(PASSWORD), kinds.TOTP_SEED: seed}
        self._account(hands, url, BY_TOTP, Broker.ROBINHOOD, MfaMethod.TOTP, {**user, "username": "totp"}, own)
        own = {kinds.PASSWORD: Secret(PASSWORD)}
        self._account(hands, url, BY_SMS, Broker.ROBINHOOD, MfaMethod.SMS, {**user, "username": "sms"}, own)
        delivered = {"username": "webhook", "sms_number": OWN_NUMBER}
        self._account(hands, url, BY_WEBHOOK, Broker.ROBINHOOD, MfaMethod.SMS, delivered, own)
        own = {kinds.PASSWORD: Secret(WRONG)}
        self._account(hands, url, REFUSED, Broker.ROBINHOOD, MfaMethod.TOTP, {**user, "username": "refused"}, own)
        put = self.venue.customers.put
        put(Customer(Broker.ALPACA, "KEYID", API_SECRET))
        put(Customer(Broker.SCHWAB, "the-app", APP_SECRET))
        put(Customer(Broker.IBKR, "KEYID", PASSWORD))
        put(Customer(Broker.ROBINHOOD, "totp", PASSWORD, Factor.TOTP, SEED))
        put(Customer(Broker.ROBINHOOD, "sms", PASSWORD, Factor.SMS, "", NUMBER))
        put(Customer(Broker.ROBINHOOD, "webhook", PASSWORD, Factor.SMS, "", OWN_NUMBER))
        put(Customer(Broker.ROBINHOOD, "refused", PASSWORD, Factor.TOTP, SEED))

    def _account(  # noqa: PLR0913, PLR0917 -- an account and its secrets, line by line above
        self,
        hands: Operations,
        url: str,
        name: AccountId,
        broker: Broker,
        mfa: MfaMethod,
        data: dict[str, str],
        secrets: dict[CredentialKind, Secret],
    ) -> None:
        hands.register(Account(name, broker, Environment.PAPER, mfa, f"{url}/{broker}", data))
        for kind, secret in secrets.items():
            hands.store(name, kind, secret)

    def _refuse(self, act: Callable[[], object]) -> None:
        with pytest.raises(SightlineError) as refused:
            act()
        self.refusals += [repr(refused.value), str(refused.value)]

    def ask(self, client: httpx.Client, method: str, path: str, **options: object) -> httpx.Response:
        answer = client.request(method, path, **options)  # type: ignore[arg-type] # httpx's own
        self.answers.append(f"{answer.status_code} {answer.headers} {answer.text}")
        assert answer.status_code != 500, f"{method} {path}"
        return answer

    def call(self, url: str) -> None:
        """Every route, rightly and wrongly."""
        self.sms.service = url
        signed = self.home.signed()
        with httpx.Client(base_url=url, auth=signed, timeout=_LONGEST_SECONDS, trust_env=False) as client:
            self._log_in(client)
            self._look(client)
            self._disturb(client)
        with httpx.Client(base_url=url, timeout=_LONGEST_SECONDS, trust_env=False) as stranger:
            self.ask(stranger, "GET", f"/accounts?{DISTURBING}", headers={"authorization": f"Bearer {DISTURBING}"})
            for path in ("/metrics", "/healthz", "/readyz", "/openapi.json", f"/{DISTURBING}"):
                self.ask(stranger, "GET", path)

    def _log_in(self, client: httpx.Client) -> None:
        for name in (ALPACA, BY_TOTP, BY_WEBHOOK, REFUSED, REFUSED, AccountId("nobody")):
            self.ask(client, "POST", f"/sessions/{name}/login")
        self.ask(client, "POST", f"/sessions/{REFUSED}/unblock")
        self._log_in_by_code(client, BY_SMS, self._code_by_sms)
        self._log_in_by_code(client, SCHWAB, lambda: f"https://127.0.0.1:8182/?code={TYPED_CODE}&state=x")
        self.venue.faults.plan(Broker.ALPACA, Fault.ERROR, Fault.GARBAGE, Fault.THROTTLED)
        for _ in range(2):
            self.ask(client, "POST", f"/sessions/{ALPACA}/login")
        lease = client.get(f"/leases/{ALPACA}")
        self.leased = lease.text
        self.ask(client, "GET", f"/leases/{REFUSED}")

    def _code_by_sms(self) -> str | None:
        mine = [body for number, body in self.sms.sent if number == NUMBER]
        return re.findall(r"\d{6}", mine[-1])[0] if mine else None

    def _log_in_by_code(self, client: httpx.Client, name: AccountId, code: Callable[[], str | None]) -> None:
        """Log in, and hand in what a person brings once the service asks for it: something wrong first."""
        with httpx.Client(base_url=client.base_url, auth=client.auth, timeout=_LONGEST_SECONDS, trust_env=False) as own:
            # The service answers when the login has ended, however long a person takes: nobody waits for that here.
            login = threading.Thread(target=self._log_in_quietly, args=(own, name), daemon=True)
            login.start()
            deadline = time.monotonic() + _LONGEST_SECONDS
            taken = False
            while not taken and time.monotonic() < deadline:
                brought = code()
                entry = {"code": brought or DISTURBING}
                taken = brought is not None and client.post(f"/accounts/{name}/code", json=entry).status_code == 200
                time.sleep(0.05)
            assert taken, name
            self.ask(client, "POST", f"/accounts/{name}/code", json={"code": TYPED_CODE})
            login.join(_LONGEST_SECONDS)

    def _log_in_quietly(self, client: httpx.Client, name: AccountId) -> None:
        with suppress(httpx.TransportError):
            self.ask(client, "POST", f"/sessions/{name}/login")

    def _look(self, client: httpx.Client) -> None:
        for path in ("/accounts", "/sessions", "/vault"):
            self.ask(client, "GET", path)
        asked = {"environment": "paper", "settings_digest": "ab" * 32}
        for name in (*ACCOUNTS, "nobody"):
            self.ask(client, "GET", f"/preflight/{name}", params=asked)
        self.ask(client, "POST", f"/preflight/{ALPACA}/revoke", json={"reason": "a test"})

    def _disturb(self, client: httpx.Client) -> None:
        self.ask(client, "GET", f"/accounts?password={DISTURBING}")
        self.ask(
            client, "GET", f"/preflight/{ALPACA}", params={"environment": DISTURBING, "settings_digest": DISTURBING}
        )
        self.ask(client, "POST", "/vault/unseal", json={"passphrases": [PASSPHRASE]})
        self.ask(client, "POST", "/vault/unseal", json={"passphrases": [{"no": PASSPHRASE}]})
        self.ask(client, "POST", "/vault/unseal", content=f'{{"passphrases": ["{PASSPHRASE}"')
        self.ask(client, "POST", f"/accounts/{BY_TOTP}/code", json={"code": [TYPED_CODE]})
        self.ask(client, "POST", f"/preflight/{ALPACA}/revoke", json={"reason": f"{DISTURBING}\n"})
        message = {"MessageSid": DISTURBING, "To": NUMBER, "Body": f"your code is {TYPED_CODE}"}
        self.ask(client, "POST", "/sms/twilio", data=message, headers={"x-twilio-signature": DISTURBING})


def _spellings(secret: str) -> list[bytes]:
    raw = secret.encode()
    encoded = base64.b64encode(raw).rstrip(b"=")
    return [
        raw,
        raw.lower(),
        quote(secret).encode(),
        raw.hex().encode(),
        encoded,
        base64.urlsafe_b64encode(raw).rstrip(b"="),
    ]


def _found(secrets: list[str], places: dict[str, bytes]) -> list[str]:
    return [
        f"{secret} in {name}"
        for secret in secrets
        for name, content in places.items()
        if any(spelling in content for spelling in _spellings(secret))
    ]


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if content.startswith(_GZIP) else content


def _files(sweep: Sweep) -> dict[str, bytes]:
    var = sweep.home.directory / "var"
    return {str(path.relative_to(var)): _content(path) for path in sorted(var.rglob("*")) if path.is_file()}


def _words(sweep: Sweep, running: Running) -> dict[str, bytes]:
    """Everything that was said, by where."""
    return {
        "standard error": running.told.encode(),
        "the command's standard error": sweep.told.encode(),
        "telemetry": _telemetry(sweep.home.directory / "var").encode(),
        "responses": "\n".join(sweep.answers).encode(),
        "refusals": "\n".join(sweep.refusals).encode(),
    }


def _telemetry(directory: Path) -> str:
    """Every row of every table of the embedded store."""
    told = []
    for path in directory.rglob("telemetry.db"):
        with closing(sqlite3.connect(path)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                with suppress(sqlite3.OperationalError):  # the index's own tables are no tables for everybody
                    told += [repr(row) for row in connection.execute(f'SELECT * FROM "{table}"')]  # noqa: S608 -- a name of the schema
    return "\n".join(told)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sweep, Running]:
    sweep = Sweep(tmp_path_factory.mktemp("sweep"))
    with sweep.brokers() as url:
        with redirect_stderr(io.StringIO()) as told:
            sweep.operate(url)
        sweep.told = told.getvalue()
        with started("services.auth", sweep.home.process_environ) as running:
            sweep.call(running.url)
            running.stop()
    with open_operations(sweep.home.settings(SIGHTLINE_CONSOLE="off"), actor="operator") as hands:
        hands.unlock()
        own = Canaries(hands._vault, hands._database, SystemRandomness()).read()
    sweep.planted = [canary.use(str) for canary in own]
    return sweep, running


@pytest.mark.slow
def test_secrets_when_the_service_has_run_every_flow_then_they_are_nowhere(swept: tuple[Sweep, Running]) -> None:
    sweep, running = swept
    assert _found([*PLANTED, *sweep.issued], {**_words(sweep, running), **_files(sweep)}) == []
    # A telephone number is registered with its account, in the database; it is nobody's to read elsewhere.
    assert _found([NUMBER, OWN_NUMBER], _words(sweep, running)) == []


@pytest.mark.slow
def test_canaries_when_the_service_has_planted_and_rehearsed_them_then_they_are_nowhere(
    swept: tuple[Sweep, Running],
) -> None:
    sweep, running = swept
    assert len(sweep.planted) == len(ACCOUNTS) - 1  # the gateway's account has no secret
    assert "rehearsal opened the canary of" in running.told
    assert _found(sweep.planted, {**_words(sweep, running), **_files(sweep)}) == []


@pytest.mark.slow
def test_codes_when_the_service_has_run_every_flow_then_they_are_in_no_word(swept: tuple[Sweep, Running]) -> None:
    words = b"\n".join(_words(*swept).values()).decode()
    sweep, _ = swept
    # Not a fraction of a second, and not a part of a longer number.
    assert [code for code in sweep.codes if re.search(rf"(?<![\d.]){code}(?!\d)", words)] == []


@pytest.mark.slow
def test_verdicts_when_the_service_has_handed_them_out_then_they_are_in_no_log_and_no_file(
    swept: tuple[Sweep, Running],
) -> None:
    sweep, running = swept
    verdicts = re.findall(r'"verdict":"(v1\.[^"]+)"', "\n".join(sweep.answers))
    words = {name: content for name, content in _words(sweep, running).items() if name != "responses"}
    assert len(verdicts) >= 2
    assert _found(verdicts, {**words, **_files(sweep)}) == []


@pytest.mark.slow
def test_sweep_when_it_has_run_then_the_flows_went_as_far_as_they_should(swept: tuple[Sweep, Running]) -> None:
    sweep, running = swept
    telemetry = _telemetry(sweep.home.directory / "var")
    words = running.told + telemetry
    for fact in (
        "login_succeeded",
        "login_failed",
        "login_blocked",
        "code_issued",
        "secret_opened",
        "preflight_failed",
    ):
        assert f"auth.{fact}" in words, fact
    assert {len(sweep.codes) >= 2, len(sweep.issued) >= 2, API_SECRET in sweep.leased} == {True}
    assert "POST /sessions/{account}/login" in telemetry
    assert "operator stored the password" in sweep.told
    # Trading's lease carries the session on purpose: the search would find it there.
    assert _found([API_SECRET], {"lease": sweep.leased.encode()}) != []
