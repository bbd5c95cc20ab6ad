"""Who hears what a venue does, without having a part in it."""

from typing import Protocol

from services.venue.broker.faults import FaultKind, Kind


class Watcher(Protocol):
    """Is told from the event loop's thread, must not block, and changes nothing."""

    def answered(self, kind: Kind, status: int) -> None:
        """A request was answered; one whose connection was cut was not."""

    def happened(self, fault: FaultKind) -> None:
        """A planned fault happened."""

    def filled(self) -> None:
        """An execution was stored."""


class Unwatched:
    """Nobody."""

    def answered(self, kind: Kind, status: int) -> None:
        """Nobody hears it."""

    def happened(self, fault: FaultKind) -> None:
        """Nobody hears it."""

    def filled(self) -> None:
        """Nobody hears it."""
