"""Opening what auth stands on: for the service, and for an operator who works on the vault itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.auth.accounts import Accounts
from services.auth.door import VaultDoor
from services.auth.instruments import TABLE
from services.auth.key_sources import KeySources
from services.auth.operations import Operations
from services.auth.settings import AuthSettings
from services.auth.totp.clock_offset import ClockWatch
from services.auth.vault.compared import ComparedSecrets
from services.auth.vault.permissions import require_private, store_paths
from services.auth.vault.vault import Vault
from services.kit.chassis import Chassis
from services.kit.clock import Clock

_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
# Few and telling: a login that went wrong must be found again whatever the sampling is.
_ALWAYS_TRACED = ("/sessions", "/accounts", "/preflight", "/leases", "/vault", "/sms")


def open_chassis(settings: AuthSettings, *, clock: Clock | None = None) -> Chassis[AuthSettings]:
    """What the service stands on, and the operator's command too when it works on the vault itself.

    Raises:
        StorePermissionsError: Others may touch the database.
        StartError: Something else has to be changed first.
        DatabaseError: The database is away.
    """
    require_private(private_paths(settings))
    return Chassis.open(
        settings, migrations=[_MIGRATIONS], instruments=TABLE, forced_routes=_ALWAYS_TRACED, clock=clock
    )


def private_paths(settings: AuthSettings) -> list[Path]:
    """The files that nobody else may touch, as far as they are files of this machine."""
    url = settings.full_database_url().get_secret_value()
    if not url.startswith("sqlite:///"):
        return [settings.key_path]
    return store_paths(Path(url.removeprefix("sqlite:///")), settings.key_path)


@contextmanager
def open_operations(settings: AuthSettings, *, actor: str, clock: Clock | None = None) -> Iterator[Operations]:
    """The operator's hands on the vault of these settings, beside a service that runs or not.

    Its facts reach the bus, the log and the audit trail as the service's own do. Raises `StartError` or
    `DatabaseError`.
    """
    chassis = open_chassis(settings, clock=clock)
    try:
        vault = Vault(chassis.facts, chassis.database, chassis.clock)
        door = VaultDoor(vault, KeySources(settings), chassis.database, chassis.telemetry.metrics)
        yield operations_over(chassis, vault, door, Accounts(), actor)
    finally:
        chassis.close()


def operations_over(
    chassis: Chassis[AuthSettings], vault: Vault, door: VaultDoor, accounts: Accounts, actor: str
) -> Operations:
    """The operator's hands on a vault that is at hand already."""
    return Operations(
        vault=vault,
        door=door,
        sources=KeySources(chassis.settings),
        accounts=accounts,
        compared=ComparedSecrets(vault, chassis.facts, chassis.database, chassis.clock),
        correction=ClockWatch(),
        facts=chassis.facts,
        database=chassis.database,
        clock=chassis.clock,
        actor=actor,
    )
