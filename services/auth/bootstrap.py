"""Where the auth service is put together."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from services.auth.accounts import Accounts
from services.auth.anchoring import EVERY_SECONDS as ANCHOR_SECONDS
from services.auth.anchoring import AuditAnchor
from services.auth.api import account_router, vault_router
from services.auth.door import VaultDoor
from services.auth.gauges import AccountGauges
from services.auth.instruments import TABLE
from services.auth.key_sources import KeySources
from services.auth.operations import Operations
from services.auth.settings import AuthSettings
from services.auth.totp.clock_offset import ClockWatch
from services.auth.vault.compared import ComparedSecrets
from services.auth.vault.permissions import require_private, store_paths
from services.auth.vault.vault import Vault
from services.kit.app import ServiceApp
from services.kit.chassis import Background, Chassis
from services.kit.clock import Clock
from services.kit.health import BlockingCheck
from services.kit.repeating import repeating

_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"
# Few and telling: a login that went wrong must be found again whatever the sampling is.
_ALWAYS_TRACED = ("/sessions", "/accounts", "/preflight", "/leases", "/vault", "/sms")
_UNSEAL_SECONDS = 5.0


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


def build(settings: AuthSettings, *, clock: Clock | None = None) -> ServiceApp:
    """Make the application; it serves sealed when no key is at hand. Raises `StartError` or `DatabaseError`."""
    chassis = open_chassis(settings, clock=clock)
    metrics = chassis.telemetry.metrics
    accounts = Accounts()
    vault = Vault(chassis.facts, chassis.database, chassis.clock)
    gauges = AccountGauges(accounts, chassis.database, metrics, chassis.clock)
    gauges.refresh()
    metrics.before_collecting(gauges.refresh)
    door = VaultDoor(vault, KeySources(settings), chassis.database, metrics)
    door.open_at_start()
    anchor = AuditAnchor(vault, metrics)
    return chassis.create_app(
        "Sightline auth",
        routers=[account_router(accounts, vault, chassis.database), vault_router(door, vault)],
        checks={"vault": BlockingCheck(door.check)},
        background=_background(door, anchor),
    )


@contextmanager
def open_operations(settings: AuthSettings, *, actor: str, clock: Clock | None = None) -> Iterator[Operations]:
    """The operator's hands on the vault of these settings, beside a service that runs or not.

    Its facts reach the bus, the log and the audit trail as the service's own do. Raises `StartError` or
    `DatabaseError`.
    """
    chassis = open_chassis(settings, clock=clock)
    try:
        vault = Vault(chassis.facts, chassis.database, chassis.clock)
        sources = KeySources(settings)
        yield Operations(
            vault=vault,
            door=VaultDoor(vault, sources, chassis.database, chassis.telemetry.metrics),
            sources=sources,
            accounts=Accounts(),
            compared=ComparedSecrets(vault, chassis.facts, chassis.database, chassis.clock),
            correction=ClockWatch(),
            facts=chassis.facts,
            database=chassis.database,
            clock=chassis.clock,
            actor=actor,
        )
    finally:
        chassis.close()


def _background(door: VaultDoor, anchor: AuditAnchor) -> list[Background]:
    return [
        partial(repeating, door.look, every_seconds=_UNSEAL_SECONDS, purpose="unseal the vault"),
        partial(repeating, anchor.look, every_seconds=ANCHOR_SECONDS, purpose="anchor the audit trail"),
    ]
