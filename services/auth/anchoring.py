"""Writes the end of the audit trail where an intruder of this host does not reach: into the logs.

Rows that are cut from the end, or a whole database put back as it was, leave a trail that is whole in itself. Only a
head that was noted elsewhere before tells; `logged_anchors` reads these back.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from services.auth.audit_watch import AuditWatch
from services.auth.vault.audit import Anchor, AuditHead
from services.auth.vault.vault import Vault
from telemetry.catalogue import AUTH_AUDIT_BROKEN
from telemetry.emit.metrics import Metrics

EVERY_SECONDS: Final = 60.0
LOGGER: Final = "audit.auth"
FIRST_WORDS: Final = "audit head "
# An audit logger: its lines are on disk before the call returns, so that a killed process loses none.
_log = logging.getLogger(LOGGER)


class AuditAnchor:
    """Walks the trail and anchors its head. Methods block on the database.

    Args:
        vault: Whose trail it is.
        watch: Walks it.
        known: What was read back from the logs until now.
        metrics: Show whether the trail is broken.
    """

    def __init__(
        self, vault: Vault, watch: AuditWatch, known: Callable[[], Sequence[Anchor]], metrics: Metrics
    ) -> None:
        self._vault = vault
        self._watch = watch
        self._known = known
        self._broken = metrics.gauge(AUTH_AUDIT_BROKEN)

    def look(self) -> None:
        """Walk what is new, or the whole when that is due; say what is wrong, or anchor the head. Nothing while sealed.

        A trail that is broken is not anchored again: the anchor from before is what shows the damage.
        """
        if self._vault.sealed:
            return
        with self._watch.followed(self._known(), whole=self._watch.whole_is_due) as (_, report):
            pass
        self._broken.set(not report.whole)
        head = report.head
        if not report.whole:
            _log.critical("the audit trail is broken: %s", report.problem, extra={"fields": _fields(head)})
            return
        seal = self._vault.open_state().audit.anchor(head).seal
        fields = {**_fields(head), "seal": seal}
        _log.info("%s%d is %s", FIRST_WORDS, head.sequence, head.mac, extra={"fields": fields})


def anchor_of(fields: dict[str, str], at: datetime) -> Anchor | None:
    """The anchor that a line of the log carries, None when it carries none. `at` is the line's time."""
    sequence, mac, seal = (fields.get(name, "") for name in ("sequence", "mac", "seal"))
    if not (sequence.isascii() and sequence.isdigit() and len(sequence) < 19 and mac and seal):  # noqa: PLR2004 -- what BIGINT holds
        return None
    return Anchor(AuditHead(int(sequence), mac), seal, at)


def _fields(head: AuditHead) -> dict[str, str]:
    return {"sequence": str(head.sequence), "mac": head.mac}
