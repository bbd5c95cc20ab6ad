"""Shows what happens: a line per step, and at a terminal also what is waited for."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

_NAME_WIDTH = 14


class ConsoleProgress:
    """Prints progress; see `stack.progress.Progress`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("")
        self._shown = False

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(Text(text), soft_wrap=True)

    def waiting(self, names: Sequence[str]) -> None:
        """Show at a terminal who is waited for."""
        if names and self._console.is_terminal:
            self._status.update(Text(f"waiting for {', '.join(names)}"))
            self._status.start()
            self._shown = True
        elif self._shown:
            self._status.stop()
            self._shown = False

    def ready(self, name: str, seconds: float) -> None:
        """Print that a component is ready."""
        self.step(name, f"ready in {seconds:.1f} s", "green")

    def stopped(self, name: str) -> None:
        """Print that a component has ended."""
        self.step(name, "stopped")

    def step(self, name: str, what: str, style: str = "") -> None:
        """Print that something is so now."""
        self._console.print(Text.assemble(f"  {name:<{_NAME_WIDTH}} ", (what, style)), soft_wrap=True)
