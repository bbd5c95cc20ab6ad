"""Where the example is put together."""

from typing import ClassVar

from examples.hello_service.api import Greeted, hello_router
from services.kit.app import ServiceApp
from services.kit.chassis import Chassis
from services.kit.instruments import Instrument
from services.kit.service_settings import ServiceSettings

INSTRUMENTS = (Instrument(event=Greeted, level="info", message="{name} was greeted", fields=("name",)),)


class HelloSettings(ServiceSettings):
    """Settings of the example."""

    service_name: ClassVar[str] = "hello"
    default_port: ClassVar[int] = 8790


def build(settings: HelloSettings) -> ServiceApp:
    """The whole service."""
    chassis = Chassis.open(settings, instruments=INSTRUMENTS)
    return chassis.create_app("Hello", routers=[hello_router(chassis.facts)])
