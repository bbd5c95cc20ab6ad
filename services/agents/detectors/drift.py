"""Finds a mean that has moved a little and stays there, which no single value shows.

By ADWIN: Bifet and Gavaldà, "Learning from time-changing data with adaptive windowing", 2007.
"""

import statistics
from collections import deque
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from river._river_rust.drift import (
    AdaptiveWindowing,
)  # river.drift.ADWIN is this; by that name scipy comes along, 90 MB

from services.agents.detectors.detector import Judgement
from services.agents.detectors.robust import WARM_UP, centre
from services.agents.signals.sources import Sample, Signal

REFERENCE: Final = 240  # samples that later ones are compared with: an hour at 15 s
_REPLAYED: Final = 240
_DELTA: Final = 1e-5  # ADWIN's bound on false alarms at each comparison
_CLIPPED: Final = 3.0  # spreads: a single outlier is the robust detector's business
_LEAST: Final = 0.9  # spreads that the mean must have moved
_WAITED: Final = 40  # samples for the window to let go of what was before the drift
_ADOPTED_AFTER: Final = 240
_LEAST_SPREAD: Final = 0.02  # of the median


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    observations: int = 0
    season: str = ""
    reference: list[float] = Field(default_factory=list)
    recent: list[float] = Field(default_factory=list)
    moved: int = 0
    began: float | None = None


class Drifting:
    """A `SeriesDetector` by ADWIN over how far samples are from the usual of the last hour.

    What a mean does from one part of the day to the next is no drift: each part is learnt anew when it begins. What has
    lasted an hour is the new usual.
    """

    def __init__(self, signal: Signal, state: str = "") -> None:
        self._least_spread = signal.floor / 6
        self._direction: Literal["up", "down", "both"] = signal.direction
        self._state = _State.model_validate_json(state) if state else _State()
        self._reference = deque(self._state.reference, maxlen=REFERENCE)
        self._adwin = _adwin()
        for residual in self._state.recent:
            self._adwin.update(residual)

    @property
    def observations(self) -> int:
        return self._state.observations

    @property
    def needed(self) -> int:
        return WARM_UP

    def observe(self, sample: Sample, season: str) -> Judgement:
        state = self._state
        state.observations += 1
        if season != state.season:
            state.season = season
            self._start_over([])
        if len(self._reference) < WARM_UP:
            self._reference.append(sample.value)
            return Judgement(0.0, statistics.median(self._reference), found=False)
        expected, spread = self._usual()
        residual = max(-_CLIPPED, min(_CLIPPED, (sample.value - expected) / spread))
        state.recent = [*state.recent[-(_REPLAYED - 1) :], residual]
        drifted = self._adwin.update(residual)
        if drifted and state.moved == 0:
            state.began, state.moved = sample.seconds, 1
        shift = self._shift()
        found = state.moved > 0 and shift >= _LEAST
        self._follow(sample.value, shift, suspicious=found or abs(residual) >= _CLIPPED)
        return Judgement(max(1.0, shift / _LEAST) if found else 0.0, expected, found=found, since=state.began)

    def dump(self) -> str:
        self._state.reference = [*self._reference]
        return self._state.model_dump_json()

    def _usual(self) -> tuple[float, float]:
        middle, spread = centre(self._reference)
        return middle, max(spread, self._least_spread, _LEAST_SPREAD * abs(middle), 1e-9)

    def _shift(self) -> float:
        mean = self._adwin.get_total() / max(1.0, self._adwin.get_width())
        if self._direction == "both":
            return abs(mean)
        return mean if self._direction == "up" else -mean

    def _follow(self, value: float, shift: float, *, suspicious: bool) -> None:
        state = self._state
        if state.moved == 0:
            if not suspicious:
                self._reference.append(value)
            return
        state.moved += 1
        if state.moved >= _ADOPTED_AFTER:
            expected, spread = self._usual()
            self._start_over([expected + residual * spread for residual in state.recent])
        elif state.moved > _WAITED and shift < _LEAST / 2:
            state.moved, state.began = 0, None

    def _start_over(self, reference: list[float]) -> None:
        self._reference = deque(reference, maxlen=REFERENCE)
        self._state.recent, self._state.moved, self._state.began = [], 0, None
        self._adwin = _adwin()


def _adwin() -> AdaptiveWindowing:
    return AdaptiveWindowing(delta=_DELTA)
