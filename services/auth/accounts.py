"""The accounts that auth looks after: which broker, which environment, how their login proves who it is.

Nothing in here is secret: secrets are in the vault, by the same name.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import Connection, RowMapping, insert, select, update

from services.auth.errors import AuthError
from services.auth.tables import ACCOUNTS
from services.auth.vault.store import INTERNAL_ACCOUNT
from services.contracts.auth import AccountId, Broker
from services.contracts.verdict import Environment
from services.kit.moments import microseconds

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MOST_DATA: Final = 20
_LONGEST: Final = 200


class MfaMethod(StrEnum):
    """How the second factor of an account's login comes."""

    NONE = "none"
    TOTP = "totp"
    SMS = "sms"
    APPROVAL = "approval"


class NoSuchAccountError(AuthError):
    """Nobody has registered an account of this name."""

    status_code = HTTPStatus.NOT_FOUND
    code = "no_such_account"
    title = "There is no such account"

    def __init__(self) -> None:
        super().__init__("`sightline auth list` shows the accounts, `sightline auth add` registers one.")


class BadAccountError(AuthError):
    """An account cannot be registered as it was given. Says which field, never its value."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "bad_account"
    title = "The account cannot be registered so"


@dataclass(frozen=True, slots=True)
class Account:
    """An account at a broker.

    Attributes:
        name: As the operator calls it: 1-64 of a-z, 0-9, ".", "_" and "-"; names its secrets in the vault too.
        mfa: How the second factor of its login comes.
        base_url: Where its broker is spoken to, without a path's last slash.
        data: What else its login needs and is no secret, such as `username` or the receiving `sms_number`.

    Raises:
        BadAccountError: A field has a form that cannot be right.
    """

    name: AccountId
    broker: Broker
    environment: Environment
    mfa: MfaMethod
    base_url: str
    data: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name == INTERNAL_ACCOUNT:  # whose records are the vault's own
            raise BadAccountError(
                'The name takes 1-64 of a-z, 0-9, ".", "_" and "-", and begins with a letter or digit.'
            )
        _check_url(self.base_url)
        if len(self.data) > _MOST_DATA or any(len(text) > _LONGEST for pair in self.data.items() for text in pair):
            raise BadAccountError(f"The further data takes {_MOST_DATA} entries of {_LONGEST} characters.")
        object.__setattr__(self, "data", MappingProxyType(dict(self.data)))


class Accounts:
    """The registry, always inside the caller's transaction.

    Args:
        seen: Told of each account that is read, so that whoever counts by account knows those added meanwhile.
    """

    def __init__(self, seen: Callable[[AccountId], None] = lambda _name: None) -> None:
        self._seen = seen

    def get(self, connection: Connection, name: AccountId) -> Account:
        """The account of this name. Raises `NoSuchAccountError`."""
        row = connection.execute(select(ACCOUNTS).where(ACCOUNTS.c.account == name)).mappings().one_or_none()
        if row is None:
            raise NoSuchAccountError
        return self._read(row)

    def all(self, connection: Connection) -> list[Account]:
        """Every account, by name."""
        rows = connection.execute(select(ACCOUNTS).order_by(ACCOUNTS.c.account)).mappings()
        return [self._read(row) for row in rows]

    def put(self, connection: Connection, account: Account, now: datetime) -> None:
        """Register an account, or change what is known of the one of that name."""
        values = {
            "broker": account.broker,
            "environment": account.environment,
            "mfa": account.mfa,
            "base_url": account.base_url,
            "data": json.dumps(dict(account.data), sort_keys=True),
            "changed_at_us": microseconds(now),
        }
        mine = ACCOUNTS.c.account == account.name
        if connection.execute(update(ACCOUNTS).where(mine).values(values)).rowcount == 0:
            connection.execute(insert(ACCOUNTS).values(account=account.name, **values))

    def _read(self, row: RowMapping) -> Account:
        account = Account(
            name=AccountId(row["account"]),
            broker=Broker(row["broker"]),
            environment=Environment(row["environment"]),
            mfa=MfaMethod(row["mfa"]),
            base_url=row["base_url"],
            data=json.loads(row["data"]),
        )
        self._seen(account.name)
        return account


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        raise BadAccountError("The base URL is none.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_fits or len(url) > _LONGEST:
        raise BadAccountError("The base URL is an address such as https://api.example.com.")
    if parts.username or parts.password or parts.query or parts.fragment or url.endswith("/"):
        raise BadAccountError("The base URL takes neither user, password, query nor a slash at its end.")
