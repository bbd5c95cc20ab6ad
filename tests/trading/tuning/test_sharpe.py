import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.trading.tuning.errors import SeriesError
from services.trading.tuning.sharpe import (
    Record,
    annual,
    deflated_sharpe,
    expected_maximum_sharpe,
    independent_trials,
    mean_correlation,
    probabilistic_sharpe,
    record_of,
    track_record_needed,
)

PAPER = Record(sharpe=2.5 / 250**0.5, bars=1250, skewness=-3.0, kurtosis=10.0)
PAPER_VARIANCE = 0.5 / 250


@pytest.mark.parametrize(("trials", "expected"), [(100, 0.9004), (46, 0.9505)])
def test_the_papers_own_example_comes_out(trials: int, expected: float) -> None:
    assert deflated_sharpe(PAPER, trials, PAPER_VARIANCE) == pytest.approx(expected, abs=5e-5)


def test_the_papers_benchmark_is_its_own_per_bar_figure() -> None:
    assert expected_maximum_sharpe(100, PAPER_VARIANCE) == pytest.approx(0.1132, abs=5e-5)


def test_one_trial_is_not_deflated() -> None:
    assert deflated_sharpe(PAPER, 1, PAPER_VARIANCE) == probabilistic_sharpe(PAPER)


@pytest.mark.parametrize("trials", [10, 100, 1000])
def test_the_expected_maximum_is_that_of_simulated_normal_trials(trials: int) -> None:
    best = np.random.default_rng(5).normal(0.0, 0.3, (4000, trials)).max(axis=1).mean()
    assert expected_maximum_sharpe(trials, 0.09) == pytest.approx(best, rel=0.02)


def test_a_probabilistic_sharpe_ratio_holds_what_it_says() -> None:
    random = np.random.default_rng(11)
    returns = random.normal(0.0, 0.01, (4000, 250))
    probabilities = [probabilistic_sharpe(record_of(row)) for row in returns]
    assert np.mean(np.array(probabilities) >= 0.95) == pytest.approx(0.05, abs=0.012)


@given(st.floats(0.02, 0.5), st.floats(-2.0, 2.0), st.floats(0.0, 20.0), st.floats(0.6, 0.999), st.floats(-0.2, 0.01))
def test_a_record_of_the_length_needed_is_just_enough(
    sharpe: float, skewness: float, more: float, confidence: float, benchmark: float
) -> None:
    kurtosis = 1.0 + skewness**2 + more
    needed = track_record_needed(Record(sharpe, 10, skewness, kurtosis), benchmark, confidence)
    shown = probabilistic_sharpe(Record(sharpe, needed, skewness, kurtosis), benchmark)  # type: ignore[arg-type]
    assert shown == pytest.approx(confidence, abs=1e-6)


def test_no_length_shows_a_sharpe_ratio_that_is_not_there() -> None:
    assert track_record_needed(Record(0.05, 500), benchmark=0.05) == float("inf")


def test_moments_of_a_record_are_those_of_its_returns() -> None:
    record = record_of(np.array([0.01, -0.02, 0.03, 0.0, 0.05]))
    assert record.sharpe == pytest.approx(0.014 / 0.027018512)
    assert record.skewness == pytest.approx(0.1224, abs=1e-4)
    assert record.kurtosis == pytest.approx(1.8297, abs=1e-4)


def test_returns_without_spread_have_a_sharpe_ratio_of_nothing() -> None:
    assert record_of(np.full(100, 0.001)) == Record(0.0, 100)


def test_a_normal_year_is_annualised_by_the_root_of_its_bars() -> None:
    assert annual(0.1, 256) == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("returns", "words"),
    [(np.zeros(2), "at least 3"), (np.zeros((3, 3)), "one row"), (np.array([0.1, np.nan, 0.2]), "not a number")],
)
def test_returns_that_are_none_are_refused_in_words(returns: np.ndarray, words: str) -> None:
    with pytest.raises(SeriesError, match=words):
        record_of(returns)


def test_impossible_moments_are_refused() -> None:
    with pytest.raises(SeriesError, match="not possible"):
        probabilistic_sharpe(Record(1.0, 100, skewness=3.0, kurtosis=1.0))


@pytest.mark.parametrize(("trials", "variance"), [(0.5, 1.0), (10.0, -1.0), (10.0, float("nan"))])
def test_trials_that_cannot_be_are_refused(trials: float, variance: float) -> None:
    with pytest.raises(SeriesError, match="no best of"):
        expected_maximum_sharpe(trials, variance)


def test_trials_that_are_all_alike_count_as_one_and_independent_ones_as_all() -> None:
    assert independent_trials(100, 1.0) == 1.0
    assert independent_trials(100, 0.0) == 100.0
    assert independent_trials(100, 0.5) == 50.5


def test_the_mean_correlation_is_that_of_all_pairs() -> None:
    random = np.random.default_rng(3)
    rows = random.normal(size=(8, 400)) + random.normal(size=400)
    pairs = np.corrcoef(rows)[np.triu_indices(8, 1)]
    assert mean_correlation(np.vstack([rows, np.zeros(400)])) == pytest.approx(pairs.mean())


def test_the_best_of_a_hundred_noise_strategies_passes_naively_and_not_when_deflated() -> None:
    random = np.random.default_rng(7)
    naive = deflated = 0
    markets = 300
    for _ in range(markets):
        returns = random.normal(0.0, 0.01, (100, 500))
        sharpes = returns.mean(axis=1) / returns.std(axis=1, ddof=1)
        record = record_of(returns[sharpes.argmax()])
        naive += probabilistic_sharpe(record) >= 0.95
        deflated += deflated_sharpe(record, 100, float(sharpes.var(ddof=1))) >= 0.95
    assert naive / markets >= 0.97
    assert deflated / markets <= 0.02
