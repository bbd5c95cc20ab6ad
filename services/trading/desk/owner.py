"""One process trades on a database: who that is stands in a row with a fence, a number that grows with each change.

A process that was paused for longer than its lease still believes that it trades; the fence is how each of its later
writes is told from those of its successor, and the end of its lease by its own monotonic clock is how it is kept from
sending anything.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, select, text, update

from services.kit.clock import Clock
from services.kit.moments import microseconds
from services.kit.prepared import Prepared
from services.trading.desk.errors import NotOwnerError
from services.trading.desk.processes import surely_gone
from services.trading.desk.tables import TRADING_OWNER
from services.trading.orders.transactions import Transaction, Transactions

LEASE_LIFE: Final = timedelta(seconds=15)
_NAME: Final = "trading"
_MARGIN: Final = 0.2  # of a lease's life: a call that begins within it must be out before another may take over

_log = logging.getLogger("services.trading.desk.owner")

_FENCE: Final = Prepared(select(TRADING_OWNER.c.fence).where(TRADING_OWNER.c.name == bindparam("of")).with_for_update())

# One statement: two takers cannot both find the row free.
_CLAIM: Final = text(
    "INSERT INTO trading_owner (name, holder, fence, expires_at_us) VALUES (:name, :holder, 1, :expires_at_us)"
    " ON CONFLICT (name) DO UPDATE"
    " SET holder = excluded.holder, fence = trading_owner.fence + 1, expires_at_us = excluded.expires_at_us"
    " WHERE trading_owner.expires_at_us <= :now_us OR trading_owner.fence = :beaten"
    " RETURNING fence"
)


class Owner:
    """This process' claim to be the one that trades.

    Args:
        transactions: Where the row is.
        clock: Says what has run out.
        process: Names this process, see `processes.this_process`.
        life: After this time without renewal another process may take over.
    """

    def __init__(self, transactions: Transactions, clock: Clock, process: str, *, life: timedelta = LEASE_LIFE) -> None:
        self._transactions = transactions
        self._clock = clock
        self._process = process
        self._life = life
        self._lock = threading.Lock()  # one claim or renewal at a time
        self._fence: int | None = None
        self._sure_until = 0.0

    @property
    def fence(self) -> int | None:
        """The number of this process' turn; None when it is not the one that trades."""
        return self._fence

    @property
    def sure(self) -> bool:
        """Whether nobody can have taken over by now. What goes out to a venue goes out only then."""
        return self._fence is not None and self._clock.monotonic() < self._sure_until

    def claim(self, *, force: bool = False) -> bool:
        """Become the one that trades, if nobody is; True when this process is it afterwards.

        Args:
            force: Take over also from a process that lives: for the kill switch.

        Raises:
            DatabaseError: The database is away.
        """
        with self._lock:
            if self._fence is not None:
                return True
            begun = self._clock.monotonic()
            with self._transactions.transaction(durable=True) as tx:
                fence = self._take(tx.connection, force=force)
            if fence is None:
                return False
            self._fence = fence
            self._hold_from(begun)
        _log.info("this process trades now, turn %d", fence)
        return True

    def renew(self) -> bool:
        """Hold on for longer; False when another process has taken over.

        Raises:
            DatabaseError: The database is away. The lease runs on until its end.
        """
        with self._lock:
            if self._fence is None:
                return False
            begun = self._clock.monotonic()
            held = self._extend(self._fence, self._life)
            if held:
                self._hold_from(begun)
            else:
                self._fence = None
        if not held:
            _log.warning("another process trades now; this one only shows")
        return held

    def release(self) -> None:
        """Let another process take over at once.

        Raises:
            DatabaseError: The database is away; the lease runs out by itself.
        """
        with self._lock:
            fence, self._fence = self._fence, None
            if fence is not None:
                self._extend(fence, timedelta(0))

    def require(self, connection: Connection) -> None:
        """Make sure that nobody took over, and keep others from it until the transaction ends.

        Raises:
            NotOwnerError: Another process trades, or none.
        """
        fence = self._fence
        if fence is None or _FENCE.rows(connection, {"of": _NAME}) != [{"fence": fence}]:
            raise NotOwnerError

    def _take(self, connection: Connection, *, force: bool) -> int | None:
        now = self._clock.now()
        values = {
            "name": _NAME,
            "holder": self._process,
            "now_us": microseconds(now),
            "expires_at_us": microseconds(now + self._life),
            "beaten": self._beaten(connection, force=force),
        }
        fence: int | None = connection.execute(_CLAIM, values).scalar_one_or_none()
        return fence

    def _beaten(self, connection: Connection, *, force: bool) -> int:
        """The turn that need not be waited for: that of a process that is gone, or with `force` of any; 0 for none."""
        row = connection.execute(select(TRADING_OWNER).where(TRADING_OWNER.c.name == _NAME)).one_or_none()
        return row.fence if row is not None and (force or surely_gone(row.holder, self._process)) else 0

    def _extend(self, fence: int, life: timedelta) -> bool:
        expires_at_us = microseconds(self._clock.now() + life)
        mine = (TRADING_OWNER.c.name == _NAME) & (TRADING_OWNER.c.fence == fence)
        with self._transactions.transaction() as tx:
            changed = tx.connection.execute(update(TRADING_OWNER).where(mine).values(expires_at_us=expires_at_us))
        return changed.rowcount == 1

    def _hold_from(self, begun: float) -> None:
        self._sure_until = begun + self._life.total_seconds() * (1 - _MARGIN)


class Fenced:
    """Transactions that commit only while this process is the one that trades."""

    def __init__(self, transactions: Transactions, owner: Owner) -> None:
        self._transactions = transactions
        self._owner = owner

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[Transaction]:
        """As `Facts.transaction`.

        Raises:
            NotOwnerError: Another process trades; nothing was written.
        """
        with self._transactions.transaction(durable=durable) as tx:
            self._owner.require(tx.connection)
            yield tx

    def sync(self) -> None:
        """As `Facts.sync`."""
        self._transactions.sync()
