import numpy as np
import pytest

from services.trading.tuning.errors import SeriesError
from services.trading.tuning.superior import superior_ability


def _dependent(seed: int, lift: float) -> np.ndarray:
    random = np.random.default_rng(seed)
    returns = random.normal(0.0, 0.01, (20, 400))
    returns[:, 1:] += 0.3 * returns[:, :-1]
    returns += np.linspace(-0.002, 0.0, 20)[:, None]
    returns[3] += lift + 0.0015
    return returns


# From the SPA of arch 8.0.0 with 20,000 draws, each row divided beforehand by its long-run deviation: arch does not
# studentise the maximum itself.
ARCH = {
    (1, 0.0): (0.7278, 0.9260, 0.9946),
    (2, 0.0008): (0.0494, 0.0875, 0.1117),
    (3, 0.0012): (0.0009, 0.0055, 0.0101),
    (4, 0.0): (0.0226, 0.0354, 0.0533),
    (5, 0.0005): (0.0318, 0.0905, 0.1012),
}


@pytest.mark.parametrize(("market", "expected"), ARCH.items(), ids=str)
def test_p_values_are_those_of_another_implementation(
    market: tuple[int, float], expected: tuple[float, float, float]
) -> None:
    found = superior_ability(_dependent(*market), seed=1, draws=5000, block_bars=20)
    assert (found.lower, found.consistent, found.upper) == pytest.approx(expected, abs=0.015)


def test_noise_seldom_looks_superior() -> None:
    random = np.random.default_rng(2)
    rejected = [
        superior_ability(random.normal(0.0, 0.01, (30, 400)), seed=seed, draws=400, block_bars=5).consistent <= 0.05
        for seed in range(120)
    ]
    assert np.mean(rejected) <= 0.12


def test_one_strategy_that_is_truly_better_is_found_among_many() -> None:
    excess = np.random.default_rng(3).normal(0.0, 0.01, (100, 1000))
    excess[40] += 0.003
    assert superior_ability(excess, seed=1).consistent <= 0.001


def test_the_three_p_values_are_in_order() -> None:
    for seed in range(5):
        found = superior_ability(_dependent(seed, 0.0005), seed=seed, draws=500)
        assert found.lower <= found.consistent <= found.upper


def test_poor_strategies_do_not_hide_a_good_one() -> None:
    random = np.random.default_rng(4)
    good = random.normal(0.0012, 0.01, (1, 800))
    poor = random.normal(-0.01, 0.01, (200, 800))
    alone = superior_ability(good, seed=1).consistent
    assert superior_ability(np.vstack([good, poor]), seed=1).consistent == pytest.approx(alone, abs=0.02)


def test_the_same_seed_gives_the_same_result() -> None:
    excess = _dependent(1, 0.0005)
    assert superior_ability(excess, seed=9, draws=300) == superior_ability(excess, seed=9, draws=300)


def test_who_does_nothing_is_not_superior_to_nothing() -> None:
    assert superior_ability(np.zeros((3, 100)), seed=1).consistent == 1.0


@pytest.mark.parametrize(
    ("excess", "words"),
    [
        (np.zeros(100), "Configurations x at least 16"),
        (np.zeros((3, 15)), "Configurations x at least 16"),
        (np.full((3, 20), np.nan), "not a number"),
    ],
)
def test_what_cannot_be_tested_is_refused_in_words(excess: np.ndarray, words: str) -> None:
    with pytest.raises(SeriesError, match=words):
        superior_ability(excess, seed=1)
