"""The audit trail: each row carries an HMAC over itself and the row before, so that no edit goes unseen.

Whoever can write the database but has not the key cannot forge a row. Rows cut from the end leave a shorter trail that
is whole in itself: only a head that was written elsewhere before, an anchor, tells. Hence `head`, whose value goes to
the logs.
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, insert, select, update

from services.auth.errors import AuditBrokenError
from services.auth.moments import microseconds
from services.auth.tables import AUDIT, AUDIT_HEAD
from services.auth.vault.records import framed

_HEAD: Final = "audit"
_SEALED_FIELDS: Final = ("sequence", "occurred_at_us", "actor", "action", "account", "kind", "generation", "detail")
_GENESIS: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What was done. `detail` is for people: a purpose, a key's id; never a value. It is cut at 400 characters."""

    occurred_at: datetime
    actor: str
    action: str
    account: str = ""
    kind: str = ""
    generation: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AuditHead:
    """How long the trail is and how it ends; once written elsewhere it is an anchor."""

    sequence: int
    mac: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a walk along the trail found. `problem` is "" when it is whole."""

    head: AuditHead
    problem: str

    @property
    def whole(self) -> bool:
        """Whether every row is as it was written and none is missing."""
        return not self.problem


class AuditTrail:
    """Appends to and checks the trail under one HMAC key; always inside the caller's transaction."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def begin(self, connection: Connection) -> None:
        """Write the head of the empty trail; once, when the vault is initialised."""
        connection.execute(insert(AUDIT_HEAD).values(name=_HEAD, sequence=0, mac=_GENESIS))

    def append(self, connection: Connection, entry: AuditEntry) -> AuditHead:
        """Add a row behind the head.

        Raises:
            AuditBrokenError: There is no head to append to.
        """
        before = self.head(connection, lock=True)
        row = _row(entry, before.sequence + 1)
        after = AuditHead(before.sequence + 1, self._mac(before.mac, row))
        connection.execute(insert(AUDIT).values(**row, mac=after.mac))
        connection.execute(
            update(AUDIT_HEAD).where(AUDIT_HEAD.c.name == _HEAD).values(sequence=after.sequence, mac=after.mac)
        )
        return after

    def head(self, connection: Connection, *, lock: bool = False) -> AuditHead:
        """Where the trail ends. `lock` keeps other writers out until the transaction ends.

        Raises:
            AuditBrokenError: The head is gone.
        """
        query = select(AUDIT_HEAD).where(AUDIT_HEAD.c.name == _HEAD)
        row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
        if row is None:
            raise AuditBrokenError(
                "The audit trail has lost its head. Restore the database, and find out who was there."
            )
        return AuditHead(row["sequence"], row["mac"])

    def verify(self, connection: Connection, anchors: Iterable[AuditHead] = ()) -> AuditReport:
        """Walk the whole trail, and hold it against heads that were written elsewhere.

        About 5 microseconds a row.
        """
        head = self.head(connection)
        wanted = {anchor.sequence: anchor.mac for anchor in anchors}
        mac, sequence = _GENESIS, 0
        for row in connection.execute(select(AUDIT).order_by(AUDIT.c.sequence)).mappings():
            sequence += 1
            if row["sequence"] != sequence:
                return AuditReport(head, f"row {sequence} is missing")
            mac = self._mac(mac, row)
            if not hmac.compare_digest(mac, row["mac"]):
                return AuditReport(head, f"row {sequence} was edited")
            if wanted.pop(sequence, mac) != mac:
                return AuditReport(head, f"row {sequence} differs from its anchor")
        if (sequence, mac) != (head.sequence, head.mac):
            return AuditReport(head, f"the trail ends at row {sequence}, its head says {head.sequence}")
        if any(anchored > 0 for anchored in wanted):
            return AuditReport(head, f"the trail was cut: it ends at row {sequence}, an anchor knows row {max(wanted)}")
        return AuditReport(head, "")

    def _mac(self, before: str, row: RowMapping | dict[str, Any]) -> str:
        fields = tuple(str(row[name]) for name in _SEALED_FIELDS)
        return hmac.digest(self._key, framed((before, *fields)), "sha256").hex()


def _row(entry: AuditEntry, sequence: int) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "occurred_at_us": microseconds(entry.occurred_at),
        "actor": entry.actor[:200],
        "action": entry.action,
        "account": entry.account,
        "kind": entry.kind,
        "generation": entry.generation,
        "detail": entry.detail[:400],
    }
