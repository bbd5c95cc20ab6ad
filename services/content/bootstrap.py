"""Where the content service is put together."""

from pathlib import Path

from services.content.api import knowledge_router
from services.content.instruments import TABLE
from services.content.settings import ContentSettings
from services.kit.app import ServiceApp
from services.kit.chassis import Chassis
from services.kit.clock import Clock

_MIGRATIONS = Path(__file__).parent / "migrations" / "versions"


def build(settings: ContentSettings, *, clock: Clock | None = None) -> ServiceApp:
    """Make the application. Raises `StartError` or `DatabaseError`."""
    chassis = Chassis.open(settings, migrations=[_MIGRATIONS], instruments=TABLE, clock=clock)
    return chassis.create_app("Sightline content", routers=[knowledge_router()])
