"""Sessions on disk, so that counts and waiting times outlive a restart."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from services.auth.sessions.lease import Lease, require
from services.auth.sessions.session import Session, State, new_session
from services.auth.tables import LOGIN_SESSIONS
from services.contracts.auth import AccountId, BlockReason
from services.kit.moments import microseconds, moment


def load(connection: Connection, account: AccountId, now: datetime) -> Session:
    """The account's session; one never heard of is signed out."""
    query = select(LOGIN_SESSIONS).where(LOGIN_SESSIONS.c.account == account)
    row = connection.execute(query).mappings().one_or_none()
    return new_session(now) if row is None else _session(row)


def save(connection: Connection, lease: Lease, session: Session) -> None:
    """Store the session under the lease.

    Raises:
        FencedOffError: Another holds the lease: its session is the one that counts.
    """
    require(connection, lease)
    values = {"fence": lease.fence, **_values(session)}
    mine = LOGIN_SESSIONS.c.account == lease.account
    if connection.execute(update(LOGIN_SESSIONS).where(mine).values(values)).rowcount == 0:
        connection.execute(insert(LOGIN_SESSIONS).values(account=lease.account, **values))


def _values(session: Session) -> dict[str, Any]:
    return {
        "state": session.state,
        "refused_codes": session.refused_codes,
        "failures": session.failures,
        "changed_at_us": microseconds(session.changed_at),
        "resume_at_us": _count(session.resume_at),
        "started_at_us": _count(session.started_at),
        "expires_at_us": _count(session.expires_at),
        "block_reason": session.block_reason,
    }


def _session(row: RowMapping) -> Session:
    reason = row["block_reason"]
    return Session(
        state=State(row["state"]),
        changed_at=moment(row["changed_at_us"]),
        refused_codes=row["refused_codes"],
        failures=row["failures"],
        resume_at=_moment(row["resume_at_us"]),
        started_at=_moment(row["started_at_us"]),
        expires_at=_moment(row["expires_at_us"]),
        block_reason=None if reason is None else BlockReason(reason),
    )


def _count(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def _moment(count: int | None) -> datetime | None:
    return None if count is None else moment(count)
