"""Taking verdicts back. Kept on disk: a restart must not bring a revoked verdict back to life."""

from datetime import datetime
from http import HTTPStatus

from sqlalchemy import Connection, select, text

from services.auth.errors import AuthError
from services.auth.tables import ACCOUNTS, VERDICT_REVOCATIONS
from services.auth.transactions import Transaction
from services.contracts.auth import AccountId, VerdictsRevoked
from services.kit.moments import microseconds, moment

_LONGEST_REASON = 200

# One statement, and never back in time: of two revocations the later one counts, in whatever order they arrive.
_REVOKE = text(
    "INSERT INTO verdict_revocations (account, revoked_at_us, reason) VALUES (:account, :revoked_at_us, :reason)"
    " ON CONFLICT (account) DO UPDATE SET revoked_at_us = excluded.revoked_at_us, reason = excluded.reason"
    " WHERE verdict_revocations.revoked_at_us < excluded.revoked_at_us"
)


class RevokedMeanwhileError(AuthError):
    """Verdicts were revoked after the checks had begun, so what the checks saw does not count any more."""

    status_code = HTTPStatus.CONFLICT
    code = "revoked_meanwhile"
    title = "Verdicts were revoked meanwhile"

    def __init__(self) -> None:
        super().__init__("The checks began before the last revocation. Ask for a new preflight.")


def hold(connection: Connection, account: AccountId) -> None:
    """Let signing and revoking take turns until the transaction ends; before the clock is read for either.

    Otherwise a verdict could be signed after a revocation that it has not seen. On SQLite a transaction does so anyway.
    """
    connection.execute(select(ACCOUNTS.c.account).where(ACCOUNTS.c.account == account).with_for_update())


def revoke(tx: Transaction, account: AccountId, now: datetime, reason: str) -> None:
    """Make every verdict about the account that was signed up to `now` void, and state the fact.

    `reason` is for people, holds no secret, and is cut at 200 characters. Belongs in a durable transaction.
    """
    told = reason[:_LONGEST_REASON]
    tx.connection.execute(_REVOKE, {"account": account, "revoked_at_us": microseconds(now), "reason": told})
    tx.record(VerdictsRevoked(subject=account, revoked_at=now, reason=told))


def revoked_until(connection: Connection, account: AccountId) -> datetime | None:
    """The moment up to which the account's verdicts are void; None when none was ever revoked."""
    query = select(VERDICT_REVOCATIONS.c.revoked_at_us).where(VERDICT_REVOCATIONS.c.account == account)
    found: int | None = connection.execute(query).scalar_one_or_none()
    return None if found is None else moment(found)
