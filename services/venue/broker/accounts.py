"""Accounts of the paper broker."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from services.matching.account import Account

MARGIN: Final = 2


@dataclass(slots=True, kw_only=True)
class PaperAccount:
    """An account and its key.

    Attributes:
        number: As Alpaca shows it to people.
        secret_digest: SHA-256 of the secret key, hexadecimal; the key itself is not kept.
        money: Cash, in dollars, and what is held.
        last_equity: Equity at the last close, in dollars.
        multiplier: Dollars of buying power for each dollar of equity: 1 lends nothing, 2 is a margin account.
        shorting: May sell what it does not hold.
        trading_blocked: No new orders.
        expired: The key is refused from now on.
    """

    account_id: str
    name: str
    number: str
    key_id: str
    secret_digest: str = field(repr=False)
    created_at: datetime
    money: Account
    last_equity: Decimal
    multiplier: int = MARGIN
    shorting: bool = True
    trading_blocked: bool = False
    expired: bool = False

    def owns(self, secret: str) -> bool:
        """Whether this is the account's secret key."""
        return hmac.compare_digest(self.secret_digest, digest_of(secret))


def digest_of(secret: str) -> str:
    """How a secret key is kept. Keys are random and long, so that one round is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
