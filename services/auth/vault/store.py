"""Rows of the vault, read and written inside the caller's transaction. Nothing here can open a record."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from services.auth.tables import VAULT_KEYS, VAULT_RECORDS
from services.auth.vault.keys import NewKey, Parameters, WrappingKey
from services.auth.vault.records import Binding, seal
from services.kit.moments import microseconds, moment

INTERNAL_ACCOUNT: Final = "sightline"
PROOF: Final = b"sightline"


class KeyState(StrEnum):
    """Where a wrapping key stands: new records take the active one, retiring ones still wrap older records."""

    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """How to get at a wrapping key and how to tell that it is the right one."""

    kek_id: str
    provider: str
    parameters: Parameters
    state: KeyState
    proof: str


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A sealed secret and where it belongs."""

    record_id: str
    account: str
    kind: str
    generation: int
    kek_id: str
    record: str
    short_seed: bool
    written_at: datetime

    @property
    def binding(self) -> Binding:
        """What the record is bound to."""
        return Binding(VAULT_RECORDS.name, self.record_id, self.account, self.kind, self.generation)


def proof_binding(kek_id: str) -> Binding:
    """What the proof of a wrapping key is bound to."""
    return Binding(VAULT_KEYS.name, kek_id, INTERNAL_ACCOUNT, "proof", 1)


def keys_in_use(connection: Connection) -> list[StoredKey]:
    """The active key first, then those that still wrap older records."""
    query = select(VAULT_KEYS).where(VAULT_KEYS.c.state != KeyState.RETIRED)
    keys = [_key(row) for row in connection.execute(query).mappings()]
    return sorted(keys, key=lambda key: (key.state is not KeyState.ACTIVE, key.kek_id))


def active_key_id(connection: Connection) -> str | None:
    """Name of the key that new records take; holds rotations off until the transaction ends."""
    query = select(VAULT_KEYS.c.kek_id).where(VAULT_KEYS.c.state == KeyState.ACTIVE).with_for_update(read=True)
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def add_key(connection: Connection, provider: str, new: NewKey, now: datetime) -> None:
    """Make a wrapping key the active one; the one before it retires."""
    set_key_states(connection, KeyState.ACTIVE, KeyState.RETIRING)
    connection.execute(
        insert(VAULT_KEYS).values(
            kek_id=new.key.kek_id,
            provider=provider,
            parameters=json.dumps(dict(new.parameters), sort_keys=True),
            state=KeyState.ACTIVE,
            proof=seal(new.key, proof_binding(new.key.kek_id), PROOF),
            created_at_us=microseconds(now),
        )
    )


def set_key_states(connection: Connection, before: KeyState, after: KeyState) -> None:
    """Bring every key of one state into another."""
    connection.execute(update(VAULT_KEYS).where(VAULT_KEYS.c.state == before).values(state=after))


def find(connection: Connection, account: str, kind: str) -> StoredRecord | None:
    """The record of this kind for this account."""
    query = select(VAULT_RECORDS).where(VAULT_RECORDS.c.account == account, VAULT_RECORDS.c.kind == kind)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _record(row)


def every(connection: Connection) -> list[StoredRecord]:
    """All records, by account and kind, the vault's own among them."""
    query = select(VAULT_RECORDS).order_by(VAULT_RECORDS.c.account, VAULT_RECORDS.c.kind)
    return [_record(row) for row in connection.execute(query).mappings()]


def not_wrapped_by(connection: Connection, kek_id: str, limit: int) -> list[StoredRecord]:
    """Up to `limit` records that another key wraps, locked until the transaction ends."""
    query = select(VAULT_RECORDS).where(VAULT_RECORDS.c.kek_id != kek_id).order_by(VAULT_RECORDS.c.record_id)
    return [_record(row) for row in connection.execute(query.limit(limit).with_for_update()).mappings()]


def count_not_wrapped_by(connection: Connection, kek_id: str) -> int:
    """How many records another key still wraps."""
    query = select(func.count()).select_from(VAULT_RECORDS).where(VAULT_RECORDS.c.kek_id != kek_id)
    return connection.execute(query).scalar_one()


def write(  # noqa: PLR0913 -- one argument per column
    connection: Connection,
    key: WrappingKey,
    *,
    record_id: str,
    account: str,
    kind: str,
    plaintext: bytes,
    short_seed: bool,
    now: datetime,
) -> int:
    """Seal a secret into the row of this kind for this account; returns the generation that it became.

    Generations go on from the row's own: the caller passes the id of a new row, an existing one keeps its id.
    """
    query = select(VAULT_RECORDS).where(VAULT_RECORDS.c.account == account, VAULT_RECORDS.c.kind == kind)
    row = connection.execute(query.with_for_update()).mappings().one_or_none()
    generation = 1 if row is None else row["generation"] + 1
    identity = record_id if row is None else row["record_id"]
    binding = Binding(VAULT_RECORDS.name, identity, account, kind, generation)
    values = {
        "generation": generation,
        "kek_id": key.kek_id,
        "record": seal(key, binding, plaintext),
        "short_seed": short_seed,
        "written_at_us": microseconds(now),
    }
    if row is None:
        connection.execute(insert(VAULT_RECORDS).values(record_id=identity, account=account, kind=kind, **values))
    else:
        connection.execute(update(VAULT_RECORDS).where(VAULT_RECORDS.c.record_id == identity).values(values))
    return generation


def replace_wrapping(connection: Connection, record: StoredRecord, *, kek_id: str, rewrapped: str) -> bool:
    """Store the rewrapped form, unless the record was written anew meanwhile; True if it was stored."""
    same = (VAULT_RECORDS.c.record_id == record.record_id) & (VAULT_RECORDS.c.record == record.record)
    changed = connection.execute(update(VAULT_RECORDS).where(same).values(kek_id=kek_id, record=rewrapped))
    return changed.rowcount == 1


def remove(connection: Connection, record: StoredRecord) -> None:
    """Delete a record."""
    connection.execute(delete(VAULT_RECORDS).where(VAULT_RECORDS.c.record_id == record.record_id))


def _key(row: RowMapping) -> StoredKey:
    return StoredKey(
        kek_id=row["kek_id"],
        provider=row["provider"],
        parameters=json.loads(row["parameters"]),
        state=KeyState(row["state"]),
        proof=row["proof"],
    )


def _record(row: RowMapping) -> StoredRecord:
    return StoredRecord(
        record_id=row["record_id"],
        account=row["account"],
        kind=row["kind"],
        generation=row["generation"],
        kek_id=row["kek_id"],
        record=row["record"],
        short_seed=row["short_seed"],
        written_at=moment(row["written_at_us"]),
    )
