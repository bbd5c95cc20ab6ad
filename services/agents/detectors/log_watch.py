"""Finds kinds of log lines that are new, or suddenly frequent, among lines of level warning and above."""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from services.agents.detectors.templates import TemplateMiner, TemplateMinerState
from services.agents.signals.reading import OUTSIDE
from telemetry.query.ports import LogLine

WINDOW_SECONDS: Final = 300.0
WARM_UP_SECONDS: Final = 1_800.0
_BUCKETS: Final = 24  # windows that are remembered: two hours
_NEW_FOR_SECONDS: Final = 900.0
_LEAST_NEW: Final = 3  # lines of a new kind, unless it is critical
_LEAST_SURGE: Final = 20
_TIMES: Final = 5.0
_NS: Final = 1_000_000_000
# What the platform says about alerts, incidents and anomalies follows from something else. To find it out of the
# ordinary in turn would make every finding cause the next.
ECHOES: Final = ("agents.", "alerting.", "automation.", "incidents.", "pipelines.", "content.")


class _Counted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    first_seconds: float
    level: str
    services: list[str]
    recent: list[float] = Field(default_factory=list)
    windows: list[int] = Field(default_factory=list)
    known_from_start: bool = False


class LogWatchState(BaseModel):
    """What a watch has learnt."""

    model_config = ConfigDict(extra="forbid")

    began: float | None = None
    window_began: float | None = None
    miner: TemplateMinerState = Field(default_factory=TemplateMinerState)
    counted: dict[int, _Counted] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LogFinding:
    """A kind of line that is out of the ordinary.

    Attributes:
        new: It was never seen before; otherwise it is more frequent than usual.
        count: Lines in the last `WINDOW_SECONDS`.
        expected: How many are usual.
        since: Unix time of the first line, or of the first of the surge.
    """

    number: int
    template: str
    service_name: str
    level: str
    new: bool
    count: int
    expected: float
    score: float
    since: float


class LogWatch:
    """Is given lines in order and asked what is out of the ordinary."""

    def __init__(self, state: str = "") -> None:
        self._state = LogWatchState.model_validate_json(state) if state else LogWatchState()
        self._miner = TemplateMiner(self._state.miner)
        self._texts: dict[int, str] = {each.number: " ".join(each.words) for each in self._state.miner.templates}
        self._recent = {number: deque(counted.recent) for number, counted in self._state.counted.items()}

    @property
    def templates(self) -> int:
        """How many kinds of lines are known."""
        return len(self._miner)

    def take(self, lines: Iterable[LogLine], until: float) -> None:
        """Count lines up to Unix time `until`, the oldest first; `until` never goes back."""
        state = self._state
        if state.began is None or state.window_began is None:
            state.began = state.window_began = until
        for line in lines:
            if line.service_name in OUTSIDE or line.field("event_type").startswith(ECHOES):
                continue
            self._count(line)
        for recent in self._recent.values():
            while recent and recent[0] <= until - WINDOW_SECONDS:
                recent.popleft()
        if until - state.window_began >= WINDOW_SECONDS:
            self._end_window(until)

    def findings(self, now: float) -> list[LogFinding]:
        """What is out of the ordinary at Unix time `now`, in the order of the templates' numbers."""
        found = (self._finding(number, now) for number in sorted(self._state.counted))
        return [finding for finding in found if finding is not None]

    def dump(self) -> str:
        """What it has learnt."""
        self._state.miner = self._miner.state()
        kept = {each.number for each in self._state.miner.templates}
        self._state.counted = {number: each for number, each in self._state.counted.items() if number in kept}
        for number, counted in self._state.counted.items():
            counted.recent = [*self._recent[number]][-1_000:]
        return self._state.model_dump_json()

    def _count(self, line: LogLine) -> None:
        template, _ = self._miner.add(line.line)
        seconds = line.time_ns / _NS
        counted = self._state.counted.get(template.number)
        if counted is None:
            warm = self._state.began is not None and seconds - self._state.began >= WARM_UP_SECONDS
            counted = _Counted(
                first_seconds=seconds, level=line.level, services=[line.service_name], known_from_start=not warm
            )
            self._state.counted[template.number] = counted
            self._recent[template.number] = deque(maxlen=5_000)
        elif line.service_name not in counted.services:
            counted.services = [*counted.services, line.service_name][:10]
        counted.level = line.level
        self._texts[template.number] = template.text
        self._recent[template.number].append(seconds)

    def _end_window(self, until: float) -> None:
        self._state.window_began = until
        for number, counted in self._state.counted.items():
            counted.windows = [*counted.windows, len(self._recent[number])][-_BUCKETS:]

    def _finding(self, number: int, now: float) -> LogFinding | None:
        counted, recent = self._state.counted[number], self._recent[number]
        if not recent:
            return None
        new = not counted.known_from_start and now - counted.first_seconds <= _NEW_FOR_SECONDS
        if new:
            score = 1.0 if counted.level == "critical" else len(recent) / _LEAST_NEW
            return self._told(number, new=True, expected=0.0, score=score) if score >= 1 else None
        windows = counted.windows[:-1] or [0]
        usual = sum(windows) / len(windows)
        edge = max(_LEAST_SURGE, _TIMES * usual + 3 * math.sqrt(usual))
        warm = self._state.began is not None and now - self._state.began >= WARM_UP_SECONDS
        return (
            self._told(number, new=False, expected=usual, score=len(recent) / edge)
            if (warm and len(recent) >= edge)
            else None
        )

    def _told(self, number: int, *, new: bool, expected: float, score: float) -> LogFinding:
        counted, recent = self._state.counted[number], self._recent[number]
        return LogFinding(
            number=number,
            template=self._texts.get(number, ""),
            service_name=counted.services[0],
            level=counted.level,
            new=new,
            count=len(recent),
            expected=expected,
            score=score,
            since=counted.first_seconds if new else recent[0],
        )
