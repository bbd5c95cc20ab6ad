"""Signs verdicts. What may be signed is for preflight to decide."""

from dataclasses import dataclass
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.contracts.auth import AccountId
from services.contracts.verdict import LONGEST_LIFE, Environment, SettingsDigest, Verdict, sign
from services.kit.clock import Clock
from services.kit.ids import Randomness, SystemRandomness


@dataclass(frozen=True, slots=True)
class SignedVerdict:
    """A verdict and the token that carries it."""

    verdict: Verdict
    token: str


class VerdictSigner:
    """Signs with auth's own key, which signs nothing else.

    Args:
        key: Its public half is what trading checks with.
        key_id: Names that half, so that keys can be exchanged one after the other.
        clock: Says when a verdict begins.
        randomness: Makes the verdicts' ids.
        life: How long a verdict lives, at most `LONGEST_LIFE`.

    Raises:
        ValueError: The life is longer than that, or nothing.
    """

    def __init__(
        self,
        key: Ed25519PrivateKey,
        key_id: str,
        clock: Clock,
        randomness: Randomness | None = None,
        *,
        life: timedelta = LONGEST_LIFE,
    ) -> None:
        if not timedelta(0) < life <= LONGEST_LIFE:
            raise ValueError(f"a verdict lives more than 0 and at most {LONGEST_LIFE.total_seconds():.0f} seconds")
        self._key = key
        self._key_id = key_id
        self._clock = clock
        self._randomness = randomness or SystemRandomness()
        self._life = life

    def sign(
        self,
        account: AccountId,
        environment: Environment,
        settings_digest: SettingsDigest,
        *,
        warnings: tuple[str, ...] = (),
    ) -> SignedVerdict:
        """Vouch for the account from now on. `warnings` are the ids of checks that passed with one."""
        now = self._clock.now()
        verdict = Verdict(
            verdict_id=self._randomness.token(),
            account=account,
            environment=environment,
            settings_digest=settings_digest,
            issued_at=now,
            expires_at=now + self._life,
            warnings=warnings,
        )
        return SignedVerdict(verdict, sign(verdict, self._key, key_id=self._key_id))
