"""Whether a study's candidate is to be believed. Most are not, and that is an answer like any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, isnan, nan
from typing import Final

from services.trading.tuning.evidence import Evidence
from services.trading.tuning.ledger import Judgement
from services.trading.tuning.sharpe import deflated_sharpe, expected_maximum_sharpe, track_record_needed

DEFLATED: Final = "deflated Sharpe ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What a candidate must reach.

    Attributes:
        deflated_sharpe: At least this probability of a true Sharpe ratio above 0, given all trials ever.
        overfitting: At most this probability that the best of one half of the time is no better than the median later.
        superiority: At most this p-value of being better than the benchmark by chance.
        dear_return: More than this mean return in a year with costs doubled.
        trades: At least so many round trips.
        around: At least this part of its score is kept by its neighbours.
        held_out: More than this annualised Sharpe ratio on the bars that were kept back, once they are opened.
    """

    deflated_sharpe: float = 0.95
    overfitting: float = 0.2
    superiority: float = 0.05
    dear_return: float = 0.0
    trades: int = 30
    around: float = 0.5
    held_out: float = 0.0


@dataclass(frozen=True, slots=True)
class Check:
    """One test of a candidate.

    Attributes:
        name: In words.
        value: What was measured; NaN where it could not be.
        limit: What it must reach.
        relation: How, as a sign: `>=`, `<=` or `>`.
    """

    name: str
    value: float
    limit: float
    relation: str

    @property
    def passed(self) -> bool:
        if self.relation == ">=":
            return self.value >= self.limit
        return self.value <= self.limit if self.relation == "<=" else self.value > self.limit

    @property
    def short_by(self) -> float:
        """How far the value is from its limit; 0 if it passed, NaN if it could not be measured."""
        return 0.0 if self.passed else abs(self.value - self.limit)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a study.

    Attributes:
        evidence: What it rests on.
        checks: All tests, passed or not.
        bars_needed: How long a record of this quality must be for the deflated Sharpe ratio to reach its limit;
            infinite where no length is enough.
    """

    evidence: Evidence
    checks: Sequence[Check]
    bars_needed: float

    @property
    def recommended(self) -> bool:
        """Whether every test was passed."""
        return all(check.passed for check in self.checks)

    @property
    def failed(self) -> Sequence[Check]:
        """The tests that were not passed."""
        return [check for check in self.checks if not check.passed]

    @property
    def bars_missing(self) -> float:
        """How many more bars the record needs."""
        return max(0.0, self.bars_needed - self.evidence.record.bars)

    def words(self) -> list[str]:
        """The verdict in sentences, the conclusion first."""
        said = ["edge: every test is passed" if self.recommended else "no edge: the incumbent stays"]
        said += [_reason(check) for check in self.failed]
        if self.bars_needed == inf:
            said.append(
                f"no length of record would do: by luck alone the best of {self.evidence.tried} tries looks as good"
            )
        elif self.bars_missing:
            years = self.evidence.bars_per_year
            said.append(
                f"track record needed: {self.bars_needed:,.0f} bars ({self.bars_needed / years:.1f} years), "
                f"{self.bars_missing:,.0f} more ({self.bars_missing / years:.1f} years) than there are"
            )
        return said


def judgement(study: str, verdict: Verdict, trials: int) -> Judgement:
    """What the ledger keeps of a verdict, for a study that has tried so many settings."""
    named = {check.name.partition(",")[0]: check for check in verdict.checks}
    deflated = named[DEFLATED].value
    return Judgement(
        study=study,
        trials=trials,
        recommended=verdict.recommended,
        failed=tuple(name for name, check in named.items() if not check.passed),
        deflated_sharpe=None if isnan(deflated) else deflated,
    )


def judge(evidence: Evidence, thresholds: Thresholds | None = None) -> Verdict:
    """Hold the evidence against the thresholds."""
    limits = thresholds or Thresholds()
    score = evidence.candidate.trial.score
    found = evidence.overfitting
    luck = expected_maximum_sharpe(evidence.tried, evidence.variance)
    checks = [
        Check(
            f"{DEFLATED}, {evidence.tried} tries ever",
            deflated_sharpe(evidence.record, evidence.tried, evidence.variance),
            limits.deflated_sharpe,
            ">=",
        ),
        Check("probability of overfitting", found.probability if found else nan, limits.overfitting, "<="),
        Check("p-value of superior ability", evidence.superiority.consistent, limits.superiority, "<="),
        Check("yearly return with costs doubled", evidence.dear_return, limits.dear_return, ">"),
        Check("round trips", evidence.trades, limits.trades, ">="),
        Check("part of the score that neighbours keep", _kept(score, evidence.candidate.around), limits.around, ">="),
    ]
    if evidence.held_out is not None:
        checks.append(Check("Sharpe ratio on the hold-out", evidence.held_out.sharpe, limits.held_out, ">"))
    needed = track_record_needed(evidence.record, luck, limits.deflated_sharpe)
    return Verdict(evidence, checks, needed if needed == inf else float(ceil(needed)))


def _kept(score: float, around: float) -> float:
    return around / score if score > 0 else 0.0


def _reason(check: Check) -> str:
    if isnan(check.value):
        return f"{check.name}: could not be measured, all settings do the same"
    sign = {">=": "at least", "<=": "at most", ">": "more than"}[check.relation]
    return f"{check.name}: {check.value:.4g} where {sign} {check.limit:g} is needed, off by {check.short_by:.4g}"
