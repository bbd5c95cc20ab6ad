"""From evidence to probable causes, by a noisy-OR over the table of causes.

Each kind of evidence that speaks for a cause is taken for a mechanism that brings the cause about by itself with the
probability of its weight, independent of the others (Pearl, "Probabilistic reasoning in intelligent systems", 1988,
section 4.3.2): the confidence is 1 - product of (1 - weight x strength). What speaks against it multiplies that. The
numbers are judgement, not frequencies: they order causes, and a threshold on them decides when there is no finding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.agents.analyst.causes import CauseRow, CauseTable
from services.contracts.anomalies import Cause, Evidence, EvidenceKind

LEAST_CONFIDENCE: Final = 0.4
MOST_HYPOTHESES: Final = 3
_ALERT_WEIGHT: Final = 0.2
_ANOMALY_SHARE: Final = 0.9  # an anomaly repeats what a signal shows; it counts once, a little less than the signal


@dataclass(frozen=True, slots=True)
class Weighed:
    """One cause and what was found for and against it, the weightiest first."""

    cause: Cause
    confidence: float
    speaking_for: tuple[Evidence, ...]
    against: tuple[Evidence, ...]


def weigh(table: CauseTable, evidence: Sequence[Evidence], alert_name: str = "") -> list[Weighed]:
    """The causes that the evidence carries, the most probable first; empty for no finding."""
    strongest = _strongest(evidence)
    weighed = [_weighed(cause, row, strongest, alert_name) for cause, row in table.causes.items()]
    carried = [each for each in weighed if each is not None and each.confidence >= LEAST_CONFIDENCE]
    order = list(Cause)
    carried.sort(key=lambda each: (-each.confidence, order.index(each.cause)))
    return carried[:MOST_HYPOTHESES]


def _strongest(evidence: Sequence[Evidence]) -> dict[str, Evidence]:
    found: dict[str, Evidence] = {}
    for each in evidence:
        name = f"alert:{each.signal}" if each.kind is EvidenceKind.ALERT else each.signal
        have = found.get(name)
        if have is None or _strength(each) > _strength(have):
            found[name] = each
    return found


def _strength(each: Evidence) -> float:
    return each.strength * (_ANOMALY_SHARE if each.kind is EvidenceKind.ANOMALY else 1.0)


def _weighed(cause: Cause, row: CauseRow, found: Mapping[str, Evidence], alert_name: str) -> Weighed | None:
    if not all(any(name in found for name in group) for group in row.needs):
        return None
    shares: list[tuple[float, Evidence]] = [
        (weight * _strength(found[name]), found[name]) for name, weight in row.speaks_for.items() if name in found
    ]
    told = [f"alert:{name}" for name in row.alerts if f"alert:{name}" in found]
    shares += [(_ALERT_WEIGHT, found[name]) for name in told[:1]]
    unexplained = 1.0
    for share, _ in shares:
        unexplained *= 1.0 - share
    if alert_name in row.alerts and not told:
        unexplained *= 1.0 - _ALERT_WEIGHT
    confidence = 1.0 - unexplained
    against = [found[name] for name in row.against if name in found]
    for name, factor in row.against.items():
        if name in found:
            confidence *= 1.0 - (1.0 - factor) * _strength(found[name])
    shares.sort(key=lambda each: (-each[0], int(each[1].id[1:])))
    return Weighed(cause, round(confidence, 3), tuple(each for _, each in shares), tuple(against))
