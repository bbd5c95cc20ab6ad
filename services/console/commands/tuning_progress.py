"""How far a study is, in one line: kept up to date at a terminal, else a line from time to time."""

from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.text import Text

from services.console.commands.render import duration
from services.trading.tuning.progress import Progress

# Of what is wanted, between two lines where nobody can watch one change.
_PARTS: Final = 10


class TuningProgress:
    """Shows a study's progress while the block runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("")
        self._last: Progress | None = None
        self._told_parts = 0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()
        if self._last is not None:
            self._console.print(line_of(self._last), soft_wrap=True)

    def show(self, progress: Progress) -> None:
        """Takes what a study tells; the last is printed when the block ends."""
        self._last = progress
        if self._console.is_terminal:
            self._status.update(line_of(progress))
            return
        parts = progress.done * _PARTS // progress.wanted
        if self._told_parts < parts < _PARTS:
            self._told_parts = parts
            self._console.print(line_of(progress), soft_wrap=True)


def line_of(progress: Progress) -> Text:
    """The progress in words."""
    words = f"{progress.done} of {progress.wanted} trials"
    if progress.neighbours:
        words += f" and {progress.neighbours} neighbours"
    words += f", {progress.trials_per_second:.1f} a second"
    if progress.best_score is not None:
        words += f", best Sharpe ratio out of sample {progress.best_score:.2f}"
    if progress.pruned:
        words += f", {progress.pruned} given up early"
    if progress.remaining_seconds and progress.done < progress.wanted:
        words += f", {duration(progress.remaining_seconds)} left"
    return Text(words)
