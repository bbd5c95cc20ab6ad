"""Remembers which caller tokens were used, across restarts and processes."""

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError

from services.kit.clock import Clock
from services.kit.database import Database
from services.kit.tables import SPENT_TOKENS

_PURGE_EVERY_SECONDS = 60.0


class DatabaseSpentTokens:
    """Keeps spent tokens in the service's database until they expire."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._purged_at = float("-inf")

    def spend(self, token_id: str, expires_at: float) -> bool:
        try:
            # The primary key decides between processes that are handed the same token at once.
            with self._database.transaction() as connection:
                connection.execute(insert(SPENT_TOKENS).values(token_id=token_id, expires_at=expires_at))
                if self._clock.monotonic() - self._purged_at >= _PURGE_EVERY_SECONDS:
                    self._purged_at = self._clock.monotonic()
                    expired = SPENT_TOKENS.c.expires_at <= self._clock.now().timestamp()
                    connection.execute(delete(SPENT_TOKENS).where(expired))
        except IntegrityError:
            return False
        return True
