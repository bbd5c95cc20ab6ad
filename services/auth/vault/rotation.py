"""Changing the wrapping key while everything goes on, and going on after a crash in the middle.

Each step is a transaction of its own: the new key becomes the active one; records are rewrapped in batches, each only
if it is still as it was read; when none is left, the old key is retired. Whoever starts again finds the old key still
`retiring` and does what is left. The secrets themselves are not decrypted.
"""

from dataclasses import dataclass

from services.auth.transactions import Transactions
from services.auth.vault import store
from services.auth.vault.audit import AuditEntry
from services.auth.vault.keys import KeyProvider
from services.auth.vault.records import rewrap
from services.auth.vault.store import KeyState
from services.auth.vault.vault import SUBJECT, Vault
from services.contracts.auth import WrappingKeyRotated
from services.kit.clock import Clock

BATCH = 50


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did: the active key's id, and how many records this run rewrapped."""

    kek_id: str
    rewrapped: int


class WrappingKeyRotation:
    """Rotates the wrapping key of an open vault."""

    def __init__(self, vault: Vault, transactions: Transactions, clock: Clock) -> None:
        self._vault = vault
        self._transactions = transactions
        self._clock = clock

    def rotate(self, provider: KeyProvider, *, actor: str) -> Rotation:
        """Wrap everything by the provider's key. With a rotation under way, finish that one first.

        Doing it again with the same key file, keyring entry or Transit version changes nothing.

        Raises:
            SealedError: The vault is sealed.
            AuthError: The provider is away or its source is not fit.
        """
        left = self.resume(actor=actor)
        new = provider.create()
        with self._transactions.transaction(durable=True) as tx:
            unsealed = self._vault.open_state()
            unsealed.hold(tx.connection)
            if store.active_key_id(tx.connection) == new.key.kek_id:
                return Rotation(new.key.kek_id, left)
            store.add_key(tx.connection, provider.name, new, self._clock.now())
            unsealed.audit.append(
                tx.connection,
                AuditEntry(self._clock.now(), actor, "rotation_begun", detail=new.key.kek_id),
            )
            # Before the commit: from then on every write needs it.
            unsealed.keys[new.key.kek_id] = new.key
        return Rotation(new.key.kek_id, self.resume(actor=actor))

    def resume(self, *, actor: str) -> int:
        """Finish a rotation that was begun; returns how many records were rewrapped. Nothing to do is not an error.

        Raises:
            SealedError: The vault is sealed, or was not unsealed with every key in use.
        """
        rewrapped = 0
        while (batch := self._rewrap_batch()) is not None:
            rewrapped += batch
        self._retire(rewrapped, actor)
        return rewrapped

    def _rewrap_batch(self) -> int | None:
        unsealed = self._vault.open_state()
        with self._transactions.transaction(durable=True) as tx:
            key = unsealed.active_key(tx.connection)
            records = store.not_wrapped_by(tx.connection, key.kek_id, BATCH)
            for record in records:
                rewrapped = rewrap(unsealed.keys, key, record.binding, record.record)
                store.replace_wrapping(tx.connection, record, kek_id=key.kek_id, rewrapped=rewrapped)
        return len(records) or None

    def _retire(self, rewrapped: int, actor: str) -> None:
        unsealed = self._vault.open_state()
        with self._transactions.transaction(durable=True) as tx:
            unsealed.hold(tx.connection)
            key = unsealed.active_key(tx.connection)
            retiring = [each for each in store.keys_in_use(tx.connection) if each.state is KeyState.RETIRING]
            if not retiring or store.count_not_wrapped_by(tx.connection, key.kek_id):
                return
            store.set_key_states(tx.connection, KeyState.RETIRING, KeyState.RETIRED)
            unsealed.audit.append(
                tx.connection, AuditEntry(self._clock.now(), actor, "rotation_finished", detail=key.kek_id)
            )
            tx.record(WrappingKeyRotated(subject=SUBJECT, kek_id=key.kek_id, rewrapped_records=rewrapped))
