"""Planted secrets go the way of real ones: a leak on it is found, ordinary operation trips nothing."""

import asyncio
import logging
from collections.abc import Callable, Mapping

import httpx
import pytest

from services.auth.accounts import Account, Accounts, MfaMethod
from services.auth.canaries import Canaries
from services.auth.logins.alpaca import AlpacaLogin
from services.auth.logins.ibkr import IbkrLogin
from services.auth.logins.port import BrokerLogin
from services.auth.logins.robinhood import RobinhoodLogin
from services.auth.logins.schwab import SchwabLogin
from services.auth.logins.wire import Wire
from services.auth.preflight.adapters import StoredCanaries
from services.auth.preflight.check import Finding, Outcome
from services.auth.preflight.checks.telemetry import SecretExposureCheck
from services.auth.preflight.ports import LoggedLine
from services.auth.preflight.workers import Workers
from services.auth.rehearsal import Rehearsal
from services.auth.secret import Secret
from services.auth.vault import store, vault
from services.auth.vault.rotation import WrappingKeyRotation
from services.contracts.auth import AccountId, Broker, CredentialKind, SecretOpened
from services.contracts.verdict import Environment
from services.kit.ids import SystemRandomness
from tests.auth.preflight.sights import asked
from tests.auth.support import OPERATOR, House, passphrase
from tests.fakes.clock import FakeClock

STORED = {
    Broker.ALPACA: CredentialKind.API_KEY,
    Broker.SCHWAB: CredentialKind.API_KEY,
    Broker.ROBINHOOD: CredentialKind.PASSWORD,
}
NAMES = {broker: AccountId(f"{broker}-1") for broker in Broker}
WITH_SECRETS = sorted(NAMES[broker] for broker in STORED)


class Logs:
    """What was logged since the test began, as the console would tell it."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    async def recent(self) -> list[LoggedLine]:
        return [LoggedLine("auth", record.name, (record.getMessage(),)) for record in self._caplog.records]


class Stage:
    """Accounts at every broker, and the rehearsal of their logins."""

    def __init__(self, house: House, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
        self.house, self.clock = house, clock
        self.canaries = self.canaries_of(house.vault)
        self.logs = Logs(caplog)
        with house.database.transaction() as connection:
            for broker, name in NAMES.items():
                account = Account(name, broker, Environment.PAPER, MfaMethod.NONE, "http://127.0.0.1:1", {})
                Accounts().put(connection, account, clock.now())
        for broker, kind in STORED.items():
            house.vault.put(NAMES[broker], kind, Secret(f"real-secret-of-{broker}"), actor=OPERATOR)

    def canaries_of(self, opened: vault.Vault) -> Canaries:
        return Canaries(opened, self.house.database, SystemRandomness())

    def logins(self, client: httpx.AsyncClient) -> Mapping[Broker, BrokerLogin]:
        wire, randomness = Wire(client, self.clock), SystemRandomness()
        return {
            Broker.ALPACA: AlpacaLogin(wire),
            Broker.SCHWAB: SchwabLogin(wire, self.clock, randomness),
            Broker.IBKR: IbkrLogin(wire, self.clock),
            Broker.ROBINHOOD: RobinhoodLogin(wire, self.clock, randomness),
        }

    def rehearse(self) -> None:
        Rehearsal(self.canaries, self.house.vault, Accounts(), self.house.database, self.logins).look()

    def check(self) -> Finding:
        workers = Workers(2)
        try:
            check = SecretExposureCheck(self.logs, StoredCanaries(self.canaries, workers))
            return asyncio.run(check.look(asked()))
        finally:
            workers.close()

    def values(self, canaries: Canaries | None = None) -> list[str]:
        return [canary.use(str) for canary in (canaries or self.canaries).read()]

    def opened(self) -> list[SecretOpened]:
        return [fact for fact in self.house.facts.of(SecretOpened) if isinstance(fact, SecretOpened)]


@pytest.fixture
def stage(house: House, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> Stage:
    caplog.set_level(logging.DEBUG)
    return Stage(house, clock, caplog)


def test_canaries_when_planted_then_each_account_with_secrets_has_one_of_its_own(stage: Stage) -> None:
    stage.canaries.plant()
    assert stage.canaries.accounts() == WITH_SECRETS
    assert len(set(stage.values())) == len(WITH_SECRETS)


def test_canaries_when_the_service_starts_again_and_the_key_is_rotated_then_they_are_the_same(
    stage: Stage, house: House
) -> None:
    stage.rehearse()
    before = stage.values()
    new_key = Secret("another horse battery staple")
    WrappingKeyRotation(house.vault, house.facts, house.clock).rotate(passphrase(new_key), actor=OPERATOR)
    restarted = house.another_vault()
    restarted.unseal([passphrase(new_key)], actor=OPERATOR)
    again = stage.canaries_of(restarted)
    again.plant()
    assert stage.values(again) == before


def test_canaries_when_credentials_are_listed_then_they_are_not_among_them(stage: Stage, house: House) -> None:
    stage.rehearse()
    assert {info.kind for info in house.vault.credentials()} == set(STORED.values())


def test_rehearsal_when_it_opens_a_canary_then_the_audit_trail_and_the_facts_say_so(stage: Stage, house: House) -> None:
    stage.rehearse()
    assert {(fact.subject, fact.kind, fact.purpose) for fact in stage.opened()} == {
        (name, CredentialKind.CANARY, "rehearsal") for name in WITH_SECRETS
    }
    assert house.vault.verify_audit().whole


def test_rehearsal_when_nothing_lets_secrets_out_then_the_check_passes_again_and_again(stage: Stage) -> None:
    for _ in range(3):
        stage.rehearse()
        finding = stage.check()
        assert finding.outcome is Outcome.PASS, finding
    assert "none of 3 planted ones" in finding.why


def test_rehearsal_when_it_runs_then_nothing_is_sent_and_no_real_secret_is_opened(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []

    async def note(*call: object) -> httpx.Response:
        sent.append(call)
        return httpx.Response(200)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", note)
    stage.rehearse()
    assert sent == []
    assert {fact.kind for fact in stage.opened()} == {CredentialKind.CANARY}


def test_rehearsal_when_the_vault_is_sealed_then_nothing_is_played(stage: Stage, house: House) -> None:
    house.vault.seal()
    stage.rehearse()
    with house.database.reading() as connection:
        assert [record for record in store.every(connection) if record.kind == CredentialKind.CANARY] == []


def _log_what_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    real = vault.unseal

    def unseal(*arguments: object) -> bytes:
        plaintext = real(*arguments)  # type: ignore[arg-type] # as it was called
        logging.getLogger("services.auth.vault").debug("opened %s", plaintext)
        return plaintext

    monkeypatch.setattr(vault, "unseal", unseal)


def _log_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    real = httpx.AsyncClient.send

    async def send(client: httpx.AsyncClient, request: httpx.Request, **options: object) -> httpx.Response:
        logging.getLogger("some.library").info("sending %s %s", request.headers.raw, await request.aread())
        return await real(client, request, **options)  # type: ignore[arg-type] # as it was called

    monkeypatch.setattr(httpx.AsyncClient, "send", send)


def _log_what_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Wire._read

    def read(wire: Wire, status: int, headers: httpx.Headers, content: bytes) -> object:
        logging.getLogger("services.auth.logins").warning("the broker said %s", content)
        return real(wire, status, headers, content)

    monkeypatch.setattr(Wire, "_read", read)


@pytest.mark.parametrize("let_out", [_log_what_is_opened, _log_what_is_sent, _log_what_is_answered])
def test_leak_when_a_line_is_left_in_on_the_way_of_secrets_then_the_check_fails_and_says_what_to_do(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, let_out: Callable[[pytest.MonkeyPatch], None]
) -> None:
    let_out(monkeypatch)
    stage.rehearse()
    monkeypatch.undo()
    finding = stage.check()
    assert finding.outcome is Outcome.FAIL
    assert "a planted canary in a line of auth" in finding.why
    assert SecretExposureCheck.remedy.endswith(".")
    assert not any(value in finding.why for value in stage.values())
