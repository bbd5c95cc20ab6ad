"""Signals that are not what they were before the incident."""

import math
import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from services.agents.analyst.clues import Clue, Window
from services.agents.detectors.onset import onset
from services.agents.detectors.robust import DEVIATIONS, centre
from services.agents.signals.reading import SignalReader
from services.agents.signals.sources import Changes, Rate, Ratio, Sample, Signal, Told, Track
from services.agents.signals.table import SIGNALS
from services.contracts.anomalies import Detector, EvidenceKind

STEP_SECONDS: Final = 15.0
_LEAST_BEFORE: Final = 4
_LEAST_SPREAD: Final = math.asinh(1.0) / DEVIATIONS
_LEAST_BAD: Final = 3.0
_TIMES_WORSE: Final = 3.0
_LEAST_SHARE: Final = 0.05
_FULL_STRENGTH: Final = 3.0  # times the edge of the ordinary


def changed_signals(reader: SignalReader, window: Window) -> Iterator[Clue]:
    """A clue for each series that changed. Raises the errors of `telemetry.query.errors`."""
    for signal in SIGNALS:
        if isinstance(signal.source, Told):
            continue
        for track in reader.read(signal, window.before, window.end, STEP_SECONDS):
            yield from changed(signal, track, window)


def changed(signal: Signal, track: Track, window: Window) -> Iterator[Clue]:
    """Whether one series changed within the window, by what it is watched for."""
    if Detector.INVARIANT in signal.detectors:
        clue = _beyond_limit(signal, track, window)
        if clue is not None:
            yield clue
            return
    if isinstance(signal.source, Ratio):
        found = _worse_share(signal, track, window)
    elif signal.floor > 0 or not signal.detectors:
        found = _moved(signal, track, window)
    else:
        found = None
    if found is not None:
        yield found


def factor(track: Track, window: Window) -> float | None:
    """How many times what it was before a series is worth since it changed; None without anything before."""
    parts = _parts(track, window)
    if parts is None:
        return None
    before, after = parts
    usual = statistics.median(sample.value for sample in before)
    return statistics.median(sample.value for sample in after) / max(usual, 1e-9)


def _beyond_limit(signal: Signal, track: Track, window: Window) -> Clue | None:
    start = window.start.timestamp()
    before = [sample for sample in track.samples if sample.seconds <= start]
    above = [sample for sample in track.samples if sample.seconds > start and sample.value > signal.limit]
    if len(above) < signal.hold:
        return None
    held = sum(sample.value > signal.limit for sample in before)
    if before and held * 2 > len(before):
        return None  # it was so all along
    worst = max(above, key=lambda sample: (sample.value, -sample.seconds))
    if before and signal.limit < before[-1].value >= worst.value:
        return None  # what was so when the incident's time began, and got no worse in it, is of something else
    detail = f"{signal.title}: {worst.value:.4g} {signal.unit}, at most {signal.limit:.4g} is in order"
    return _clue(signal, track, above[0].seconds, detail, 1.0)


def _worse_share(signal: Signal, track: Track, window: Window) -> Clue | None:
    start = window.start.timestamp()
    bad, total = _sums([sample for sample in track.samples if sample.seconds > start])
    was_bad, was_total = _sums([sample for sample in track.samples if sample.seconds <= start])
    failing = [sample for sample in track.samples if sample.seconds > start and sample.bad > 0]
    if bad < _LEAST_BAD or not failing:
        return None
    # The share since the first failure: in the whole window a late beginning would be thinned out.
    bad, total = _sums([sample for sample in track.samples if sample.seconds >= failing[0].seconds])
    share, usual = bad / total, was_bad / was_total if was_total else 0.0
    edge = max(_LEAST_SHARE, _TIMES_WORSE * usual, 2 * signal.budget)
    if share < edge:
        return None
    detail = f"{signal.title}: {share:.0%} of {total:.0f}, {usual:.0%} before"
    return _clue(signal, track, failing[0].seconds, detail, min(1.0, share / edge / _FULL_STRENGTH + 0.5))


def _sums(samples: Sequence[Sample]) -> tuple[float, float]:
    return sum(sample.bad for sample in samples), sum(sample.total for sample in samples)


def _moved(signal: Signal, track: Track, window: Window) -> Clue | None:
    parts = _parts(track, window)
    if parts is None:
        return None
    before, after = parts
    floor = signal.floor or 1.0
    usual, spread = centre([math.asinh(sample.value / floor) for sample in before])
    scores = [
        (math.asinh(sample.value / floor) - usual) / (DEVIATIONS * max(spread, _LEAST_SPREAD)) for sample in after
    ]
    # The second highest: one wild value is no change.
    score = sorted(scores)[-2] if len(scores) > 1 else 0.0
    if score < 1.0:
        return None
    worst = max(after, key=lambda sample: (sample.value, -sample.seconds))
    first = next(sample for sample, each in zip(after, scores, strict=True) if each >= 1.0)
    detail = f"{signal.title}: {worst.value:.4g} {signal.unit}, {math.sinh(usual) * floor:.4g} before"
    return _clue(signal, track, first.seconds, detail, min(1.0, 0.5 + score / _FULL_STRENGTH / 2))


def _parts(track: Track, window: Window) -> tuple[list[Sample], list[Sample]] | None:
    """What was before the series' change and what came after; None without enough before, or an older change."""
    split = max(onset(track.samples) or 0.0, window.start.timestamp())
    before = [sample for sample in track.samples if sample.seconds < split]
    after = [sample for sample in track.samples if sample.seconds >= split]
    return (before, after) if len(before) >= _LEAST_BEFORE and after else None


def _clue(signal: Signal, track: Track, seconds: float, detail: str, strength: float) -> Clue:
    labels = ",".join(f'{name}="{value}"' for name, value in track.labels)
    metric = getattr(signal.source, "metric", getattr(signal.source, "histogram", signal.name))
    shown = f"{metric}{{{labels}}}"
    if isinstance(signal.source, Rate | Ratio):
        shown = f"increase({shown}[1m])"
    elif isinstance(signal.source, Changes):
        shown = f"changes({shown}[10m])"
    return Clue(
        kind=EvidenceKind.METRIC,
        signal=signal.name,
        service_name=track.service_name,
        at=datetime.fromtimestamp(seconds, UTC),
        detail=f"{detail} ({track.text})",
        query=shown,
        strength=strength,
        target=track.label(signal.target),
    )
