"""Follows each account on its way from SMS to TOTP, by what happened to it.

A stored seed makes it `totp_pending` (enrolment says so). A login that succeeded with one of the seed's codes makes it
`totp_verified`. That the broker no longer offers SMS only a person can tell: `sms_removed`. A code that comes by SMS
all the same takes that back.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, select

from services.auth import mfa
from services.auth.accounts import Account, MfaMethod
from services.auth.sessions.attempts import SUCCEEDED
from services.auth.sms.receiver import Registry
from services.auth.tables import LOGIN_ATTEMPTS, MFA_STAGES, TOTP_CLAIMS
from services.auth.transactions import Readings, Transactions
from services.contracts.auth import AccountId, MfaStage
from services.kit.clock import Clock

EVERY_SECONDS: Final = 10.0
_BY_CODE: Final = frozenset({MfaMethod.SMS, MfaMethod.TOTP})


class MfaTracker:
    """Synchronous; what it goes by is on disk, so nothing is missed when the service was away meanwhile."""

    def __init__(self, transactions: Transactions, readings: Readings, accounts: Registry, clock: Clock) -> None:
        self._transactions = transactions
        self._readings = readings
        self._accounts = accounts
        self._clock = clock

    def look(self) -> None:
        """Note which seeds have logged in since the last look.

        Raises:
            DatabaseError: It cannot be read or written.
        """
        with self._readings.reading() as connection:
            proven = _proven(connection)
        for account in proven:
            with self._transactions.transaction() as tx:
                # Read again: a new seed may have been enrolled meanwhile.
                if account in _proven(tx.connection):
                    mfa.reach(tx, account, MfaStage.TOTP_VERIFIED, self._clock.now())

    def sms_removed(self, name: AccountId) -> MfaStage:
        """A person says that the broker sends this account no text messages any more.

        Raises:
            NoSuchAccountError: Nobody registered it.
            MfaStageOrderError: No login with its seed has succeeded yet.
        """
        with self._transactions.transaction() as tx:
            self._accounts.get(tx.connection, name)
            mfa.reach(tx, name, MfaStage.SMS_REMOVED, self._clock.now())
        return MfaStage.SMS_REMOVED

    def still_on_sms(self) -> Sequence[tuple[Account, MfaStage]]:
        """Accounts whose codes may still come by text message, by name."""
        with self._readings.reading() as connection:
            stages = [(each, mfa.stage_of(connection, each.name)) for each in self._accounts.all(connection)]
        return [(each, stage) for each, stage in stages if each.mfa in _BY_CODE and stage is not MfaStage.SMS_REMOVED]


def _proven(connection: Connection) -> list[AccountId]:
    """Accounts with a login that succeeded after their seed was stored, and a code that was claimed during it."""
    query = (
        select(MFA_STAGES.c.account)
        .join(LOGIN_ATTEMPTS, LOGIN_ATTEMPTS.c.account == MFA_STAGES.c.account)
        .join(TOTP_CLAIMS, TOTP_CLAIMS.c.account == MFA_STAGES.c.account)
        .where(
            MFA_STAGES.c.stage == MfaStage.TOTP_PENDING,
            LOGIN_ATTEMPTS.c.outcome == SUCCEEDED,
            LOGIN_ATTEMPTS.c.submitted_at_us >= MFA_STAGES.c.reached_at_us,
            TOTP_CLAIMS.c.claimed_at_us >= LOGIN_ATTEMPTS.c.submitted_at_us,
            # The code that confirmed the seed was claimed when it was stored.
            TOTP_CLAIMS.c.claimed_at_us > MFA_STAGES.c.reached_at_us,
        )
    )
    return sorted(AccountId(account) for account in connection.execute(query.distinct()).scalars())
