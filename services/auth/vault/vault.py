"""The vault: secrets go in, and come out one at a time, each time with an audit row that says to whom and what for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from services.auth.errors import (
    NoSuchCredentialError,
    RecordDoesNotOpenError,
    SealedError,
    SecretChangedError,
    VaultInitialisedError,
)
from services.auth.secret import Secret
from services.auth.transactions import Readings, Transaction, Transactions
from services.auth.vault import store, unsealing
from services.auth.vault.audit import REMOVED, STORED, Anchor, AuditEntry, AuditHead, AuditReport
from services.auth.vault.keys import KeyProvider
from services.auth.vault.records import unseal
from services.auth.vault.store import StoredRecord
from services.auth.vault.unsealing import Unsealed
from services.contracts.auth import (
    AccountId,
    CredentialKind,
    SecretOpened,
    SecretRemoved,
    SecretStored,
    VaultUnsealed,
)
from services.kit.clock import Clock
from services.kit.ids import Randomness, SystemRandomness

SUBJECT = "vault"


@dataclass(frozen=True, slots=True)
class CredentialInfo:
    """What may be told of a stored secret.

    Attributes:
        generation: How often it was written.
        short_seed: A TOTP seed of fewer than 112 bits.
    """

    account: AccountId
    kind: CredentialKind
    generation: int
    short_seed: bool
    written_at: datetime


@dataclass(frozen=True, slots=True)
class WithheldSecret:
    """A decrypted secret that nobody may have yet."""

    account: AccountId
    kind: CredentialKind
    generation: int
    secret: Secret


class Vault:
    """Starts sealed. Everything that changes or opens something is one durable transaction with its audit row.

    Synchronous, for `asyncio.to_thread`; safe to call from several threads.
    """

    def __init__(
        self, transactions: Transactions, readings: Readings, clock: Clock, randomness: Randomness | None = None
    ) -> None:
        self._transactions = transactions
        self._readings = readings
        self._clock = clock
        self._randomness = randomness or SystemRandomness()
        self._unsealed: Unsealed | None = None

    @property
    def sealed(self) -> bool:
        """Whether nothing can be opened."""
        return self._unsealed is None

    @property
    def initialised(self) -> bool:
        """Whether the vault has a wrapping key."""
        with self._readings.reading() as connection:
            return bool(store.keys_in_use(connection))

    def initialise(self, provider: KeyProvider, *, actor: str) -> None:
        """Give the vault its first wrapping key; it is open afterwards.

        Raises:
            VaultInitialisedError: It has one.
            AuthError: The provider is away or its source is not fit.
        """
        new = provider.create()
        try:
            with self._transactions.transaction(durable=True) as tx:
                unsealed = unsealing.initialise(tx.connection, provider.name, new, self._clock.now())
                self._note_unsealed(tx, unsealed, actor, "initialised")
        except IntegrityError:
            raise VaultInitialisedError from None  # by another process, at the same moment
        self._unsealed = unsealed

    def unseal(self, providers: Sequence[KeyProvider], *, actor: str) -> None:
        """Open the vault with every wrapping key in use: one, or two while a rotation is unfinished.

        Raises:
            VaultUninitialisedError, KeyMissingError, WrongKeyError: As their names say.
            AuthError: A provider is away, or the vault's own keys do not open.
        """
        with self._readings.reading() as connection:
            stored = store.keys_in_use(connection)
        keys = unsealing.gather_keys(stored, providers)
        with self._transactions.transaction(durable=True) as tx:
            unsealed = unsealing.open_own_keys(tx.connection, keys)
            self._note_unsealed(tx, unsealed, actor, "unsealed")
        self._unsealed = unsealed

    def seal(self) -> None:
        """Forget the keys."""
        self._unsealed = None

    def put(
        self, account: AccountId, kind: CredentialKind, secret: Secret, *, actor: str, short_seed: bool = False
    ) -> int:
        """Store a secret in place of the one before it; returns its generation.

        Raises:
            SealedError: The vault is sealed.
        """
        with self._transactions.transaction(durable=True) as tx:
            return self.put_within(tx, account, kind, secret, actor=actor, short_seed=short_seed)

    def put_within(  # noqa: PLR0913 -- as `put`, inside the caller's transaction
        self,
        tx: Transaction,
        account: AccountId,
        kind: CredentialKind,
        secret: Secret,
        *,
        actor: str,
        short_seed: bool = False,
    ) -> int:
        """`put` as a part of a larger durable transaction."""
        unsealed = self.open_state()
        unsealed.hold(tx.connection)
        generation = store.write(
            tx.connection,
            unsealed.active_key(tx.connection),
            record_id=self._randomness.token(),
            account=account,
            kind=kind,
            plaintext=secret.use(str.encode),
            short_seed=short_seed,
            now=self._clock.now(),
        )
        self._audit(tx, unsealed, STORED, actor, account=account, kind=kind, generation=generation)
        tx.record(SecretStored(subject=account, kind=kind, generation=generation, actor=actor))
        return generation

    def open(self, account: AccountId, kind: CredentialKind, *, actor: str, purpose: str) -> Secret:
        """Decrypt a secret; it is returned only after the audit row that tells of it is safe on disk.

        Raises:
            SealedError: The vault is sealed.
            NoSuchCredentialError: Nothing of this kind is stored.
            RecordDoesNotOpenError: The record was altered or moved. That too leaves an audit row.
            DatabaseError: The audit row could not be written.
        """
        withheld = self.decrypt(account, kind, actor=actor)
        with self._transactions.transaction(durable=True) as tx:
            # A commit that fails raises here, and then there is no return.
            return self.release(tx, withheld, actor=actor, purpose=purpose)

    def decrypt(self, account: AccountId, kind: CredentialKind, *, actor: str) -> WithheldSecret:
        """Decrypt a secret without letting it out: `release` does, inside the transaction that accounts for it.

        Apart from that transaction because the wrapping key may be a network call away. Raises as `open` does.
        """
        unsealed = self.open_state()
        with self._readings.reading() as connection:
            record = _found(connection, account, kind)
        try:
            plaintext = unseal(unsealed.keys, record.binding, record.record)
        except RecordDoesNotOpenError:
            with self._transactions.transaction(durable=True) as tx:
                self._audit(tx, unsealed, "secret_did_not_open", actor, account=account, kind=kind)
            raise
        return WithheldSecret(account, kind, record.generation, Secret(plaintext.decode()))

    def release(self, tx: Transaction, withheld: WithheldSecret, *, actor: str, purpose: str) -> Secret:
        """Account for a decrypted secret in a durable transaction. Let nobody have it before that has committed.

        Raises:
            SecretChangedError: It was stored anew since it was decrypted.
            NoSuchCredentialError: It was removed since.
            SealedError: The vault was sealed since.
        """
        account, kind, generation = withheld.account, withheld.kind, withheld.generation
        if _found(tx.connection, account, kind).generation != generation:
            raise SecretChangedError
        self._audit(
            tx,
            self.open_state(),
            "secret_opened",
            actor,
            account=account,
            kind=kind,
            generation=generation,
            detail=purpose,
        )
        tx.record(SecretOpened(subject=account, kind=kind, generation=generation, actor=actor, purpose=purpose))
        return withheld.secret

    def remove(self, account: AccountId, kind: CredentialKind, *, actor: str) -> None:
        """Delete a secret.

        Raises:
            SealedError: The vault is sealed.
            NoSuchCredentialError: Nothing of this kind is stored.
        """
        unsealed = self.open_state()
        with self._transactions.transaction(durable=True) as tx:
            unsealed.hold(tx.connection)
            record = _found(tx.connection, account, kind)
            store.remove(tx.connection, record)
            self._audit(tx, unsealed, REMOVED, actor, account=account, kind=kind, generation=record.generation)
            tx.record(SecretRemoved(subject=account, kind=kind, actor=actor))

    def credentials(self) -> list[CredentialInfo]:
        """The credentials stored, without opening any of them; works while sealed."""
        with self._readings.reading() as connection:
            records = store.every(connection)
        return [
            CredentialInfo(
                AccountId(record.account),
                CredentialKind(record.kind),
                record.generation,
                record.short_seed,
                record.written_at,
            )
            for record in records
            if record.account != store.INTERNAL_ACCOUNT and record.kind != CredentialKind.CANARY
        ]

    def audit_head(self) -> AuditHead:
        """Where the audit trail ends now: to be written where an intruder of this host does not reach.

        Raises:
            SealedError: The vault is sealed.
            AuditBrokenError: The head is gone.
        """
        with self._readings.reading() as connection:
            return self.open_state().audit.head(connection)

    def verify_audit(self, anchors: Sequence[AuditHead] = ()) -> AuditReport:
        """Walk the audit trail and hold it against heads written elsewhere. Raises `SealedError`."""
        with self._readings.reading() as connection:
            return self.open_state().audit.verify(connection, [Anchor(head, "") for head in anchors])

    def open_state(self) -> Unsealed:
        """The keys, for the vault's own parts. Raises `SealedError`."""
        unsealed = self._unsealed
        if unsealed is None:
            raise SealedError
        return unsealed

    def _note_unsealed(self, tx: Transaction, unsealed: Unsealed, actor: str, action: str) -> None:
        kek_id = unsealed.active_key(tx.connection).kek_id
        self._audit(tx, unsealed, action, actor, detail=kek_id)
        tx.record(VaultUnsealed(subject=SUBJECT, kek_id=kek_id))

    def _audit(  # noqa: PLR0913 -- one argument per column
        self,
        tx: Transaction,
        unsealed: Unsealed,
        action: str,
        actor: str,
        *,
        account: str = "",
        kind: str = "",
        generation: int = 0,
        detail: str = "",
    ) -> None:
        entry = AuditEntry(self._clock.now(), actor, action, account, kind, generation, detail)
        unsealed.audit.append(tx.connection, entry)


def _found(connection: Connection, account: AccountId, kind: CredentialKind) -> StoredRecord:
    record = store.find(connection, account, kind)
    if record is None:
        raise NoSuchCredentialError
    return record
