"""Counts what the paper brokers do."""

from collections.abc import Iterable
from typing import Final

from services.venue.broker.faults import FaultKind, Kind
from services.venue.broker.venue import PaperVenue
from telemetry.catalogue import VENUE_FAULTS, VENUE_FILLS, VENUE_REQUESTS, VENUE_STREAM_CLIENTS
from telemetry.emit.metrics import Metrics

_PAPER: Final = "paper"
_OF_PAPER: Final = (VENUE_REQUESTS, VENUE_FAULTS, VENUE_STREAM_CLIENTS, VENUE_FILLS)


class PaperMeter:
    """Watches one paper broker, whose name has been declared."""

    def __init__(self, name: str, metrics: Metrics) -> None:
        self._name = name
        self._metrics = metrics

    def answered(self, kind: Kind, status: int) -> None:
        """Count a request by the class of its answer."""
        labels = {_PAPER: self._name, "kind": kind.value, "status_class": f"{status // 100}xx"}
        self._metrics.counter(VENUE_REQUESTS, **labels).inc()

    def happened(self, fault: FaultKind) -> None:
        """Count a fault."""
        self._metrics.counter(VENUE_FAULTS, paper=self._name, kind=fault.value).inc()

    def filled(self) -> None:
        """Count an execution."""
        self._metrics.counter(VENUE_FILLS, paper=self._name).inc()


def watch(venues: Iterable[PaperVenue], metrics: Metrics) -> None:
    """Count from now on what each venue does, and show at each scrape who listens to it."""
    watched = tuple(venues)
    for metric in _OF_PAPER:
        metrics.declare(metric, _PAPER, [venue.name for venue in watched])
    for venue in watched:
        venue.watcher = PaperMeter(venue.name, metrics)

    def show_listeners() -> None:
        for venue in watched:
            metrics.gauge(VENUE_STREAM_CLIENTS, paper=venue.name).set(venue.hub.listeners)

    metrics.before_collecting(show_listeners)
