"""Every submission to a broker, written down before it is sent, and what became of it."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from services.auth.errors import AttemptBudgetExhaustedError
from services.auth.sessions.budget import LIMITS, Budget, budget
from services.auth.sessions.lease import Lease, require
from services.auth.tables import LOGIN_ATTEMPTS
from services.contracts.auth import AccountId, LoginFailure, LoginMethod
from services.kit.moments import microseconds, moment

SUCCEEDED: Final = "succeeded"
KEPT: Final = timedelta(days=90)
_LONGEST_WINDOW: Final = max(limit.window for limit in LIMITS)


def left(connection: Connection, account: AccountId, now: datetime) -> Budget:
    """What the account's budget holds now."""
    return budget(_submissions(connection, account, now), now)


def reserve(connection: Connection, lease: Lease, attempt_id: str, method: LoginMethod, now: datetime) -> None:
    """Take one submission out of the budget, in a durable transaction that ends before anything is sent.

    What fails afterwards does not give it back: it may have been sent. If it cannot be written, nothing may be sent.

    Raises:
        AttemptBudgetExhaustedError: None is left.
        FencedOffError: Another holds the lease.
    """
    require(connection, lease)
    allowed = left(connection, lease.account, now)
    if allowed.remaining == 0:
        wait = (allowed.allowed_at - now).total_seconds()
        raise AttemptBudgetExhaustedError(allowed_at=allowed.allowed_at, wait_seconds=wait)
    values = {"account": lease.account, "method": method, "submitted_at_us": microseconds(now)}
    connection.execute(insert(LOGIN_ATTEMPTS).values(attempt_id=attempt_id, **values))


def conclude(connection: Connection, attempt_id: str, failure: LoginFailure | None) -> None:
    """Note what became of a submission; None for success."""
    outcome = SUCCEEDED if failure is None else failure.value
    mine = LOGIN_ATTEMPTS.c.attempt_id == attempt_id
    connection.execute(update(LOGIN_ATTEMPTS).where(mine).values(outcome=outcome))


def unfinished(connection: Connection, account: AccountId) -> list[str]:
    """Submissions of which nothing was heard, oldest first: after a restart, probe before anything else."""
    query = select(LOGIN_ATTEMPTS.c.attempt_id).where(
        LOGIN_ATTEMPTS.c.account == account, LOGIN_ATTEMPTS.c.outcome.is_(None)
    )
    return list(connection.execute(query.order_by(LOGIN_ATTEMPTS.c.submitted_at_us)).scalars())


def discard_old(connection: Connection, now: datetime) -> int:
    """Delete submissions older than `KEPT`; returns how many.

    Far longer than the budget looks back, so that a clock that is a day ahead does not give attempts back.
    """
    old = LOGIN_ATTEMPTS.c.submitted_at_us < microseconds(now - KEPT)
    return connection.execute(delete(LOGIN_ATTEMPTS).where(old)).rowcount


def _submissions(connection: Connection, account: AccountId, now: datetime) -> list[datetime]:
    query = select(LOGIN_ATTEMPTS.c.submitted_at_us).where(
        LOGIN_ATTEMPTS.c.account == account,
        LOGIN_ATTEMPTS.c.submitted_at_us > microseconds(now - _LONGEST_WINDOW),
    )
    return [moment(count) for count in connection.execute(query).scalars()]
