"""Keeps the counters of rate limits in the service's database, so that a restart does not reset them."""

from math import floor

from limits.storage import SlidingWindowCounterSupport, Storage
from limits.storage.base import TimestampedSlidingWindow
from sqlalchemy import Connection, case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.tables import RATE_LIMITS

_PURGE_EVERY_SECONDS = 60.0


class DatabaseLimitStorage(Storage, SlidingWindowCounterSupport, TimestampedSlidingWindow):
    """Storage of the `limits` library over the table `rate_limits`; expiry and windows are in seconds.

    A hit is one transaction: it adds to the counter, which locks the counter's row, and is rolled back where the sum
    is over the limit. So many processes may share one limit and none of them lets one call too many through.
    """

    STORAGE_SCHEME = None  # not reached by URI, so not registered

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__()
        self._database = database
        self._clock = clock
        self._purged_at = float("-inf")

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return SQLAlchemyError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        with self._database.transaction() as connection:
            self._purge(connection)
            return self._add(connection, key, expiry, amount)

    def get(self, key: str) -> int:
        with self._database.reading() as connection:
            return self._hits(connection, key)

    def get_expiry(self, key: str) -> float:
        """Unix seconds at which the counter starts anew; now when there is none."""
        now = self._now()
        with self._database.reading() as connection:
            expires_at = connection.scalar(select(RATE_LIMITS.c.expires_at).where(RATE_LIMITS.c.key == key))
        return now if expires_at is None or expires_at <= now else float(expires_at)

    def check(self) -> bool:
        self._database.ping()
        return True

    def reset(self) -> int | None:
        with self._database.transaction() as connection:
            return connection.execute(delete(RATE_LIMITS)).rowcount

    def clear(self, key: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(delete(RATE_LIMITS).where(RATE_LIMITS.c.key == key))

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        try:
            with self._database.transaction() as connection:
                self._purge(connection)
                self._hit(connection, key, limit, expiry, amount)
        except _OverLimitError:
            return False
        return True

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        now = self._now()
        previous_key, current_key = self.sliding_window_keys(key, expiry, now)
        with self._database.reading() as connection:
            previous = self._hits(connection, previous_key)
            current = self._hits(connection, current_key)
        remaining = _remaining_share(now, expiry) * expiry
        return previous, remaining if previous else 0.0, current, remaining + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        keys = self.sliding_window_keys(key, expiry, self._now())
        with self._database.transaction() as connection:
            connection.execute(delete(RATE_LIMITS).where(RATE_LIMITS.c.key.in_(keys)))

    def _hit(self, connection: Connection, key: str, limit: int, expiry: int, amount: int) -> None:
        now = self._now()
        previous_key, current_key = self.sliding_window_keys(key, expiry, now)
        # Twice the window: it still counts, as the previous one, during the next.
        current = self._add(connection, current_key, 2 * expiry, amount)
        previous = self._hits(connection, previous_key)
        if floor(previous * _remaining_share(now, expiry)) + current > limit:
            raise _OverLimitError

    def _add(self, connection: Connection, key: str, expiry: int, amount: int) -> int:
        now = self._now()
        dialect = postgresql if self._database.dialect == "postgresql" else sqlite
        row = dialect.insert(RATE_LIMITS).values(key=key, hits=amount, expires_at=now + expiry)
        expired = RATE_LIMITS.c.expires_at <= now
        statement = row.on_conflict_do_update(
            index_elements=[RATE_LIMITS.c.key],
            set_={
                "hits": case((expired, amount), else_=RATE_LIMITS.c.hits + amount),
                "expires_at": case((expired, row.excluded.expires_at), else_=RATE_LIMITS.c.expires_at),
            },
        ).returning(RATE_LIMITS.c.hits)
        return int(connection.execute(statement).scalar_one())

    def _hits(self, connection: Connection, key: str) -> int:
        live = (RATE_LIMITS.c.key == key) & (RATE_LIMITS.c.expires_at > self._now())
        return int(connection.scalar(select(func.coalesce(func.sum(RATE_LIMITS.c.hits), 0)).where(live)) or 0)

    def _purge(self, connection: Connection) -> None:
        if self._clock.monotonic() - self._purged_at >= _PURGE_EVERY_SECONDS:
            self._purged_at = self._clock.monotonic()
            connection.execute(delete(RATE_LIMITS).where(RATE_LIMITS.c.expires_at <= self._now()))

    def _now(self) -> float:
        return self._clock.now().timestamp()


class _OverLimitError(Exception):
    """Rolls the hit back."""


def _remaining_share(now: float, expiry: int) -> float:
    """The share of the window that is still to come: the weight of the window before."""
    return 1 - (now / expiry) % 1
