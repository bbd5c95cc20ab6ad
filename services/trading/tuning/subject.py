"""What is tuned: a strategy on data, as something that turns settings into returns, and what of it may be looked at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from services.contracts.columns import Floats
from services.trading.strategies.parameters import ParameterSpace, Params
from services.trading.tuning.errors import HoldOutLockedError, SeriesError


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a setting did over a span of bars.

    Attributes:
        returns: For each bar, as a part of the capital before it; 0 where nothing was held.
        trades: How many round trips ended in the span.
    """

    returns: Floats
    trades: int


Evaluate = Callable[[Sequence[Params], slice], Sequence[Evaluation]]
"""Evaluates settings over a span of bars, costs included.

The run begins with the first bar there is and ends with the span, so that a position that is held when the span begins
counts in it. What it answers depends on nothing after the span.
"""


def one_bar(_end: int) -> int:
    """The horizon of who decides anew at each bar."""
    return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a study is about.

    Attributes:
        strategy: Its name.
        version: The version of its decisions.
        space: What may be tried.
        data: Which market, such as `AAPL,MSFT 1d`: what has the same name counts as looked at together.
        digest: Fingerprint of the bars, the costs and the sizing: what has the same gives the same returns.
        bars: How many there are.
        warm_up: Bars before any setting of the space decides.
        bars_per_year: For annualising.
        evaluate: With the costs as they are.
        evaluate_dear: With all costs doubled.
        horizon: How many bars a decision reaches ahead, seen on the bars before the one that it is given; at least 1.
        benchmark: Returns per bar of what the strategy must beat; None for cash, which returns nothing.
    """

    strategy: str
    version: int
    space: ParameterSpace
    data: str
    digest: str
    bars: int
    warm_up: int
    bars_per_year: float
    evaluate: Evaluate
    evaluate_dear: Evaluate
    horizon: Callable[[int], int] = one_bar
    benchmark: Floats | None = None

    def excess_benchmark(self, span: slice) -> Floats:
        """The benchmark's returns over a span."""
        if self.benchmark is None:
            return np.zeros(span.stop - span.start)
        return self.benchmark[span]


class Viewing:
    """A subject whose last bars are locked.

    Args:
        subject: What is looked at.
        end: The first bar that must not be seen.
    """

    def __init__(self, subject: Subject, end: int) -> None:
        self._subject = subject
        self._end = end

    def evaluate(self, settings: Sequence[Params], span: slice, *, dear: bool = False) -> Sequence[Evaluation]:
        """What each setting did over the span, with costs doubled if `dear`.

        Raises:
            HoldOutLockedError: The span reaches into the locked bars.
            SeriesError: The evaluation gave something that is not a return for each bar of the span.
        """
        if span.stop > self._end:
            raise HoldOutLockedError(f"Bars from number {self._end} on are kept back; {span.stop - 1} was asked for.")
        evaluate = self._subject.evaluate_dear if dear else self._subject.evaluate
        found = evaluate(settings, span)
        expected = (span.stop - span.start,)
        for setting, evaluation in zip(settings, found, strict=True):
            if evaluation.returns.shape != expected or not np.isfinite(evaluation.returns).all():
                raise SeriesError(f"{dict(setting)} did not give one return for each of {expected[0]} bars.")
        return found
