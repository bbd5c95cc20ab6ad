"""How much a Sharpe ratio is worth: after how long a record, with what tails, and as the best of how many.

Sharpe ratios here are per bar, not annualised: mean of the returns over their standard deviation. `annual` converts.
"""

from dataclasses import dataclass
from math import e, inf, isfinite, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

from services.contracts.columns import Floats
from services.trading.tuning.errors import SeriesError

_NORMAL: Final = NormalDist()
_EULER_MASCHERONI: Final = 0.5772156649015329
_SHORTEST: Final = 3
# Below this part of the largest return a spread is rounding, not risk.
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Record:
    """A track record in four numbers.

    Attributes:
        sharpe: Per bar; 0 for returns without spread, whose risk cannot be measured.
        bars: How many returns there are.
        skewness: Third standardised moment; 0 for a normal distribution.
        kurtosis: Fourth standardised moment, not the excess; 3 for a normal distribution.
    """

    sharpe: float
    bars: int
    skewness: float = 0.0
    kurtosis: float = 3.0

    @property
    def spread(self) -> float:
        """Variance of the estimated Sharpe ratio times the number of bars (Mertens 2002; Lo 2002).

        `1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe^2`. No distribution has a kurtosis below 1 + skewness^2,
        so this is never negative for moments of real returns.

        Raises:
            SeriesError: The moments are none that returns can have.
        """
        value = 1.0 - self.skewness * self.sharpe + (self.kurtosis - 1.0) / 4.0 * self.sharpe**2
        if not value > 0:
            raise SeriesError(f"A skewness of {self.skewness:g} with a kurtosis of {self.kurtosis:g} is not possible.")
        return value


def record_of(returns: Floats) -> Record:
    """The track record of returns per bar, as parts of the capital (0.01 is one per cent).

    Raises:
        SeriesError: Fewer than three returns, or one that is not a number.
    """
    if returns.ndim != 1 or len(returns) < _SHORTEST:
        raise SeriesError(f"A record takes at least {_SHORTEST} returns in one row, not the shape {returns.shape}.")
    if not np.isfinite(returns).all():
        raise SeriesError("A return is not a number; a bar without a price has a return of 0.")
    from_mean = returns - returns.mean()
    deviation = float(returns.std(ddof=1))
    if deviation <= _ROUNDING * float(np.abs(returns).max()):
        return Record(0.0, len(returns))
    scaled = from_mean / float(returns.std())
    return Record(float(returns.mean()) / deviation, len(returns), float(np.mean(scaled**3)), float(np.mean(scaled**4)))


def sharpe_of(returns: Floats) -> float:
    """The Sharpe ratio per bar; 0 for returns that have no spread or are fewer than three."""
    return record_of(returns).sharpe if len(returns) >= _SHORTEST else 0.0


def annual(sharpe: float, bars_per_year: float) -> float:
    """The annualised Sharpe ratio, `sharpe * sqrt(bars_per_year)`; right for returns that are independent."""
    return sharpe * sqrt(bars_per_year)


def probabilistic_sharpe(record: Record, benchmark: float = 0.0) -> float:
    """The probability that the true Sharpe ratio lies above `benchmark` (per bar), given this record; 0 to 1.

    `Phi((SR - SR*) * sqrt(T - 1) / sqrt(1 - g3 * SR + (g4 - 1) / 4 * SR^2))`, Bailey and Lopez de Prado (2012), "The
    Sharpe Ratio Efficient Frontier", Journal of Risk 15(2).
    """
    return _NORMAL.cdf((record.sharpe - benchmark) * sqrt(record.bars - 1) / sqrt(record.spread))


def expected_maximum_sharpe(trials: float, variance: float) -> float:
    """The Sharpe ratio that the best of `trials` worthless strategies is expected to show.

    `sqrt(V) * ((1 - g) * Z(1 - 1/N) + g * Z(1 - 1/(N e)))` with the Euler-Mascheroni constant g and the normal
    quantile Z: Bailey and Lopez de Prado (2014), "The Deflated Sharpe Ratio", Journal of Portfolio Management 40(5).

    Args:
        trials: How many were tried; 1 gives 0.
        variance: Of the trials' Sharpe ratios; the result has the unit of its square root.

    Raises:
        SeriesError: Less than one trial, or a variance below 0.
    """
    if trials < 1 or variance < 0 or not isfinite(trials * variance):
        raise SeriesError(f"There is no best of {trials:g} trials whose Sharpe ratios have the variance {variance:g}.")
    if trials == 1:
        return 0.0
    first = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    second = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * e))
    return max(0.0, sqrt(variance) * ((1.0 - _EULER_MASCHERONI) * first + _EULER_MASCHERONI * second))


def deflated_sharpe(record: Record, trials: float, variance: float) -> float:
    """The probability that the true Sharpe ratio is above 0, given that this record is the best of `trials`; 0 to 1.

    The probabilistic Sharpe ratio against `expected_maximum_sharpe`: Bailey and Lopez de Prado (2014).

    Args:
        record: Of the best trial.
        trials: How many were ever tried on these data.
        variance: Of all trials' Sharpe ratios per bar.
    """
    return probabilistic_sharpe(record, expected_maximum_sharpe(trials, variance))


def track_record_needed(record: Record, benchmark: float = 0.0, confidence: float = 0.95) -> float:
    """How many bars a record of this quality must have to show a Sharpe ratio above `benchmark`; infinite: no number.

    `1 + (1 - g3 * SR + (g4 - 1) / 4 * SR^2) * (Z(confidence) / (SR - SR*))^2`, Bailey and Lopez de Prado (2012), the
    minimum track record length.
    """
    if record.sharpe <= benchmark:
        return inf
    return 1.0 + record.spread * (_NORMAL.inv_cdf(confidence) / (record.sharpe - benchmark)) ** 2


def independent_trials(trials: int, mean_correlation: float) -> float:
    """How many independent trials so many correlated ones are worth: `rho + (1 - rho) * N`.

    Bailey and Lopez de Prado (2014), appendix 3: an interpolation between all alike and all independent.

    Args:
        trials: How many there are.
        mean_correlation: Mean over all pairs of the correlation of their returns; below 0 counts as 0.
    """
    correlation = min(1.0, max(0.0, mean_correlation))
    return correlation + (1.0 - correlation) * trials


def mean_correlation(returns: Floats) -> float:
    """The mean correlation over all pairs of rows (configurations x time); rows without spread are left out.

    Taken from the spread of the sum of the standardised rows, so it costs no matrix of all pairs.
    """
    spread = returns.std(axis=1)
    moving = returns[spread > _ROUNDING * np.maximum(np.abs(returns).max(axis=1), 1e-300)]
    count = len(moving)
    if count <= 1:
        return 1.0
    scaled = (moving - moving.mean(axis=1, keepdims=True)) / moving.std(axis=1, keepdims=True)
    return float((scaled.sum(axis=0).var() - count) / (count * (count - 1)))
