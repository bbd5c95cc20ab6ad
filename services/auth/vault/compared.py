"""Secrets that are only ever compared, such as the operator's step-up passphrase: kept as hashes, never readable."""

import os
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from sqlalchemy import delete, insert, select

from services.auth.secret import Secret
from services.auth.tables import COMPARED_SECRETS
from services.auth.transactions import Readings, Transactions
from services.auth.vault.audit import AuditEntry
from services.auth.vault.passphrase import Cost
from services.auth.vault.vault import Vault
from services.kit.clock import Clock
from services.kit.moments import microseconds

_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


class ComparedSecrets:
    """Argon2id hashes under a pepper that the vault holds: the database alone does not allow guessing."""

    def __init__(
        self,
        vault: Vault,
        transactions: Transactions,
        readings: Readings,
        clock: Clock,
        *,
        cost: Cost | None = None,
    ) -> None:
        self._vault = vault
        self._transactions = transactions
        self._readings = readings
        self._clock = clock
        self._cost = cost or Cost()

    def put(self, name: str, secret: Secret, *, actor: str) -> None:
        """Store the hash of a secret in place of the one before it. Raises `SealedError`."""
        unsealed = self._vault.open_state()
        derivation = Argon2id(
            salt=os.urandom(_SALT_BYTES),
            length=_HASH_BYTES,
            iterations=self._cost.iterations,
            lanes=self._cost.lanes,
            memory_cost=self._cost.memory_kib,
            secret=unsealed.pepper,
        )
        phc = secret.use(lambda text: derivation.derive_phc_encoded(text.encode()))
        now = self._clock.now()
        with self._transactions.transaction(durable=True) as tx:
            unsealed.hold(tx.connection)
            tx.connection.execute(delete(COMPARED_SECRETS).where(COMPARED_SECRETS.c.name == name))
            tx.connection.execute(insert(COMPARED_SECRETS).values(name=name, phc=phc, set_at_us=microseconds(now)))
            unsealed.audit.append(tx.connection, AuditEntry(now, actor, "compared_secret_stored", detail=name))

    def known(self, name: str) -> bool:
        """Whether a secret of this name is stored; works while the vault is sealed."""
        with self._readings.reading() as connection:
            query = select(COMPARED_SECRETS.c.name).where(COMPARED_SECRETS.c.name == name)
            return connection.execute(query).scalar_one_or_none() is not None

    def matches(self, name: str, secret: Secret) -> bool:
        """Whether the secret is the stored one; False also when none is stored. Raises `SealedError`."""
        unsealed = self._vault.open_state()
        with self._readings.reading() as connection:
            query = select(COMPARED_SECRETS.c.phc).where(COMPARED_SECRETS.c.name == name)
            phc: str | None = connection.execute(query).scalar_one_or_none()
        if phc is None:
            return False
        try:
            secret.use(lambda text: Argon2id.verify_phc_encoded(text.encode(), phc, secret=unsealed.pepper))
        except InvalidKey:
            return False
        return True
