"""How starting and stopping tell what they do."""

from collections.abc import Sequence
from typing import Protocol


class Progress(Protocol):
    """Told what happens, as it happens."""

    def note(self, text: str) -> None:
        """Something the operator should know."""

    def waiting(self, names: Sequence[str]) -> None:
        """The components waited for now; called again and again, empty at the end."""

    def ready(self, name: str, seconds: float) -> None:
        """A component became ready, that long after it was started."""

    def stopped(self, name: str) -> None:
        """A component has ended."""
