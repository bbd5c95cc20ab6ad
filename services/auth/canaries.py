"""Secrets that are good for nothing, planted in the vault to be looked for where no secret may be.

Each account with secrets has one. It is sealed, opened, rotated and audited as real ones are, and led along their way
by the rehearsal; preflight looks for it in the logs. It is no credential: nobody is shown it, and no broker is sent it.
"""

from collections.abc import Sequence
from typing import Final

from services.auth.secret import Secret
from services.auth.transactions import Readings
from services.auth.vault import store
from services.auth.vault.vault import Vault
from services.contracts.auth import AccountId, CredentialKind
from services.kit.ids import Randomness

ACTOR: Final = "rehearsal"
_KIND: Final = CredentialKind.CANARY


class Canaries:
    """Plants and reads them. Methods block on the database and raise `SealedError` while the vault is sealed."""

    def __init__(self, vault: Vault, readings: Readings, randomness: Randomness) -> None:
        self._vault = vault
        self._readings = readings
        self._randomness = randomness

    def plant(self) -> None:
        """Give one to each account that has secrets and none of these."""
        planted = set(self.accounts())
        for account in sorted({info.account for info in self._vault.credentials()} - planted):
            self._vault.put(account, _KIND, Secret(f"canary-{self._randomness.token()}"), actor=ACTOR)

    def accounts(self) -> list[AccountId]:
        """Those that have one, by name."""
        with self._readings.reading() as connection:
            return [AccountId(record.account) for record in store.every(connection) if record.kind == _KIND]

    def open(self, account: AccountId) -> Secret:
        """The account's own, opened as a login opens a real secret: with an audit row."""
        return self._vault.open(account, _KIND, actor=ACTOR, purpose="rehearsal")

    def read(self) -> Sequence[Secret]:
        """All of them, to be looked for and not let out: without audit rows."""
        return [self._vault.decrypt(account, _KIND, actor=ACTOR).secret for account in self.accounts()]
