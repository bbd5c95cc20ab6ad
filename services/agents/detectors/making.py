"""Makes the detector of a kind."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from services.agents.detectors.burn import BurnRate
from services.agents.detectors.detector import SeriesDetector
from services.agents.detectors.drift import Drifting
from services.agents.detectors.invariant import Invariant
from services.agents.detectors.robust import Robust
from services.agents.signals.sources import Signal
from services.contracts.anomalies import Detector

_KINDS: Mapping[Detector, Callable[[Signal, str], SeriesDetector]] = MappingProxyType(
    {
        Detector.ROBUST: Robust,
        Detector.DRIFT: Drifting,
        Detector.BURN_RATE: BurnRate,
        Detector.INVARIANT: Invariant,
    }
)


def make(kind: Detector, signal: Signal, state: str = "") -> SeriesDetector:
    """A detector that knows what `state` says, "" for nothing.

    Raises:
        pydantic.ValidationError: The state is not one of this kind.
    """
    return _KINDS[kind](signal, state)
