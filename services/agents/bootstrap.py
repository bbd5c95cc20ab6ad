"""Where the agents service is put together."""

from pathlib import Path

from services.agents.instruments import TABLE
from services.agents.settings import AgentsSettings
from services.kit.app import ServiceApp
from services.kit.chassis import Chassis
from services.kit.clock import Clock

_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"


def build(settings: AgentsSettings, *, clock: Clock | None = None) -> ServiceApp:
    """Make the application. Raises `StartError` or `DatabaseError`."""
    chassis = Chassis.open(settings, migrations=[_MIGRATIONS], instruments=TABLE, clock=clock)
    return chassis.create_app("Sightline agents", routers=[])
