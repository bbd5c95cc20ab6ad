"""Unique secrets through every flow of the core, the failing ones too; then none in anything that is said or kept."""

import base64
import logging
import re
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text, update

from services.auth.enrolment.enrolling import Enrolling
from services.auth.enrolment.reading import read_bytes
from services.auth.errors import CodeUnavailableError
from services.auth.secret import Secret
from services.auth.sms.correlator import SmsCorrelator, SmsMessage
from services.auth.sms.patterns import BrokerPattern
from services.auth.tables import VAULT_RECORDS
from services.auth.totp.clock_offset import ClockWatch
from services.auth.totp.issuer import CodeIssuer
from services.auth.totp.seeds import TotpSeed
from services.auth.vault.compared import ComparedSecrets
from services.auth.vault.key_file import KeyFileProvider
from services.auth.vault.rotation import WrappingKeyRotation
from services.contracts.auth import Broker, CredentialKind
from services.kit.ids import SystemRandomness
from tests.auth.support import ACCOUNT, CHEAP, OPERATOR, OTHER, House, passphrase
from tests.fakes.clock import FakeClock

SEED = base64.b32encode(b"canary-seed-20-bytes").decode()
PASSWORD = "canary-password-5501"
PASSPHRASE = "canary-passphrase-5502"
STEP_UP = "canary-step-up-5503"
SMS_CODE = "73915564"  # eight digits: six turn up by chance in hexadecimal digests
NUMBER = "+15555550199"
EIGHT_DIGITS = BrokerPattern(Broker.ROBINHOOD, "robinhood", re.compile(r"\b([0-9]{8})\b"))
URI = f"otpauth://totp/Robinhood:canary-name?secret={SEED}&digits=8"


class NoWaiter:
    """Refuses to wait."""

    def wait(self, seconds: float) -> None:
        raise CodeUnavailableError(f"Not in this test, though only {seconds:.0f} s.")


class Sweep:
    """Runs flows and keeps every word that comes out of them."""

    def __init__(self, house: House, clock: FakeClock, home: Path) -> None:
        self.house, self.clock, self.home = house, clock, home
        self.said: list[str] = []
        self.codes: list[str] = []
        self.watch = ClockWatch()
        self.issuer = CodeIssuer(house.vault, house.facts, clock, waiter=NoWaiter(), correction=self.watch)
        self.correlator = SmsCorrelator([EIGHT_DIGITS], clock, SystemRandomness())

    def run(self, flow: Callable[[], object]) -> None:
        """Keep the result's words, or the error's with its whole traceback."""
        try:
            self.said.append(repr(flow()))
        except Exception as error:  # noqa: BLE001 -- every error's words are what is looked at
            self.said += [repr(error), str(error), *traceback.format_exception(error)]

    def code(self) -> str:
        code = TotpSeed.from_text(SEED, digits=8).code(int(self.clock.now().timestamp()) // 30).reveal()
        self.codes.append(code)
        return code

    def everything(self) -> None:
        vault, house = self.house.vault, self.house
        self.run(lambda: vault.put(ACCOUNT, CredentialKind.PASSWORD, Secret(PASSWORD), actor=OPERATOR))
        self.run(lambda: vault.open(ACCOUNT, CredentialKind.PASSWORD, actor=OPERATOR, purpose="login"))
        self.run(lambda: vault.open(OTHER, CredentialKind.PASSWORD, actor=OPERATOR, purpose="login"))
        compared = ComparedSecrets(vault, house.facts, house.database, self.clock, cost=CHEAP)
        self.run(lambda: compared.put("step_up", Secret(STEP_UP), actor=OPERATOR))
        self.run(lambda: compared.matches("step_up", Secret(STEP_UP)))
        self._enrol()
        self._sms()
        rotation = WrappingKeyRotation(vault, house.facts, self.clock)
        self.run(lambda: rotation.rotate(KeyFileProvider(self.home / "vault.key"), actor=OPERATOR))
        self.run(lambda: rotation.rotate(passphrase(Secret(PASSPHRASE)), actor=OPERATOR))
        self.run(lambda: house.another_vault().unseal([passphrase(Secret(PASSPHRASE + "x"))], actor=OPERATOR))
        self._damage()
        vault.seal()
        self.run(lambda: vault.put(ACCOUNT, CredentialKind.PASSWORD, Secret(PASSWORD), actor=OPERATOR))

    def _enrol(self) -> None:
        enrolling = Enrolling(self.house.vault, self.house.facts, self.clock, self.watch)
        for bad in (f"{URI}&secret={SEED}", f"{URI}1", URI.replace("totp", "hotp"), f"{SEED}", f"{URI}&digits=99"):
            self.run(lambda bad=bad: read_bytes(bad.encode()))  # type: ignore[misc] # the loop's present value
        (offer,) = read_bytes(URI.encode())
        self.run(lambda: enrolling.enrol(ACCOUNT, offer, Secret("00000000"), actor=OPERATOR))
        self.run(lambda: enrolling.enrol(ACCOUNT, offer, Secret(self.code()), actor=OPERATOR))
        self.clock.advance(30)
        self.code()
        self.run(lambda: self.issuer.issue(ACCOUNT, actor="flow", purpose="login"))
        self.run(lambda: self.issuer.issue(ACCOUNT, actor="flow", purpose="login"))

    def _sms(self) -> None:
        body = f"Robinhood code {SMS_CODE}"
        for number in range(2):
            message = SmsMessage(f"SM{number}", NUMBER, body, self.clock.now())
            self.run(lambda message=message: (message, self.correlator.offer(message)))  # type: ignore[misc] # as above
            challenge = self.correlator.open(ACCOUNT, NUMBER, Broker.ROBINHOOD)
        self.correlator.offer(SmsMessage("SM9", NUMBER, body, self.clock.now()))
        self.run(lambda: self.correlator.enter(challenge, SMS_CODE))
        self.run(lambda: self.correlator.wait(challenge, 0))
        self.run(lambda: self.correlator.wait(challenge, 0))

    def _damage(self) -> None:
        with self.house.database.transaction() as connection:
            connection.execute(update(VAULT_RECORDS).where(VAULT_RECORDS.c.account == ACCOUNT).values(generation=99))
        for kind in (CredentialKind.PASSWORD, CredentialKind.TOTP_SEED):
            self.run(lambda kind=kind: self.house.vault.open(ACCOUNT, kind, actor=OPERATOR, purpose="login"))  # type: ignore[misc] # as above
        with self.house.database.transaction() as connection:
            connection.execute(text("ALTER TABLE audit RENAME TO gone"))
        self.run(lambda: self.house.vault.put(OTHER, CredentialKind.PASSWORD, Secret(PASSWORD), actor=OPERATOR))
        with self.house.database.transaction() as connection:
            connection.execute(text("ALTER TABLE gone RENAME TO audit"))


def test_secrets_when_every_flow_has_run_then_they_are_in_no_word_and_in_no_file(
    house: House, clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    sweep = Sweep(house, clock, tmp_path)
    sweep.everything()
    house.database.close()
    printed = capfd.readouterr()
    facts = [fact.model_dump_json() for fact in house.facts.facts]
    words = "\n".join([*sweep.said, *facts, caplog.text, printed.out, printed.err])
    kept = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file())
    assert "secret_opened" in kept.decode(errors="ignore")
    assert len(sweep.said) > 40
    secrets = [SEED, SEED.lower(), PASSWORD, PASSPHRASE, STEP_UP, SMS_CODE, "canary-name", "canary-seed", NUMBER]
    assert [secret for secret in [*secrets, *sweep.codes] if secret in words] == []
    assert [secret for secret in [*secrets[:-1], *sweep.codes] if secret.encode() in kept] == []
