"""Knows how far the audit trail was found whole, so that a look at it costs what is new and not what is old.

A row that was walked over is not read again by each look: an edit of it shows when the whole is walked, which happens
at the start, each hour, and each minute for as long as something is wrong.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from services.auth.transactions import Readings
from services.auth.vault.audit import UNWALKED, Anchor, AuditReport, Walked
from services.auth.vault.vault import Vault
from services.kit.clock import Clock

WHOLE_EVERY: Final = timedelta(hours=1)


class AuditWatch:
    """Walks the trail; methods block on the database. Safe to call from several threads."""

    def __init__(self, vault: Vault, readings: Readings, clock: Clock) -> None:
        self._vault = vault
        self._readings = readings
        self._clock = clock
        self._walked: Walked = UNWALKED
        self._whole_at: float | None = None
        self._broken = ""  # what the last walk of the whole found
        self._noting = threading.Lock()
        self._first = threading.Lock()

    @property
    def whole_is_due(self) -> bool:
        """Whether the whole has to be walked again: an hour has passed, something was wrong, or it never was."""
        if self._whole_at is None or self._broken:
            return True
        return self._clock.monotonic() - self._whole_at >= WHOLE_EVERY.total_seconds()

    @contextmanager
    def followed(
        self, anchors: Iterable[Anchor] = (), *, whole: bool = False
    ) -> Iterator[tuple[Connection, AuditReport]]:
        """Walk on from where the trail was found whole, and hold it against what was anchored elsewhere.

        Args:
            anchors: Those that this trail's key did not seal are passed over.
            whole: Walk from the first row on.

        Yields:
            The view of the database that was walked in, and what was found.

        Raises:
            SealedError: The vault is sealed.
            AuditBrokenError: The trail has lost its head.
        """
        audit = self._vault.open_state().audit
        known = [anchor for anchor in anchors if audit.is_ours(anchor)]
        # One goes first along a trail that nobody has walked yet; the others walk on from where it ended.
        with self._first if self._walked is UNWALKED else nullcontext():
            # Before the view is opened: what others have walked since then may not be in it.
            since = UNWALKED if whole else self._walked
            with self._readings.reading() as connection:
                report = audit.verify(connection, known, since)
                self._note(report, whole=since is UNWALKED)
                yield connection, report if report.problem else replace(report, problem=self._broken)

    def _note(self, report: AuditReport, *, whole: bool) -> None:
        with self._noting:
            if whole:
                self._broken, self._whole_at = report.problem, self._clock.monotonic()
            if report.whole and report.walked.head.sequence > self._walked.head.sequence:
                self._walked = report.walked
