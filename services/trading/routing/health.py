"""How well a venue does, as a number from 0 to 1 by which venues are compared. Pure.

The score is the product of four parts, so that a venue that fails in one cannot make up for it in the others:

- the share of its latest outcomes that were good,
- its latency: 1 at none, one half at `half_latency_seconds`,
- the age of its stream, and
- the age of its last reconciliation: each 1 when fresh, falling to 0 at the age at which it no longer counts.
"""

from dataclasses import dataclass

from services.trading.routing.circuit import Circuit


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRules:
    """What the score is measured by.

    Attributes:
        latency_weight: Share of the newest latency in the mean, of 1.
        half_latency_seconds: The mean latency at which a venue counts half.
        stream_age_seconds, reconciliation_age_seconds: The ages at which they count nothing.
    """

    latency_weight: float = 0.2
    half_latency_seconds: float = 1.0
    stream_age_seconds: float = 60.0
    reconciliation_age_seconds: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """What is known of a venue at a moment.

    Attributes:
        ready: It may take new exposure.
        latency_seconds: Exponentially weighted mean of its answers; None before the first.
        stream_age_seconds: Since its stream was last heard; None while it is down.
        reconciliation_age_seconds: Since the last one that succeeded; None before the first.
    """

    ready: bool
    circuit: Circuit
    latency_seconds: float | None = None
    stream_age_seconds: float | None = None
    reconciliation_age_seconds: float | None = None


def mean_latency(mean_seconds: float | None, latest_seconds: float, rules: HealthRules) -> float:
    """The mean after one more answer; the first is the mean."""
    if mean_seconds is None:
        return latest_seconds
    return mean_seconds + rules.latency_weight * (latest_seconds - mean_seconds)


def score(pulse: Pulse, rules: HealthRules) -> float:
    """From 0 to 1; 0 for a venue that is not ready, whose stream is down, or that was never reconciled."""
    if not pulse.ready:
        return 0.0
    outcomes = pulse.circuit.outcomes
    good = sum(outcome.good for outcome in outcomes) / len(outcomes) if outcomes else 1.0
    latency = max(pulse.latency_seconds or 0.0, 0.0)
    quick = rules.half_latency_seconds / (rules.half_latency_seconds + latency)
    heard = _freshness(pulse.stream_age_seconds, rules.stream_age_seconds)
    compared = _freshness(pulse.reconciliation_age_seconds, rules.reconciliation_age_seconds)
    return good * quick * heard * compared


def _freshness(age_seconds: float | None, worthless_seconds: float) -> float:
    """Fresh until half of the age at which it is worthless: what comes at intervals is not to make the score swing."""
    if age_seconds is None:
        return 0.0
    return min(1.0, max(0.0, 2.0 * (1.0 - age_seconds / worthless_seconds)))
