"""What a detector is: it is given one series' samples in order and says of each whether it is out of the ordinary."""

from dataclasses import dataclass
from typing import Protocol

from services.agents.signals.sources import Sample

BEYOND = 1.0
"""The score from which on a sample is out of the ordinary."""

MOST_SCORE = 1_000.0


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a detector makes of a sample.

    Attributes:
        score: How far it is from what is usual; `BEYOND` is the edge. 0 while the detector warms up.
        expected: What is usual.
        found: Whether it is out of the ordinary, confirmed as the detector asks for.
        since: Unix time at which it probably began, where the detector can tell.
        detail: In words, for what was found.
    """

    score: float
    expected: float
    found: bool
    since: float | None = None
    detail: str = ""


class SeriesDetector(Protocol):
    """Watches one series. Its state is small, bounded, and goes through JSON."""

    @property
    def observations(self) -> int:
        """Samples that it was given."""

    @property
    def needed(self) -> int:
        """Samples that it wants to have been given before it finds anything."""

    def observe(self, sample: Sample, season: str) -> Judgement:
        """Take the next sample; `season` names the part of the market's day that it belongs to."""

    def dump(self) -> str:
        """What it has learnt."""
