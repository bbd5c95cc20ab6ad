"""Single flight: one login of an account at a time, over threads, processes and hosts that share the database.

A lease names its holder and carries a fence, a number that grows with every change of holder. A holder that was paused
for longer than its lease still believes that it holds it; the fence is how each of its later writes is told from those
of its successor.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, text, update

from services.auth.errors import FencedOffError, LeaseHeldError
from services.auth.tables import LOGIN_LEASES
from services.contracts.auth import AccountId
from services.kit.moments import microseconds

# One statement: two takers cannot both find the lease free.
_ACQUIRE = text(
    "INSERT INTO login_leases (account, holder, fence, expires_at_us) VALUES (:account, :holder, 1, :expires_at_us)"
    " ON CONFLICT (account) DO UPDATE"
    " SET holder = excluded.holder, fence = login_leases.fence + 1, expires_at_us = excluded.expires_at_us"
    " WHERE login_leases.expires_at_us <= :now_us"
    " RETURNING fence"
)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to log an account in, until `expires_at` or until someone takes over."""

    account: AccountId
    holder: str
    fence: int
    expires_at: datetime


def acquire(connection: Connection, account: AccountId, holder: str, *, now: datetime, life: timedelta) -> Lease:
    """Take the lease if it is free or has run out.

    Raises:
        LeaseHeldError: Another holds it. So does the same holder's earlier lease: a holder is one login, not a process.
    """
    values = {
        "account": account,
        "holder": holder,
        "now_us": microseconds(now),
        "expires_at_us": microseconds(now + life),
    }
    fence: int | None = connection.execute(_ACQUIRE, values).scalar_one_or_none()
    if fence is None:
        raise LeaseHeldError
    return Lease(account, holder, fence, now + life)


def renew(connection: Connection, lease: Lease, *, now: datetime, life: timedelta) -> Lease:
    """Hold on for longer; also after it ran out, as long as nobody took over.

    Raises:
        FencedOffError: Another holds it.
    """
    _change(connection, lease, now + life)
    return Lease(lease.account, lease.holder, lease.fence, now + life)


def release(connection: Connection, lease: Lease, *, now: datetime) -> None:
    """Give it back. The fence stays, so that the next holder's is greater.

    Raises:
        FencedOffError: Another holds it.
    """
    _change(connection, lease, now)


def require(connection: Connection, lease: Lease) -> None:
    """Make sure that nobody took over, and keep others from it until the transaction ends.

    Every write of a login goes into the transaction that calls this first. A lease that ran out still counts while
    nobody has taken it: then nobody else has acted either.

    Raises:
        FencedOffError: Another holds it.
    """
    query = select(LOGIN_LEASES.c.fence).where(LOGIN_LEASES.c.account == lease.account).with_for_update()
    if connection.execute(query).scalar_one_or_none() != lease.fence:
        raise FencedOffError


def _change(connection: Connection, lease: Lease, expires_at: datetime) -> None:
    mine = (LOGIN_LEASES.c.account == lease.account) & (LOGIN_LEASES.c.fence == lease.fence)
    changed = connection.execute(update(LOGIN_LEASES).where(mine).values(expires_at_us=microseconds(expires_at)))
    if changed.rowcount == 0:
        raise FencedOffError
