"""Finds single values that lie far from what is usual, by the median and the median absolute deviation.

The usual is learnt for each part of the market's day by itself, from the last hour that was ordinary in it. Median and
MAD bear that up to half of what they are computed from is out of the ordinary (Rousseeuw and Croux, 1993); the factor
1.4826 makes the MAD estimate the standard deviation of a normal distribution.

Durations, rates and ages have long tails to one side: compared is the inverse hyperbolic sine of values in units of the
signal's floor, which is linear for what is small and a logarithm for what is large. Up to the floor nothing is far, and
beyond it only what is at least 2.4 times the usual.
"""

import math
import statistics
from collections import deque
from collections.abc import Sequence
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.agents.detectors.detector import BEYOND, MOST_SCORE, Judgement
from services.agents.signals.sources import Sample, Signal

WARM_UP: Final = 40  # samples: ten minutes at 15 s
REMEMBERED: Final = 240  # samples of each season
DEVIATIONS: Final = 6.0
_CONSISTENT: Final = 1.4826
_AT_ONCE: Final = 2.5  # so far beyond, one sample is enough; else two of three are wanted
_ADOPTED_AFTER: Final = 240  # samples out of the ordinary in a row are the new usual
_LEAST_SPREAD: Final = math.asinh(1.0) / DEVIATIONS  # so that what differs from 0 by the floor is at the edge


class _Season(BaseModel):
    usual: list[float] = Field(default_factory=list)


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    observations: int = 0
    seasons: dict[str, _Season] = Field(default_factory=dict)
    beyond: list[bool] = Field(default_factory=list)
    unusual: list[float] = Field(default_factory=list)
    began: float | None = None


class Robust:
    """A `SeriesDetector` by distance from the median.

    Args:
        signal: Tells from which difference on it matters, and in which direction.
        state: What an earlier one has learnt, "" for nothing.
    """

    def __init__(self, signal: Signal, state: str = "") -> None:
        self._floor = signal.floor or 1.0
        self._direction: Literal["up", "down", "both"] = signal.direction
        self._state = _State.model_validate_json(state) if state else _State()
        self._seasons = {name: deque(season.usual, maxlen=REMEMBERED) for name, season in self._state.seasons.items()}

    @property
    def observations(self) -> int:
        return self._state.observations

    @property
    def needed(self) -> int:
        return WARM_UP

    def observe(self, sample: Sample, season: str) -> Judgement:
        state = self._state
        state.observations += 1
        usual = self._seasons.setdefault(season, deque(maxlen=REMEMBERED))
        bent = math.asinh(sample.value / self._floor)
        if len(usual) < WARM_UP:
            usual.append(bent)
            self._settle()
            return Judgement(0.0, self._straight(statistics.median(usual)), found=False)
        middle, spread = centre(usual)
        expected = self._straight(middle)
        score = min(MOST_SCORE, max(0.0, self._distance(bent - middle)) / (DEVIATIONS * max(spread, _LEAST_SPREAD)))
        beyond = score >= BEYOND
        state.beyond = [*state.beyond[-2:], beyond]
        if beyond:
            self._note_unusual(sample.seconds, bent, usual)
        else:
            usual.append(bent)
        found = score >= _AT_ONCE or (beyond and sum(state.beyond) > 1)
        if not any(state.beyond):
            self._settle()
        return Judgement(score, expected, found=found, since=state.began if found else None)

    def dump(self) -> str:
        self._state.seasons = {name: _Season(usual=[*usual]) for name, usual in self._seasons.items()}
        return self._state.model_dump_json()

    def _distance(self, difference: float) -> float:
        if self._direction == "both":
            return abs(difference)
        return difference if self._direction == "up" else -difference

    def _straight(self, bent: float) -> float:
        return math.sinh(bent) * self._floor

    def _note_unusual(self, seconds: float, bent: float, usual: deque[float]) -> None:
        state = self._state
        state.began = seconds if state.began is None else state.began
        state.unusual.append(bent)
        if len(state.unusual) >= _ADOPTED_AFTER:
            usual.clear()
            usual.extend(state.unusual)
            self._settle()

    def _settle(self) -> None:
        self._state.unusual = []
        self._state.began = None


def centre(values: Sequence[float]) -> tuple[float, float]:
    """The median, and the greater of two spreads about it: the scaled MAD and the mean absolute deviation."""
    middle = statistics.median(values)
    deviations = [abs(value - middle) for value in values]
    # More than half may be equal while the rest is not (counts that are mostly 0): the MAD is 0 then and says nothing.
    return middle, max(_CONSISTENT * statistics.median(deviations), statistics.fmean(deviations))
