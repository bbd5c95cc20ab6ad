"""Finds an error budget that is used up too fast, over a long and a short window at once.

The windows and factors are those of Google's SRE workbook, chapter "Alerting on SLOs": 14.4 times the budget over an
hour (2 % of a month's budget), 6 times over six hours (5 %). The short window, a twelfth of the long one, ends the
finding soon after the errors end.
"""

from collections import deque
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from services.agents.detectors.detector import MOST_SCORE, Judgement
from services.agents.signals.sources import Sample, Signal

WINDOWS: Final = ((3_600.0, 300.0, 14.4), (21_600.0, 1_800.0, 6.0))
LEAST_TOTAL: Final = 10.0  # in the short window; fewer say nothing about a share
_LEAST_BAD: Final = 3.0
_LONGEST: Final = 21_600.0
_MOST_SAMPLES: Final = 1_500
_LEAST_LONG_SHARE: Final = 0.98  # a share of errors cannot be above 1, whatever the budget


class _State(BaseModel):
    model_config = ConfigDict(extra="forbid")

    observations: int = 0
    # Unix seconds, failed, all
    counted: list[tuple[float, float, float]] = Field(default_factory=list)
    began: float | None = None


class BurnRate:
    """A `SeriesDetector` for shares of failures."""

    def __init__(self, signal: Signal, state: str = "") -> None:
        self._budget = signal.budget
        self._state = _State.model_validate_json(state) if state else _State()
        self._counted = deque(self._state.counted, maxlen=_MOST_SAMPLES)

    @property
    def observations(self) -> int:
        return self._state.observations

    @property
    def needed(self) -> int:
        return 1

    def observe(self, sample: Sample, season: str) -> Judgement:  # noqa: ARG002 -- a budget knows no seasons
        state = self._state
        state.observations += 1
        self._counted.append((sample.seconds, sample.bad, sample.total))
        while self._counted[0][0] <= sample.seconds - _LONGEST:
            self._counted.popleft()
        score = max(self._score(sample.seconds, *window) for window in WINDOWS)
        if score < 1.0:
            state.began = None
            return Judgement(score, self._budget, found=False)
        if state.began is None:
            state.began = self._first_bad(sample.seconds)
        bad, total = self._sums(sample.seconds - WINDOWS[0][1])
        detail = f"{bad:.0f} of {total:.0f} failed within five minutes, {self._budget:.1%} are planned for"
        return Judgement(score, self._budget, found=True, since=state.began, detail=detail)

    def dump(self) -> str:
        self._state.counted = [*self._counted]
        return self._state.model_dump_json()

    def _score(self, now: float, long_seconds: float, short_seconds: float, factor: float) -> float:
        threshold = min(factor * self._budget, _LEAST_LONG_SHARE)
        short_bad, short_total = self._sums(now - short_seconds)
        long_bad, long_total = self._sums(now - long_seconds)
        if short_total < LEAST_TOTAL or short_bad < _LEAST_BAD:
            return 0.0
        burning = min(short_bad / short_total, long_bad / long_total)
        return min(MOST_SCORE, burning / threshold)

    def _sums(self, after: float) -> tuple[float, float]:
        bad = total = 0.0
        for seconds, failed, every in reversed(self._counted):
            if seconds <= after:
                break
            bad += failed
            total += every
        return bad, total

    def _first_bad(self, now: float) -> float:
        """The earliest failure without ten minutes of success after it."""
        began = now
        for seconds, failed, _ in reversed(self._counted):
            if began - seconds > WINDOWS[0][1] * 2:
                break
            if failed > 0:
                began = seconds
        return began
