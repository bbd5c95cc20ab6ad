"""Whether a venue holds what our fills come to, told apart from positions that were moving while they were compared."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlalchemy import Connection

from services.contracts.market import Symbol
from services.contracts.orders import Fill, VenueName

_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionDrift:
    """A venue holds something else than our fills come to. Shares, negative when short."""

    symbol: Symbol
    ours: Decimal
    theirs: Decimal


class PositionWatch:
    """Compares positions. Safe to use from any thread.

    A snapshot is not of one moment: a fill may fall between its orders and its positions. So where orders work or
    fills were booked meanwhile, a difference counts only when the next comparison finds the same one.

    Args:
        held: What our ledger says that a venue holds.
    """

    def __init__(self, held: Callable[[Connection, VenueName], Mapping[Symbol, Decimal]]) -> None:
        self._held = held
        self._lock = threading.Lock()
        self._booked_at: dict[tuple[VenueName, Symbol], datetime] = {}
        self._suspects: dict[VenueName, frozenset[PositionDrift]] = {}

    def booked(self, fills: Iterable[Fill], at: datetime) -> None:
        """Take note of fills that were booked."""
        with self._lock:
            for fill in fills:
                self._booked_at[(fill.venue, fill.symbol)] = at

    def compare(
        self,
        connection: Connection,
        venue: VenueName,
        theirs: Mapping[Symbol, Decimal],
        moving: Collection[Symbol],
        asked_at: datetime,
    ) -> tuple[PositionDrift, ...]:
        """The differences that count, by symbol. `moving` are the symbols in which orders work."""
        ours = self._held(connection, venue)
        found = [
            PositionDrift(symbol=symbol, ours=ours.get(symbol, _NOTHING), theirs=theirs.get(symbol, _NOTHING))
            for symbol in sorted({*ours, *theirs})
            if ours.get(symbol, _NOTHING) != theirs.get(symbol, _NOTHING)
        ]
        with self._lock:
            suspects = self._suspects.get(venue, frozenset())
            self._suspects[venue] = frozenset(found)
            return tuple(
                drift for drift in found if drift in suspects or not self._in_motion(venue, drift, moving, asked_at)
            )

    def _in_motion(
        self, venue: VenueName, drift: PositionDrift, moving: Collection[Symbol], asked_at: datetime
    ) -> bool:
        booked_at = self._booked_at.get((venue, drift.symbol))
        return drift.symbol in moving or (booked_at is not None and booked_at >= asked_at)
