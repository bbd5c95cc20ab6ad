"""How far each account has moved from codes by SMS to codes computed here."""

from datetime import datetime
from http import HTTPStatus
from typing import Final

from sqlalchemy import Connection, insert, select, update

from services.auth.errors import AuthError
from services.auth.tables import MFA_STAGES
from services.auth.transactions import Transaction
from services.contracts.auth import AccountId, MfaStage, MfaStageReached
from services.kit.moments import microseconds

# A new seed starts over from `totp_pending`: it has not logged in yet.
_NEXT: Final[dict[MfaStage, frozenset[MfaStage]]] = {
    MfaStage.SMS_ONLY: frozenset({MfaStage.TOTP_PENDING}),
    MfaStage.TOTP_PENDING: frozenset({MfaStage.TOTP_PENDING, MfaStage.TOTP_VERIFIED, MfaStage.SMS_ONLY}),
    MfaStage.TOTP_VERIFIED: frozenset({MfaStage.TOTP_PENDING, MfaStage.SMS_REMOVED}),
    MfaStage.SMS_REMOVED: frozenset({MfaStage.TOTP_PENDING, MfaStage.TOTP_VERIFIED}),
}


class MfaStageOrderError(AuthError):
    """The stages are gone through in order."""

    status_code = HTTPStatus.CONFLICT
    code = "mfa_stage_order"
    title = "This stage does not follow"

    def __init__(self, before: MfaStage, after: MfaStage) -> None:
        following = ", ".join(sorted(_NEXT[before]))
        super().__init__(f"The account is at {before}; {after} does not follow it. These do: {following}.")


def stage_of(connection: Connection, account: AccountId) -> MfaStage:
    """Where an account stands; one never heard of is still on SMS."""
    query = select(MFA_STAGES.c.stage).where(MFA_STAGES.c.account == account)
    stage: str | None = connection.execute(query).scalar_one_or_none()
    return MfaStage.SMS_ONLY if stage is None else MfaStage(stage)


def reach(tx: Transaction, account: AccountId, stage: MfaStage, now: datetime) -> None:
    """Note that an account reached a stage, and state the fact. At that stage already: nothing happens.

    Raises:
        MfaStageOrderError: The stage does not follow the one before.
    """
    before = stage_of(tx.connection, account)
    if before is stage:
        return
    if stage not in _NEXT[before]:
        raise MfaStageOrderError(before, stage)
    values = {"stage": stage, "reached_at_us": microseconds(now)}
    changed = tx.connection.execute(update(MFA_STAGES).where(MFA_STAGES.c.account == account).values(values))
    if changed.rowcount == 0:
        tx.connection.execute(insert(MFA_STAGES).values(account=account, **values))
    tx.record(MfaStageReached(subject=account, stage=stage))


def still_on_sms(connection: Connection) -> list[tuple[AccountId, MfaStage]]:
    """Accounts whose codes can still come by SMS, by name. One that was never noted is not among them."""
    query = select(MFA_STAGES.c.account, MFA_STAGES.c.stage).where(MFA_STAGES.c.stage != MfaStage.SMS_REMOVED)
    return [(AccountId(row.account), MfaStage(row.stage)) for row in connection.execute(query.order_by("account"))]
