"""Times the order path: what happened to an order its facts tell, how long each part took only the desk can see."""

from collections.abc import Iterable
from typing import Final, Literal

from services.contracts.orders import VenueName
from services.trading.brokers.port import Accepted, NotSent, OutcomeUnknown, Rejected, SubmitOutcome
from telemetry.catalogue import (
    TRADING_ADDED_LATENCY,
    TRADING_PLACEMENTS,
    TRADING_SUBMISSIONS,
    TRADING_SUBMIT_DURATION,
    Metric,
    emitted_by,
)
from telemetry.emit.metrics import Metrics

OutcomeWord = Literal["accepted", "rejected", "not_sent", "unknown"]

_VENUE_LABELS: Final = frozenset({"venue", "from_venue", "to_venue"})
_WORDS: Final[dict[type[SubmitOutcome], OutcomeWord]] = {
    Accepted: "accepted",
    Rejected: "rejected",
    NotSent: "not_sent",
    OutcomeUnknown: "unknown",
}


def declare_venues(metrics: Metrics, venues: Iterable[VenueName]) -> None:
    """Make the venues known to every metric of trading that is told by venue; before the first order, at start."""
    names = tuple(venues)
    for metric in emitted_by("trading"):
        for label in _venue_labels(metric):
            metrics.declare(metric, label, names)


def outcome_word(outcome: SubmitOutcome) -> OutcomeWord:
    """The outcome as labels and span attributes have it."""
    return _WORDS[type(outcome)]


class OrderMeter:
    """Counts and times submits. Its methods cost a few microseconds and may be called from any thread.

    Called inside the submit's span, so that each histogram bucket leads to a trace.

    Args:
        metrics: The service's instruments; the venues have been declared.
        venues: Those that orders can go to.
    """

    def __init__(self, metrics: Metrics, venues: Iterable[VenueName]) -> None:
        names = tuple(venues)
        pairs = [(venue, word) for venue in names for word in _WORDS.values()]
        self._submissions = {
            (venue, word): metrics.counter(TRADING_SUBMISSIONS, venue=venue, outcome=word) for venue, word in pairs
        }
        self._durations = {
            (venue, word): metrics.histogram(TRADING_SUBMIT_DURATION, venue=venue, outcome=word)
            for venue, word in pairs
        }
        self._placements = {
            word: metrics.counter(TRADING_PLACEMENTS, outcome=word) for word in (*_WORDS.values(), "denied")
        }
        self._added = metrics.histogram(TRADING_ADDED_LATENCY)

    def submitted(self, venue: VenueName, outcome: SubmitOutcome, seconds: float) -> None:
        """A venue's `submit` returned after so many seconds."""
        key = venue, _WORDS[type(outcome)]
        self._submissions[key].inc()
        self._durations[key].observe(seconds)

    def placed(self, last: SubmitOutcome, added_seconds: float) -> None:
        """A wish that the gate let pass has its outcome.

        Args:
            last: What the last venue that was tried made of it.
            added_seconds: From the call to the outcome, the time inside the venues' `submit` taken off.
        """
        self._placements[_WORDS[type(last)]].inc()
        self._added.observe(added_seconds)

    def denied(self) -> None:
        """The gate refused a wish. Its reason is counted when the denial is recorded."""
        self._placements["denied"].inc()


def _venue_labels(metric: Metric) -> list[str]:
    return [label.name for label in metric.labels if label.name in _VENUE_LABELS]
