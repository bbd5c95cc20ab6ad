"""Finds what must never be: a value above its limit, for as many samples as it may take to pass by itself."""

from pydantic import BaseModel, ConfigDict

from services.agents.detectors.detector import MOST_SCORE, Judgement
from services.agents.signals.sources import Sample, Signal


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    observations: int = 0
    above: int = 0
    began: float | None = None


class Invariant:
    """A `SeriesDetector` that learns nothing: what it looks for is wrong whatever was before."""

    def __init__(self, signal: Signal, state: str = "") -> None:
        self._limit = signal.limit
        self._hold = signal.hold
        self._state = _State.model_validate_json(state) if state else _State()

    @property
    def observations(self) -> int:
        return self._state.observations

    @property
    def needed(self) -> int:
        return 0

    def observe(self, sample: Sample, season: str) -> Judgement:  # noqa: ARG002 -- it holds at all times
        state = self._state
        state.observations += 1
        if sample.value <= self._limit:
            state.above, state.began = 0, None
            return Judgement(sample.value / self._limit if self._limit else 0.0, self._limit, found=False)
        state.above += 1
        state.began = sample.seconds if state.began is None else state.began
        score = min(MOST_SCORE, max(1.0, sample.value / self._limit if self._limit else sample.value))
        return Judgement(score, self._limit, found=state.above >= self._hold, since=state.began)

    def dump(self) -> str:
        return self._state.model_dump_json()
