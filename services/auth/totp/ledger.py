"""Which time steps are spent. A code is claimed here before it leaves the service, and never given back."""

from datetime import datetime

from sqlalchemy import Connection, delete, select, text

from services.auth.tables import TOTP_CLAIMS
from services.kit.moments import microseconds

# One statement: two claims of one step cannot both find it free, whatever the processes do.
_CLAIM = text(
    "INSERT INTO totp_claims (account, period_seconds, last_step, claimed_at_us)"
    " VALUES (:account, :period_seconds, :step, :now_us)"
    " ON CONFLICT (account, period_seconds) DO UPDATE"
    " SET last_step = excluded.last_step, claimed_at_us = excluded.claimed_at_us"
    " WHERE totp_claims.last_step < excluded.last_step"
    " RETURNING last_step"
)


def claim(connection: Connection, account: str, *, period_seconds: int, step: int, now: datetime) -> bool:
    """Spend a step, if no code of it or of a later one was handed out; True if it is the caller's now.

    Only a durable transaction makes it so: one that a power cut undoes would hand the code out twice.
    """
    values = {"account": account, "period_seconds": period_seconds, "step": step, "now_us": microseconds(now)}
    return connection.execute(_CLAIM, values).one_or_none() is not None


def last_step(connection: Connection, account: str, *, period_seconds: int) -> int | None:
    """The last step that was spent, or None."""
    mine = (TOTP_CLAIMS.c.account == account) & (TOTP_CLAIMS.c.period_seconds == period_seconds)
    found: int | None = connection.execute(select(TOTP_CLAIMS.c.last_step).where(mine)).scalar_one_or_none()
    return found


def forget(connection: Connection, account: str) -> None:
    """Begin anew, for a seed that is another one: its codes have never been handed out."""
    connection.execute(delete(TOTP_CLAIMS).where(TOTP_CLAIMS.c.account == account))
