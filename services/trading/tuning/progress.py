"""How far a study has come, in numbers, for whoever shows or measures it."""

from collections.abc import Callable
from dataclasses import dataclass

from services.trading.strategies.parameters import Params


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A study's state after a step.

    Attributes:
        study: Its name.
        done: Trials of the search so far, earlier runs included.
        wanted: How many there are to be.
        neighbours: Trials beside these, made around the best ones.
        pruned: How many of the trials were given up after their first folds.
        repeats: Suggestions of this run that had been tried before, or broke a constraint, and cost nothing.
        best_score: Median of the folds' annualised Sharpe ratios of the best trial; None before the first.
        best_setting: The best trial's setting.
        elapsed_seconds: Of this run.
        trials_per_second: Of this run, neighbours included.
        remaining_seconds: Until the last trial at this rate; None while the rate is not known.
    """

    study: str
    done: int
    wanted: int
    neighbours: int
    pruned: int
    repeats: int
    best_score: float | None
    best_setting: Params | None
    elapsed_seconds: float
    trials_per_second: float
    remaining_seconds: float | None


Listener = Callable[[Progress], None]


def nobody(_progress: Progress) -> None:
    """Listens to nothing."""
