"""Reads signals off telemetry: counters become rates and shares, histograms means, gauges what they are."""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from services.agents.signals.sources import (
    Changes,
    ErrorLines,
    Labels,
    Level,
    Mean,
    Rate,
    Ratio,
    Sample,
    Signal,
    Told,
    Track,
)
from telemetry.catalogue import BUILD_INFO
from telemetry.query.open import Readers
from telemetry.query.ports import LogLine, LogQuery, Series, SeriesQuery

SPAN_STEPS: Final = 4  # an observation of a counter covers so many steps: a scrape may come early or late
# The simulated brokers stand for brokers, whose inside nobody sees: what they tell of themselves must not be read.
OUTSIDE: Final = frozenset({"venue"})
_MINUTE: Final = 60.0
_MOST_ERROR_LINES: Final = 20_000
_NS: Final = 1_000_000_000

Key = tuple[tuple[str, str], ...]
Points = tuple[tuple[float, float], ...]


class SignalReader:
    """Reads signals. Its methods block and raise the errors of `telemetry.query.errors`."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    def read(  # noqa: PLR0911 -- one for each kind of source
        self, signal: Signal, start: datetime, end: datetime, step_seconds: float
    ) -> list[Track]:
        """Every series of a signal with a sample at each step in `(start, end]` at which it was worth anything."""
        match signal.source:
            case Rate() as source:
                return self._rates(signal, source, start, end, step_seconds)
            case Ratio() as source:
                return self._ratios(signal, source, start, end, step_seconds)
            case Mean() as source:
                return self._means(signal, source, start, end, step_seconds)
            case Level() as source:
                return self._levels(signal, source, start, end, step_seconds)
            case Changes() as source:
                return self._changes(signal, source, start, end, step_seconds)
            case ErrorLines():
                services = self.services(start, end, step_seconds)
                return error_tracks(self.errors(start, end), services, start, end, step_seconds)
            case Told():
                return []

    def errors(self, start: datetime, end: datetime) -> list[LogLine]:
        """Lines of level error and above, the oldest first."""
        found = self._readers.logs.search(
            LogQuery(start=start, end=end, min_level="error", limit=_MOST_ERROR_LINES, newest_first=False)
        )
        return [line for line in found if line.service_name not in OUTSIDE]

    def services(self, start: datetime, end: datetime, step_seconds: float) -> set[str]:
        """The services that told anything."""
        told = self._series(BUILD_INFO.name, start, end, step_seconds)
        return {dict(series.labels).get("service_name", "") for series in told} - {""}

    def _series(self, metric: str, start: datetime, end: datetime, step_seconds: float) -> list[Series]:
        found = self._readers.metrics.series(
            SeriesQuery(metric=metric, start=start, end=end, step_seconds=step_seconds, limit=5_000)
        )
        return [series for series in found if dict(series.labels).get("service_name") not in OUTSIDE]

    def _grown(
        self, metric: str, where: Labels, by: tuple[str, ...], window: tuple[datetime, datetime, float]
    ) -> dict[Key, dict[float, float]]:
        """How much counters grew over the last steps, at each step, added up by key."""
        start, end, step = window
        before = start - timedelta(seconds=step * (SPAN_STEPS - 1))
        grown: dict[Key, dict[float, float]] = defaultdict(lambda: defaultdict(float))
        for series in self._series(metric, before, end, step):
            if matches(dict(series.labels), where):
                for seconds, amount in growth(series.points, step):
                    if seconds > start.timestamp():
                        grown[_key(series, by)][seconds] += amount
        return grown

    def _rates(self, signal: Signal, source: Rate, start: datetime, end: datetime, step_seconds: float) -> list[Track]:
        grown = self._grown(source.metric, source.where, signal.by, (start, end, step_seconds))
        per_minute = _MINUTE / (step_seconds * SPAN_STEPS)
        return _tracks(grown, lambda _key, seconds, amount: Sample(seconds, amount * per_minute))

    def _ratios(
        self, signal: Signal, source: Ratio, start: datetime, end: datetime, step_seconds: float
    ) -> list[Track]:
        window = (start, end, step_seconds)
        total = self._grown(source.metric, source.where, signal.by, window)
        bad = self._grown(source.metric, {**source.where, **source.bad}, signal.by, window)

        def sample(key: Key, seconds: float, amount: float) -> Sample | None:
            if amount < source.least:
                return None
            failed = min(amount, bad.get(key, {}).get(seconds, 0.0))
            return Sample(seconds, failed / amount, failed / SPAN_STEPS, amount / SPAN_STEPS)

        return _tracks(total, sample)

    def _means(self, signal: Signal, source: Mean, start: datetime, end: datetime, step_seconds: float) -> list[Track]:
        window = (start, end, step_seconds)
        counts = self._grown(f"{source.histogram}_count", source.where, signal.by, window)
        sums = self._grown(f"{source.histogram}_sum", source.where, signal.by, window)

        def sample(key: Key, seconds: float, count: float) -> Sample | None:
            return None if count <= 0 else Sample(seconds, sums.get(key, {}).get(seconds, 0.0) / count, 0.0, count)

        return _tracks(counts, sample)

    def _levels(
        self, signal: Signal, source: Level, start: datetime, end: datetime, step_seconds: float
    ) -> list[Track]:
        levels: dict[Key, dict[float, float]] = defaultdict(dict)
        for series in self._series(source.metric, start, end, step_seconds):
            if not matches(dict(series.labels), source.where):
                continue
            at = levels[_key(series, signal.by)]
            for seconds, raw in series.points:
                value = 1.0 - raw if source.inverted else raw
                if seconds > start.timestamp() and not math.isnan(value) and abs(value) >= abs(at.get(seconds, 0.0)):
                    at[seconds] = value
        return _tracks(levels, lambda _key, seconds, value: Sample(seconds, abs(value)))

    def _changes(
        self, signal: Signal, source: Changes, start: datetime, end: datetime, step_seconds: float
    ) -> list[Track]:
        changes: dict[Key, dict[float, float]] = defaultdict(lambda: defaultdict(float))
        before = start - timedelta(seconds=source.over_seconds)
        for series in self._series(source.metric, before, end, step_seconds):
            changed = [now[0] for was, now in itertools.pairwise(series.points) if was[1] != now[1]]
            for seconds, _ in series.points:
                if seconds > start.timestamp():
                    recent = sum(seconds - source.over_seconds < moment <= seconds for moment in changed)
                    changes[_key(series, signal.by)][seconds] += recent
        return _tracks(changes, lambda _key, seconds, count: Sample(seconds, count))


def growth(points: Points, step_seconds: float) -> list[tuple[float, float]]:
    """How much a counter grew in the `SPAN_STEPS` steps up to each point, as Prometheus counts: a fall is a restart.

    A counter that was not there before grew from 0, but not where it is first seen: it may have stood for long.
    """
    grown: list[tuple[float, float]] = []
    steps: list[tuple[float, float]] = []
    for (was_at, was), (at, value) in itertools.pairwise(points):
        if math.isnan(was) or math.isnan(value):
            continue
        steps.append((at, value - was if value >= was else value))
        if at - was_at > step_seconds * SPAN_STEPS:
            steps = steps[-1:]
        recent = sum(amount for moment, amount in steps[-SPAN_STEPS:] if at - moment < step_seconds * SPAN_STEPS)
        grown.append((at, recent))
    return grown


def error_tracks(
    lines: Iterable[LogLine], services: Iterable[str], start: datetime, end: datetime, step_seconds: float
) -> list[Track]:
    """Error lines per minute by service, at each step; services that wrote none have a track of zeros."""
    counted: dict[str, dict[int, int]] = {name: defaultdict(int) for name in services}
    first = start.timestamp()
    steps = math.floor((end.timestamp() - first) / step_seconds)
    for line in lines:
        counted.setdefault(line.service_name, defaultdict(int))[
            math.floor((line.time_ns / _NS - first) / step_seconds)
        ] += 1
    per_minute = _MINUTE / step_seconds
    return [
        Track(
            (("service_name", service),),
            tuple(Sample(first + (step + 1) * step_seconds, counts.get(step, 0) * per_minute) for step in range(steps)),
        )
        for service, counts in sorted(counted.items())
    ]


def matches(labels: dict[str, str], where: Labels) -> bool:
    """Whether a series has one of the values that are meant, and none that is not, for each label."""
    for name, values in where.items():
        have = labels.get(name, "")
        refused = {value[1:] for value in values if value.startswith("!")}
        wanted = {value for value in values if not value.startswith("!")}
        if have in refused or (wanted and have not in wanted):
            return False
    return True


def _key(series: Series, by: tuple[str, ...]) -> Key:
    labels = dict(series.labels)
    return tuple((name, labels[name]) for name in ("service_name", *by) if labels.get(name))


def _tracks(values: dict[Key, dict[float, float]], sample: Callable[[Key, float, float], Sample | None]) -> list[Track]:
    tracks = []
    for key, at in sorted(values.items()):
        samples = (sample(key, seconds, value) for seconds, value in sorted(at.items()))
        kept = tuple(each for each in samples if each is not None)
        if kept:
            tracks.append(Track(key, kept))
    return tracks
