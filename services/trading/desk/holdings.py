"""What is held, in memory: an order is judged by it without reading every position that there ever was."""

import threading
from collections.abc import Iterable, Mapping

from services.trading.orders.transactions import Readings
from services.trading.portfolio import store
from services.trading.portfolio.position import Position
from services.trading.portfolio.sessions import PositionKey


class Holdings:
    """Positions as of the last commit that was told. Safe to use from any thread.

    What changed is read again when it is asked for next, and not worked in here: two commits may be told of in another
    order than they happened in.

    Args:
        readings: Where the positions are.
    """

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._reading = threading.Lock()
        self._known: dict[PositionKey, Position] = {}
        self._lock = threading.Lock()
        self._changed: set[PositionKey] = set()
        self._whole = False

    def changed(self, keys: Iterable[PositionKey]) -> None:
        """Positions have changed, and that is committed."""
        with self._lock:
            self._changed.update(keys)

    def forget(self) -> None:
        """Anything may have changed: another process has traded, or positions were taken over."""
        with self._lock:
            self._whole = False

    def now(self) -> Mapping[PositionKey, Position]:
        """What is held, by venue and symbol; what is closed is left out.

        Raises:
            DatabaseError: What has changed cannot be read.
        """
        with self._reading:
            with self._lock:
                changed, whole = frozenset(self._changed), self._whole
                self._changed, self._whole = set(), True
            try:
                self._read(changed, whole=whole)
            except BaseException:
                self.forget()
                raise
            return self._known

    def _read(self, changed: frozenset[PositionKey], *, whole: bool) -> None:
        if whole and not changed:
            return
        with self._readings.reading() as connection:
            if whole:
                found = [store.position_of(connection, key) for key in changed]
            else:
                found = list(store.positions(connection))
        known = {**self._known} if whole else {}
        known.update({(each.venue, each.symbol): each for each in found})
        self._known = {key: each for key, each in known.items() if each.quantity}
