"""Takes messages in, whichever way they come: each once, to the login that waits for it, and stated as a fact.

Nothing of a message is stored but its id, whether a login could use it or not.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from services.auth import mfa
from services.auth.accounts import Account
from services.auth.sms.correlator import Matched, SmsCorrelator, SmsMessage
from services.auth.sms.seen import Channel, claim
from services.auth.transactions import Transaction, Transactions
from services.contracts.auth import AccountId, MfaStage, SmsReceived, SmsUnmatched, UnmatchedSms
from services.kit.clock import Clock

UNLISTED: Final = "number-of-nobody"
NUMBER: Final = "sms_number"  # the field of an account's data


class Registry(Protocol):
    """Which accounts there are; `services.auth.accounts.Accounts` is one."""

    def all(self, connection: Connection) -> list[Account]:
        """Every account."""

    def get(self, connection: Connection, name: AccountId) -> Account:
        """The account of this name. Raises `NoSuchAccountError`."""


class SmsReceiver:
    """Hands messages to the correlator. Synchronous, for `asyncio.to_thread`."""

    def __init__(self, correlator: SmsCorrelator, transactions: Transactions, accounts: Registry, clock: Clock) -> None:
        self._correlator = correlator
        self._transactions = transactions
        self._accounts = accounts
        self._clock = clock

    def take(self, message: SmsMessage, channel: Channel) -> Matched | UnmatchedSms | None:
        """Take a message in; None when it came before.

        Raises:
            DatabaseError: It cannot be noted down. The login has its code all the same.
        """
        try:
            # Durable, or a power cut would let the same signed call in again.
            with self._transactions.transaction(durable=True) as tx:
                if not claim(tx.connection, message.message_id, channel):
                    return None
                taken = self._correlator.offer(message)
                if isinstance(taken, Matched):
                    self._matched(tx, taken)
                else:
                    name = number_name(self._accounts.all(tx.connection), message.number)
                    tx.record(SmsUnmatched(subject=name, reason=taken))
                return taken
        except IntegrityError:
            return None

    def _matched(self, tx: Transaction, taken: Matched) -> None:
        waited = max(0.0, taken.waited.total_seconds())
        tx.record(SmsReceived(subject=taken.account, broker=taken.broker, waited_seconds=waited))
        if mfa.stage_of(tx.connection, taken.account) is MfaStage.SMS_REMOVED:
            # The broker sends text messages after all.
            mfa.reach(tx, taken.account, MfaStage.TOTP_VERIFIED, self._clock.now())


def number_name(accounts: Iterable[Account], number: str) -> str:
    """What a receiving number is called in facts and logs: after the first account that it belongs to."""
    return next((f"number-of-{each.name}" for each in accounts if each.data.get(NUMBER) == number), UNLISTED)
