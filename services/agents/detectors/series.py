"""The detectors of every series, made when a series is first seen and kept over a restart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from services.agents.detectors.detector import Judgement, SeriesDetector
from services.agents.detectors.making import make
from services.agents.detectors.seasons import season_of
from services.agents.signals.sources import Sample, Signal, Track
from services.contracts.anomalies import Detector, DetectorState, DetectorView

MOST_SERIES: Final = 3_000
_FORGOTTEN_AFTER_SECONDS: Final = 86_400.0
_SHOWN_SCORE: Final = 1_000.0


@dataclass(slots=True)
class Watched:
    """One detector on one series, and what it said last."""

    signal: Signal
    kind: Detector
    track: Track
    detector: SeriesDetector
    sample: Sample | None = None
    judgement: Judgement | None = None

    @property
    def found(self) -> bool:
        """Whether the last sample was out of the ordinary."""
        return self.judgement is not None and self.judgement.found

    def view(self, blind: str) -> DetectorView:
        """As it is shown; `blind` is why the signal cannot be read, "" while it can."""
        judgement, sample = self.judgement, self.sample
        state = DetectorState.WATCHING
        if blind:
            state = DetectorState.BLIND
        elif self.found:
            state = DetectorState.FOUND
        elif self.detector.observations < self.detector.needed:
            state = DetectorState.WARMING_UP
        return DetectorView(
            signal=self.signal.name,
            stage=self.signal.stage,
            service_name=self.track.service_name,
            series=self.track.text,
            detector=self.kind,
            state=state,
            observations=self.detector.observations,
            needed=self.detector.needed,
            score=min(_SHOWN_SCORE, judgement.score) if judgement else 0.0,
            value=sample.value if sample else 0.0,
            expected=judgement.expected if judgement else 0.0,
            unit=self.signal.unit,
            observed_at=datetime.fromtimestamp(sample.seconds, UTC) if sample else None,
            reason=blind,
        )


@dataclass(slots=True)
class DetectorBank:
    """All of them. `restored` holds what earlier ones have learnt, by key, until their series is seen again."""

    restored: dict[str, str] = field(default_factory=dict)
    watched: dict[str, Watched] = field(default_factory=dict)

    def feed(self, signal: Signal, track: Track) -> list[Watched]:
        """Give a series' new samples to its detectors; those detectors."""
        fed = []
        for kind in signal.detectors:
            if kind is Detector.TEMPLATES:
                continue
            each = self._of(signal, kind, track)
            if each is None:
                continue
            last = each.sample.seconds if each.sample else float("-inf")
            for sample in track.samples:
                if sample.seconds > last:
                    moment = datetime.fromtimestamp(sample.seconds, UTC)
                    each.sample, each.judgement = sample, each.detector.observe(sample, season_of(moment))
            fed.append(each)
        return fed

    def dumps(self) -> Mapping[str, tuple[datetime, str]]:
        """What all of them have learnt, and up to when, by key."""
        return {
            key: (datetime.fromtimestamp(each.sample.seconds, UTC), each.detector.dump())
            for key, each in self.watched.items()
            if each.sample is not None
        }

    def forget(self, now: float) -> list[str]:
        """Drop the detectors of series that have not been seen for a day; their keys."""
        gone = [
            key
            for key, each in self.watched.items()
            if each.sample is None or now - each.sample.seconds > _FORGOTTEN_AFTER_SECONDS
        ]
        for key in gone:
            del self.watched[key]
        return gone

    def _of(self, signal: Signal, kind: Detector, track: Track) -> Watched | None:
        key = f"{signal.name}|{kind.value}|{track.text}"
        each = self.watched.get(key)
        if each is None:
            if len(self.watched) >= MOST_SERIES:
                return None
            each = self.watched[key] = Watched(signal, kind, track, self._made(key, signal, kind))
        each.track = track
        return each

    def _made(self, key: str, signal: Signal, kind: Detector) -> SeriesDetector:
        try:
            return make(kind, signal, self.restored.pop(key, ""))
        except ValidationError:
            # Learnt by another release: learning it anew takes ten minutes.
            return make(kind, signal)
