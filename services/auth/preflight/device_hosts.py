"""On which host a device token was first seen. A new token is made where the account logs in."""

from sqlalchemy import Connection, select, text

from services.auth.tables import DEVICE_HOSTS
from services.contracts.auth import AccountId

_NOTE = text(
    "INSERT INTO device_hosts (account, generation, host) VALUES (:account, :generation, :host)"
    " ON CONFLICT (account) DO UPDATE SET generation = excluded.generation, host = excluded.host"
    " WHERE device_hosts.generation <> excluded.generation"
)


def host_of(connection: Connection, account: AccountId, generation: int) -> str | None:
    """The host where this generation of the account's token was first seen; None when it is seen for the first time."""
    mine = (DEVICE_HOSTS.c.account == account) & (DEVICE_HOSTS.c.generation == generation)
    host: str | None = connection.execute(select(DEVICE_HOSTS.c.host).where(mine)).scalar_one_or_none()
    return host


def note(connection: Connection, account: AccountId, generation: int, host: str) -> None:
    """Keep where a generation was seen first; a later sight of the same generation changes nothing."""
    connection.execute(_NOTE, {"account": account, "generation": generation, "host": host})
