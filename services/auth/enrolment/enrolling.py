"""Taking a seed in: only after a code shows that it is the broker's seed and that the clock is right."""

import hmac
from typing import Final

from services.auth.enrolment.offers import SeedOffer
from services.auth.errors import EnrolmentError, EnrolmentFault, NoSuchCredentialError, RecordDoesNotOpenError
from services.auth.mfa import reach
from services.auth.secret import Secret
from services.auth.totp import ledger
from services.auth.totp.issuer import Correction
from services.auth.totp.seeds import TotpSeed
from services.auth.transactions import Transactions
from services.auth.vault.vault import Vault
from services.contracts.auth import AccountId, CredentialKind, MfaStage
from services.kit.clock import Clock

# The step before and the one after too: the operator types, and the broker's clock may differ a little.
_STEPS_AROUND: Final = (0, -1, 1)


class Enrolling:
    """Stores confirmed seeds."""

    def __init__(self, vault: Vault, transactions: Transactions, clock: Clock, correction: Correction) -> None:
        self._vault = vault
        self._transactions = transactions
        self._clock = clock
        self._correction = correction

    def enrol(self, account: AccountId, offer: SeedOffer, confirming: Secret, *, actor: str) -> int:
        """Store the seed if `confirming` is one of its present codes; returns the credential's generation.

        That code's step counts as spent. The ledger begins anew only if the seed is another one than before.

        Raises:
            EnrolmentError: The code is not the seed's. Nothing is stored.
            SealedError: The vault is sealed.
            ClockUnfitError: The clock is too far off to tell.
        """
        seed = offer.seed
        step = self._confirmed_step(seed, confirming)
        known = self._is_known(account, seed, actor)
        with self._transactions.transaction(durable=True) as tx:
            if not known:
                ledger.forget(tx.connection, account)
            now = self._clock.now()
            ledger.claim(tx.connection, account, period_seconds=seed.period_seconds, step=step, now=now)
            kind = CredentialKind.TOTP_SEED
            generation = self._vault.put_within(tx, account, kind, seed.to_vault(), actor=actor, short_seed=seed.short)
            reach(tx, account, MfaStage.TOTP_PENDING, now)
        return generation

    def _confirmed_step(self, seed: TotpSeed, confirming: Secret) -> int:
        now = self._clock.now().timestamp() + self._correction.correction_seconds()
        digits = confirming.use(lambda text: "".join(text.split()))
        for offset in _STEPS_AROUND:
            step = seed.step_at(now) + offset
            if step >= 0 and hmac.compare_digest(seed.code(step).reveal().encode(), digits.encode()):
                return step
        raise EnrolmentError(EnrolmentFault.CODE_DIFFERS)

    def _is_known(self, account: AccountId, seed: TotpSeed, actor: str) -> bool:
        try:
            stored = self._vault.decrypt(account, CredentialKind.TOTP_SEED, actor=actor)
        except NoSuchCredentialError:
            return False
        except RecordDoesNotOpenError:
            return True  # cannot be told: then rather refuse a code of a new seed for a while than give one twice
        return TotpSeed.from_vault(stored.secret).secret == seed.secret
