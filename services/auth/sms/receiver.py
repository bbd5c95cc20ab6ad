"""Takes messages in, whichever way they come: each once, to the login that waits for it, and stated as a fact.

Nothing of a message is stored but its id, whether a login could use it or not.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from services.auth.accounts import Account
from services.auth.sms.correlator import Matched, SmsCorrelator, SmsMessage
from services.auth.sms.seen import Channel, claim
from services.auth.transactions import Transactions
from services.contracts.auth import SmsReceived, SmsUnmatched, UnmatchedSms

UNLISTED: Final = "number-of-nobody"
NUMBER: Final = "sms_number"  # the field of an account's data


class Registry(Protocol):
    """Which accounts there are; `services.auth.accounts.Accounts` is one."""

    def all(self, connection: Connection) -> list[Account]:
        """Every account."""


class SmsReceiver:
    """Hands messages to the correlator. Synchronous, for `asyncio.to_thread`."""

    def __init__(self, correlator: SmsCorrelator, transactions: Transactions, accounts: Registry) -> None:
        self._correlator = correlator
        self._transactions = transactions
        self._accounts = accounts

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
                    waited = max(0.0, taken.waited.total_seconds())
                    tx.record(SmsReceived(subject=taken.account, broker=taken.broker, waited_seconds=waited))
                else:
                    name = number_name(self._accounts.all(tx.connection), message.number)
                    tx.record(SmsUnmatched(subject=name, reason=taken))
                return taken
        except IntegrityError:
            return None


def number_name(accounts: Iterable[Account], number: str) -> str:
    """What a receiving number is called in facts and logs: after the first account that it belongs to."""
    return next((f"number-of-{each.name}" for each in accounts if each.data.get(NUMBER) == number), UNLISTED)
