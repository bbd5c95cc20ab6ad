from itertools import combinations

import numpy as np
import pytest

from services.trading.tuning.errors import SeriesError
from services.trading.tuning.overfitting import overfitting


def _noise(count: int, bars: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.01, (count, bars))


def test_the_published_steps_done_one_by_one_give_the_same() -> None:
    returns = _noise(9, 60, 1) + np.linspace(-0.001, 0.001, 9)[:, None]
    parts = np.array_split(np.arange(60), 6)
    below = losses = 0
    for chosen in combinations(range(6), 3):
        inside = np.concatenate([parts[place] for place in chosen])
        outside = np.concatenate([parts[place] for place in range(6) if place not in chosen])
        sharpes = returns[:, inside].mean(axis=1) / returns[:, inside].std(axis=1)
        others = returns[:, outside].mean(axis=1) / returns[:, outside].std(axis=1)
        best = sharpes.argmax()
        relative = (np.argsort(np.argsort(others))[best] + 1) / 10
        below += np.log(relative / (1 - relative)) <= 0
        losses += others[best] < 0
    found = overfitting(returns, blocks=6)
    assert (found.probability, found.loss_probability, found.halves) == (below / 20, losses / 20, 20)


def test_one_configuration_that_is_truly_better_is_not_overfitted() -> None:
    returns = _noise(50, 1000, 2)
    returns[17] += 0.003
    assert overfitting(returns).probability == 0.0


def test_noise_is_overfitted_about_half_the_time_over_many_markets() -> None:
    found = [overfitting(_noise(40, 480, seed), blocks=8).probability for seed in range(60)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)


def test_sixteen_blocks_are_halved_in_every_way() -> None:
    assert overfitting(_noise(5, 320, 3)).halves == 12_870


def test_bars_left_over_are_dropped_at_the_beginning() -> None:
    returns = _noise(6, 323, 4)
    assert overfitting(returns) == overfitting(returns[:, 3:])


def test_configurations_that_never_trade_are_compared_too() -> None:
    returns = np.vstack([_noise(3, 320, 5) - 0.01, np.zeros((2, 320))])
    found = overfitting(returns)
    assert found.loss_probability == 0.0
    assert found.probability == 0.0


def test_a_transposed_matrix_is_refused_in_words() -> None:
    with pytest.raises(SeriesError, match="looks transposed"):
        overfitting(_noise(10, 500, 6).T)


@pytest.mark.parametrize(
    ("shape", "blocks", "words"),
    [
        ((1, 500), 16, "Two configurations"),
        ((4, 31), 16, "31 bars are too few"),
        ((4, 500), 7, "even number"),
        ((500,), 16, "configurations x time"),
    ],
)
def test_a_matrix_that_is_too_small_is_refused_in_words(shape: tuple[int, ...], blocks: int, words: str) -> None:
    with pytest.raises(SeriesError, match=words):
        overfitting(np.zeros(shape), blocks=blocks)


def test_what_is_not_a_number_is_refused() -> None:
    returns = _noise(4, 320, 8)
    returns[2, 5] = np.nan
    with pytest.raises(SeriesError, match="not a number"):
        overfitting(returns)


def test_what_is_learned_from_is_purged_before_the_other_half_and_under_embargo_after_it() -> None:
    returns = _noise(9, 120, 11) + np.linspace(-0.001, 0.001, 9)[:, None]
    parts = np.split(np.arange(120), 6)
    below = 0
    for chosen in combinations(range(6), 3):
        learned: list[int] = []
        for place in chosen:
            first = 2 if place > 0 and place - 1 not in chosen else 0
            last = 3 if place < 5 and place + 1 not in chosen else 0
            learned += parts[place][first : 20 - last].tolist()
        outside = np.concatenate([parts[place] for place in range(6) if place not in chosen])
        best = (returns[:, learned].mean(axis=1) / returns[:, learned].std(axis=1)).argmax()
        others = returns[:, outside].mean(axis=1) / returns[:, outside].std(axis=1)
        below += (np.argsort(np.argsort(others))[best] + 1) / 10 <= 0.5

    found = overfitting(returns, blocks=6, purge=3, embargo=2)

    assert (found.probability, found.purge, found.embargo) == (below / 20, 3, 2)


def test_of_a_block_a_quarter_is_left_out_at_the_most() -> None:
    found = overfitting(_noise(6, 320, 12), purge=400, embargo=300)
    assert (found.purge, found.embargo) == (5, 5)
