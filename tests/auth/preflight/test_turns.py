"""Signing and revoking take turns, on SQLite and on Postgres: no verdict slips past a revocation."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from services.auth.preflight.runner import Preflight
from services.auth.verdicts import SignedVerdict, VerdictSigner
from services.contracts.auth import AccountId
from services.contracts.verdict import Environment, SettingsDigest, VerdictRevokedError
from services.kit.clock import SystemClock
from services.kit.database import Database
from tests.auth.preflight.sights import ACCOUNT
from tests.auth.preflight.test_runner import KEY, WELL, Desk
from tests.auth.support import OPERATOR, VERSIONS, House, passphrase
from tests.fakes.clock import FakeClock

CLOCK = SystemClock()
_LONG_ENOUGH_SECONDS = 0.5  # a revocation that does not wait takes a hundredth of it


class InterruptedSigner(VerdictSigner):
    """Lets somebody revoke just before it signs."""

    def __init__(self, revoking: Preflight) -> None:
        super().__init__(KEY, "auth-1", CLOCK)
        self._revoking = revoking
        self.revoked = threading.Event()
        self.revoked_at = CLOCK.now()
        self.thread = threading.Thread(target=self._revoke)

    def sign(
        self,
        account: AccountId,
        environment: Environment,
        settings_digest: SettingsDigest,
        *,
        warnings: tuple[str, ...] = (),
    ) -> SignedVerdict:
        self.thread.start()
        self.revoked.wait(_LONG_ENOUGH_SECONDS)
        return super().sign(account, environment, settings_digest, warnings=warnings)

    def _revoke(self) -> None:
        self.revoked_at = asyncio.run(self._revoking.revoke(ACCOUNT, "meanwhile"))
        self.revoked.set()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("initdb", "postgres"))])
def any_house(request: pytest.FixtureRequest) -> Iterator[House]:
    if request.param == "sqlite":
        database: Database = request.getfixturevalue("database")
    else:
        url = request.getfixturevalue("postgres_url")
        database = Database(url, service="auth_preflight_turns", versions=(VERSIONS,))
        database.migrate()
    house = House(database, CLOCK)
    house.vault.initialise(passphrase(), actor=OPERATOR)
    yield house
    database.close()


def test_revocation_when_it_comes_while_a_verdict_is_signed_then_it_waits_and_the_verdict_is_void(
    any_house: House,
) -> None:
    desk = Desk(any_house, FakeClock())
    signer = InterruptedSigner(desk.preflight(WELL, clock=CLOCK))
    report = desk.run(WELL, signer=signer, clock=CLOCK, deadline_seconds=5.0)
    signer.thread.join(10)
    assert report.signed is not None
    assert signer.revoked_at >= report.signed.verdict.issued_at
    with pytest.raises(VerdictRevokedError):
        desk.verify(report.signed.token, now=CLOCK.now())
