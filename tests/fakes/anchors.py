"""Heads of an audit trail that were noted elsewhere, under orders."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.auth.vault.audit import Anchor


@dataclass
class FakeAnchors:
    """Gives `anchors`, or raises `away`."""

    anchors: Sequence[Anchor] = ()
    away: Exception | None = None

    async def read(self) -> Sequence[Anchor]:
        if self.away is not None:
            raise self.away
        return self.anchors
