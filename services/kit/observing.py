"""What the kit needs of telemetry, so that a test can hand over less than the whole of it."""

from typing import Protocol

from opentelemetry.trace import Tracer

from telemetry.emit.metrics import Metrics


class Telemetry(Protocol):
    """The part of `telemetry.emit.setup.Telemetry` that the data side uses."""

    @property
    def metrics(self) -> Metrics:
        """The service's instruments."""

    def tracer(self, name: str, /) -> Tracer:
        """A tracer that records under `name`."""
