"""From sealed to open: the first wrapping key, and getting the keys back after a start."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from services.auth.errors import (
    AuditBrokenError,
    KeyMissingError,
    RecordDoesNotOpenError,
    SealedError,
    VaultInitialisedError,
    VaultUninitialisedError,
    WrongKeyError,
)
from services.auth.vault import store
from services.auth.vault.audit import AuditTrail
from services.auth.vault.keys import KEY_BYTES, KeyProvider, NewKey, WrappingKey
from services.auth.vault.records import unseal
from services.auth.vault.store import PROOF, StoredKey, proof_binding

AUDIT_KEY: Final = "audit_key"
PEPPER: Final = "pepper"


@dataclass(frozen=True, slots=True, repr=False)
class Unsealed:
    """What an open vault works with, in memory only."""

    keys: dict[str, WrappingKey]
    audit: AuditTrail
    pepper: bytes

    def hold(self, connection: Connection) -> None:
        """Keep other writers of the vault out until the transaction ends; before anything else is locked in it.

        On SQLite a transaction does so anyway. On Postgres two first writes of one secret would collide without it.
        """
        self.audit.head(connection, lock=True)

    def active_key(self, connection: Connection) -> WrappingKey:
        """The key for new records, as the database has it now.

        Raises:
            SealedError: Another process rotated to a key that this one was not unsealed with.
        """
        kek_id = store.active_key_id(connection)
        key = self.keys.get(kek_id or "")
        if key is None:
            raise SealedError("The wrapping key was rotated elsewhere. Unseal this service with the new key.")
        return key


def initialise(connection: Connection, provider: str, new: NewKey, now: datetime) -> Unsealed:
    """Make `new` the first wrapping key, and the vault's own keys with it.

    Raises:
        VaultInitialisedError: There is one already.
    """
    if store.keys_in_use(connection):
        raise VaultInitialisedError
    store.add_key(connection, provider, new, now)
    own = {AUDIT_KEY: os.urandom(KEY_BYTES), PEPPER: os.urandom(KEY_BYTES)}
    for kind, key in own.items():
        store.write(
            connection,
            new.key,
            record_id=kind,
            account=store.INTERNAL_ACCOUNT,
            kind=kind,
            plaintext=key,
            short_seed=False,
            now=now,
        )
    audit = AuditTrail(own[AUDIT_KEY])
    audit.begin(connection)
    return Unsealed({new.key.kek_id: new.key}, audit, own[PEPPER])


def gather_keys(stored: Sequence[StoredKey], providers: Sequence[KeyProvider]) -> dict[str, WrappingKey]:
    """Get every key in use from the providers and prove each. May take a while; hold no transaction.

    Raises:
        VaultUninitialisedError: There is no key yet.
        KeyMissingError: No provider of the needed kind was given.
        WrongKeyError: Providers of the needed kind gave other keys.
        AuthError: A provider is away.
    """
    if not stored:
        raise VaultUninitialisedError
    return {each.kek_id: _obtain(each, providers) for each in stored}


def open_own_keys(connection: Connection, keys: dict[str, WrappingKey]) -> Unsealed:
    """Open the vault's own keys.

    Raises:
        RecordDoesNotOpenError: One was altered.
        AuditBrokenError: One is gone.
    """
    return Unsealed(keys, AuditTrail(_own(connection, keys, AUDIT_KEY)), _own(connection, keys, PEPPER))


def _own(connection: Connection, keys: dict[str, WrappingKey], kind: str) -> bytes:
    record = store.find(connection, store.INTERNAL_ACCOUNT, kind)
    if record is None:
        raise AuditBrokenError("One of the vault's own keys is gone. Restore the database, and find out who was there.")
    return unseal(keys, record.binding, record.record)


def _obtain(stored: StoredKey, providers: Sequence[KeyProvider]) -> WrappingKey:
    fitting = [provider for provider in providers if provider.name == stored.provider]
    if not fitting:
        raise KeyMissingError(f"A wrapping key in use comes from the provider {stored.provider!r}. Give that one too.")
    for provider in fitting:
        try:
            key = provider.load(stored.kek_id, stored.parameters)
            if unseal({stored.kek_id: key}, proof_binding(stored.kek_id), stored.proof) == PROOF:
                return key
        except (WrongKeyError, RecordDoesNotOpenError):
            continue
    raise WrongKeyError(f"What the provider {stored.provider!r} gave is not the key in use. Nothing was opened.")
