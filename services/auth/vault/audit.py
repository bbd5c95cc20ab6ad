"""The audit trail: each row carries an HMAC over itself and the row before, so that no edit goes unseen.

Whoever can write the database but has not the key cannot forge a row. Rows cut from the end leave a shorter trail that
is whole in itself: only a head that was written elsewhere before, an anchor, tells. Hence `head`, whose value goes to
the logs.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, insert, select, update

from services.auth.errors import AuditBrokenError
from services.auth.tables import AUDIT, AUDIT_HEAD
from services.auth.vault.records import framed
from services.kit.moments import microseconds

STORED: Final = "secret_stored"
REMOVED: Final = "secret_removed"
ACCEPTED: Final = "trail_accepted"
_HEAD: Final = "audit"
_SEALED_FIELDS: Final = ("sequence", "occurred_at_us", "actor", "action", "account", "kind", "generation", "detail")
_GENESIS: Final = "0" * 64
_ROWS_AT_ONCE: Final = 500


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
class Anchor:
    """A head as it was written elsewhere.

    Attributes:
        head: What was written.
        seal: Shows that whoever wrote it had the trail's key.
        at: When it was written, as far as that is known.
    """

    head: AuditHead
    seal: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Walked:
    """The trail from its beginning up to a row, found whole.

    Attributes:
        head: That row.
        generations: Of each secret stored up to there and not removed, by account and kind.
        accepted_us: When an operator last accepted the trail as it was; anchors up to then prove nothing.
    """

    head: AuditHead
    generations: Mapping[tuple[str, str], int]
    accepted_us: int = 0


UNWALKED: Final = Walked(AuditHead(0, _GENESIS), MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What a walk along the trail found.

    Attributes:
        head: What the trail says of its end.
        problem: What is wrong; "" when it is whole.
        walked: How far it was found whole.
        rows_read: How many rows the walk went over.
    """

    head: AuditHead
    problem: str
    walked: Walked
    rows_read: int

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

    def verify(self, connection: Connection, anchors: Iterable[Anchor] = (), since: Walked = UNWALKED) -> AuditReport:
        """Walk the trail, and hold it against heads that were written elsewhere.

        About 5 microseconds a row, from the end of `since` on. An edit before that shows in a walk of the whole only.
        """
        head = self.head(connection)
        walk = _Walk(self._mac, since)
        problem = _against(connection, {since.head}, head) or walk.go(connection)
        if not problem and walk.head != head:
            problem = f"the trail ends at row {walk.head.sequence}, its head says {head.sequence}"
        walked = Walked(walk.head, walk.generations, walk.accepted_us)
        return AuditReport(
            head, problem or _against(connection, _still_proving(anchors, walked), head), walked, walk.rows_read
        )

    def anchor(self, head: AuditHead) -> Anchor:
        """The head as it may be written where others write too."""
        return Anchor(head, self._seal(head))

    def is_ours(self, anchor: Anchor) -> bool:
        """Whether the anchor was written under this trail's key: neither made up nor another vault's."""
        return hmac.compare_digest(anchor.seal.encode(), self._seal(anchor.head).encode())

    def _seal(self, head: AuditHead) -> str:
        return hmac.digest(self._key, framed(("anchor", str(head.sequence), head.mac)), "sha256").hex()

    def _mac(self, before: str, row: RowMapping | dict[str, Any]) -> str:
        fields = tuple(str(row[name]) for name in _SEALED_FIELDS)
        return hmac.digest(self._key, framed((before, *fields)), "sha256").hex()


class _Walk:
    def __init__(self, mac: Callable[[str, RowMapping], str], since: Walked) -> None:
        self._mac = mac
        self.head = since.head
        self.generations = dict(since.generations)
        self.accepted_us = since.accepted_us
        self.rows_read = 0

    def go(self, connection: Connection) -> str:
        """Walk on to the end. Returns what is wrong, or ""."""
        rows = select(AUDIT).where(AUDIT.c.sequence > self.head.sequence).order_by(AUDIT.c.sequence)
        for row in connection.execute(rows, execution_options={"yield_per": _ROWS_AT_ONCE}).mappings():
            self.rows_read += 1
            sequence = self.head.sequence + 1
            if row["sequence"] != sequence:
                return f"row {sequence} is missing"
            mac = self._mac(self.head.mac, row)
            if not hmac.compare_digest(mac, row["mac"]):
                return f"row {sequence} was edited"
            self.head = AuditHead(sequence, mac)
            self._learn(row)
        return ""

    def _learn(self, row: RowMapping) -> None:
        secret = (row["account"], row["kind"])
        if row["action"] == STORED:
            self.generations[secret] = row["generation"]
        elif row["action"] == REMOVED:
            self.generations.pop(secret, None)
        elif row["action"] == ACCEPTED:
            self.accepted_us = row["occurred_at_us"]


def _still_proving(anchors: Iterable[Anchor], walked: Walked) -> set[AuditHead]:
    return {each.head for each in anchors if each.at is None or microseconds(each.at) > walked.accepted_us}


def _against(connection: Connection, anchors: set[AuditHead], head: AuditHead) -> str:
    """What differs from the anchors; rows are looked up by their numbers, however long the trail is."""
    wanted = sorted((anchor for anchor in anchors if anchor.sequence > 0), key=lambda anchor: anchor.sequence)
    if wanted and wanted[-1].sequence > head.sequence:
        return f"the trail was cut: it ends at row {head.sequence}, an anchor knows row {wanted[-1].sequence}"
    macs: dict[int, str] = {}
    for start in range(0, len(wanted), _ROWS_AT_ONCE):
        numbers = [anchor.sequence for anchor in wanted[start : start + _ROWS_AT_ONCE]]
        found = connection.execute(select(AUDIT.c.sequence, AUDIT.c.mac).where(AUDIT.c.sequence.in_(numbers)))
        macs |= {row.sequence: row.mac for row in found}
    for anchor in wanted:
        if anchor.sequence not in macs:
            return f"row {anchor.sequence} is missing"
        if macs[anchor.sequence] != anchor.mac:
            return f"row {anchor.sequence} differs from its anchor"
    return ""


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
