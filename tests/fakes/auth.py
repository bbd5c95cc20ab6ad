"""Auth, as trading asks it: a signing key of its own, and every answer for a test to script."""

from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.auth.verdict_keys import key_id_of
from services.auth.verdicts import VerdictSigner
from services.contracts.auth import AccountId
from services.contracts.auth_views import VerdictKeys
from services.contracts.preflight import CheckView, PreflightView
from services.contracts.sessions import LeaseGrant
from services.contracts.verdict import Environment, SettingsDigest
from services.kit.callers import public_key_text
from services.kit.clock import Clock
from services.kit.errors import UnavailableError


class FakeAuth:
    """Answers as long as it is not `away`.

    Attributes:
        away: Why it does not answer; "" answers.
        failing: Ids of the checks that fail.
        digest: Signs for these settings instead of those that were asked for.
        lease_seconds: Life of the leases.
        preflights, leases: How often it was asked.
        headers: What the sessions of accounts consist of; made up where nothing is said.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.away = ""
        self.failing: tuple[str, ...] = ()
        self.digest: SettingsDigest | None = None
        self.lease_seconds = 300.0
        self.preflights = 0
        self.leases = 0
        self.headers: dict[AccountId, dict[str, str]] = {}
        self.change_key()

    def change_key(self) -> None:
        """Sign with a new key from now on, and publish that alone."""
        self._key = Ed25519PrivateKey.generate()

    async def preflight(
        self, account: AccountId, environment: Environment, settings_digest: SettingsDigest
    ) -> PreflightView:
        self._be_there()
        self.preflights += 1
        now = self._clock.now()
        token = None
        if not self.failing:
            signer = VerdictSigner(self._key, key_id_of(self._key), self._clock)
            token = signer.sign(account, environment, self.digest or settings_digest).token
        return PreflightView(
            account=account,
            environment=environment,
            settings_digest=settings_digest,
            started_at=now,
            seconds=0.1,
            passed=not self.failing,
            checks=tuple(
                CheckView(
                    check_id=name,
                    severity="block",
                    outcome="fail",
                    why="because",
                    remedy="mend it",
                    runbook="docs/runbooks/auth.md",
                    seconds=0.1,
                )
                for name in self.failing
            ),
            verdict=token,
            expires_at=None if token is None else now + timedelta(seconds=120),
        )

    async def verdict_keys(self) -> VerdictKeys:
        self._be_there()
        return VerdictKeys(keys={key_id_of(self._key): public_key_text(self._key)})

    async def lease(self, account: AccountId) -> LeaseGrant:
        self._be_there()
        self.leases += 1
        return LeaseGrant(
            account=account,
            environment=Environment.PAPER,
            headers=self.headers.get(account, {"APCA-API-KEY-ID": f"key-{self.leases}"}),
            expires_at=self._clock.now() + timedelta(seconds=self.lease_seconds),
        )

    def _be_there(self) -> None:
        if self.away:
            raise UnavailableError(self.away)
