"""Writes the end of the audit trail where an intruder of this host does not reach: into the logs.

Rows that are cut from the end leave a trail that is whole in itself. Only a head that was noted elsewhere before tells.
"""

import logging

from services.auth.vault.audit import AuditHead
from services.auth.vault.vault import Vault
from telemetry.catalogue import AUTH_AUDIT_BROKEN
from telemetry.emit.metrics import Metrics

EVERY_SECONDS = 60.0
# An audit logger: its lines are on disk before the call returns, so that a killed process loses none.
_log = logging.getLogger("audit.auth")


class AuditAnchor:
    """Anchors the head and walks the trail. Methods block on the database."""

    def __init__(self, vault: Vault, metrics: Metrics) -> None:
        self._vault = vault
        self._broken = metrics.gauge(AUTH_AUDIT_BROKEN)
        self._last: AuditHead | None = None

    @property
    def anchors(self) -> tuple[AuditHead, ...]:
        """What this process has anchored, to hold the trail against: the last head."""
        return () if self._last is None else (self._last,)

    def look(self) -> None:
        """Walk the trail up to the last anchor and on, say what is wrong, and anchor its head. Nothing while sealed.

        A trail that is broken is not anchored again: the anchor from before is what shows the damage.
        """
        if self._vault.sealed:
            return
        report = self._vault.verify_audit(self.anchors)
        self._broken.set(not report.whole)
        fields = {"sequence": str(report.head.sequence), "mac": report.head.mac}
        if not report.whole:
            _log.critical("the audit trail is broken: %s", report.problem, extra={"fields": fields})
            return
        self._last = report.head
        _log.info("audit head %d is %s", report.head.sequence, report.head.mac, extra={"fields": fields})
