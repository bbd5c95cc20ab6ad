"""What a signal is: how it is read off telemetry, and how it is watched."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.contracts.alerting import Severity
from services.contracts.anomalies import Detector, Stage

Labels = Mapping[str, tuple[str, ...]]
"""Label values of which any is meant; a value that begins with "!" is one that is not meant."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a counter grows, per minute."""

    metric: str
    where: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ratio:
    """The share of a counter's growth that is of one kind; not worth anything where it grows by less than `least`."""

    metric: str
    bad: Labels
    where: Labels = field(default_factory=dict)
    least: float = 1.0


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of what a histogram observed; not worth anything where it observed nothing."""

    histogram: str
    where: Labels = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Level:
    """A gauge as it stands; the furthest from 0 where several series fall together.

    Attributes:
        inverted: 1 minus the value: for gauges that are 1 while all is well.
    """

    metric: str
    where: Labels = field(default_factory=dict)
    inverted: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """How often a gauge took another value within `over_seconds`."""

    metric: str
    over_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class ErrorLines:
    """Lines of the log of level error and above, per minute, by service."""


@dataclass(frozen=True, slots=True)
class Told:
    """A value that the platform's facts tell; see `services.agents.ledger`."""


Source = Rate | Ratio | Mean | Level | Changes | ErrorLines | Told


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One thing that is watched.

    Attributes:
        name: Unique; a label of metrics and the evidence's name in the table of causes.
        title: In words, for sentences: "submitting an order takes long".
        unit: Of its values.
        by: The labels by which it falls into series; `service_name` is always one.
        detectors: How it is watched; empty for signals that only diagnoses look at.
        floor: Differences below it do not matter, in the signal's unit; for robust and drift detectors.
        limit: Values above it are never ordinary; for the invariant.
        hold: For so many observations in a row.
        budget: Share of failures that is planned for; for burn rates.
        direction: Whether it is worse above what is usual, below, or both.
        target: The label that names what it is about, "" for none.
        severity: Of an anomaly.
    """

    name: str
    title: str
    stage: Stage
    unit: str
    source: Source
    by: tuple[str, ...] = ()
    detectors: tuple[Detector, ...] = ()
    floor: float = 0.0
    limit: float = 0.0
    hold: int = 1
    budget: float = 0.01
    direction: Literal["up", "down", "both"] = "up"
    target: str = ""
    severity: Severity = Severity.WARNING


@dataclass(frozen=True, slots=True)
class Sample:
    """What a signal was worth at a moment.

    Attributes:
        seconds: Unix time of the moment, the end of what was observed.
        bad: For a ratio: how many were of the kind that it counts.
        total: For a ratio: how many there were.
    """

    seconds: float
    value: float
    bad: float = 0.0
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Track:
    """One series of a signal: who it is about and its samples, oldest first."""

    labels: tuple[tuple[str, str], ...]
    samples: tuple[Sample, ...]

    @property
    def service_name(self) -> str:
        """The service that it is of, "" where that is not known."""
        return dict(self.labels).get("service_name", "")

    def label(self, name: str) -> str:
        """A label's value, "" without one."""
        return dict(self.labels).get(name, "") if name else ""

    @property
    def text(self) -> str:
        """The labels in one word, as the subject of a fact."""
        return "/".join(value.replace(" ", "_") or "none" for _, value in self.labels)[:120] or "all"
