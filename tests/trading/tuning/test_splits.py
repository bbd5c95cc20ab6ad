import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.trading.tuning.errors import SplitError, TooFewBarsError
from services.trading.tuning.splits import Split, combinatorial_purged, hold_out, purged_k_fold, walk_forward


@st.composite
def _labels(draw: st.DrawFn) -> np.ndarray:
    horizons = draw(st.lists(st.integers(0, 12), min_size=30, max_size=150))
    last = len(horizons) - 1
    return np.array([min(last, bar + horizon) for bar, horizon in enumerate(horizons)], dtype=np.int64)


def _shares_prices(ends: np.ndarray, split: Split) -> bool:
    known = np.zeros(len(ends) + 1, dtype=int)
    for bar in split.test:
        known[bar : ends[bar] + 1] = 1
    return any(known[bar : ends[bar] + 1].any() for bar in split.train)


@given(_labels(), st.integers(3, 8), st.integers(1, 2), st.integers(0, 5))
def test_no_price_of_a_test_is_learned_from(ends: np.ndarray, groups: int, tested: int, embargo: int) -> None:
    try:
        splits = combinatorial_purged(ends, groups, tested, embargo=embargo)
    except TooFewBarsError:
        assume(False)
    assert not any(_shares_prices(ends, split) for split in splits)


@given(_labels(), st.integers(3, 6), st.integers(0, 9))
def test_no_bar_of_the_embargo_is_learned_from(ends: np.ndarray, folds: int, embargo: int) -> None:
    try:
        splits = purged_k_fold(ends, folds, embargo=embargo)
    except TooFewBarsError:
        assume(False)
    for split in splits:
        last = int(ends[split.test].max())
        assert not set(range(last + 1, last + embargo + 1)) & set(split.train.tolist())


def test_no_more_is_purged_than_must_be() -> None:
    ends = np.minimum(np.arange(30) + 2, 29)
    split = purged_k_fold(ends, 3, embargo=1)[1]
    assert split.test.tolist() == list(range(10, 20))
    assert split.train.tolist() == [*range(8), *range(23, 30)]


@given(_labels(), st.integers(3, 8))
def test_each_bar_is_tested_once_by_k_folds(ends: np.ndarray, folds: int) -> None:
    try:
        splits = purged_k_fold(ends, folds)
    except TooFewBarsError:
        assume(False)
    assert np.concatenate([split.test for split in splits]).tolist() == list(range(len(ends)))


def test_each_bar_is_tested_in_the_same_number_of_combinations() -> None:
    splits = combinatorial_purged(np.arange(60), 6, 2)
    tested = np.bincount(np.concatenate([split.test for split in splits]))
    assert len(splits) == 15
    assert set(tested.tolist()) == {5}


@given(st.integers(100, 2000), st.integers(1, 12), st.integers(0, 30), st.booleans(), st.integers(0, 10))
def test_a_walk_forward_learns_from_nothing_at_or_after_its_test(
    bars: int,
    folds: int,
    start: int,
    anchored: bool,  # noqa: FBT001 -- hypothesis fills it in by name
    gap: int,
) -> None:
    try:
        made = walk_forward(bars, folds, start=start, anchored=anchored, gap=gap)
    except TooFewBarsError:
        assume(False)
    for fold in made:
        assert start <= fold.train.start < fold.train.stop == fold.test.start - gap
        assert fold.train.stop - fold.train.start >= 20
    ends = [made[0].test.start, *(fold.test.stop for fold in made)]
    assert [fold.test.start for fold in made] == ends[:-1]
    assert ends[-1] == bars
    assert len({fold.test.stop - fold.test.start for fold in made}) == 1


def test_an_anchored_walk_learns_from_ever_more_and_a_rolling_one_from_as_much() -> None:
    anchored = walk_forward(900, 8)
    rolling = walk_forward(900, 8, anchored=False)
    assert [fold.train for fold in anchored] == [slice(0, 100 * number) for number in range(1, 9)]
    assert [fold.train for fold in rolling] == [slice(100 * (number - 1), 100 * number) for number in range(1, 9)]


def test_too_few_bars_are_refused_with_how_many_it_takes() -> None:
    with pytest.raises(TooFewBarsError, match="at least 230 bars"):
        walk_forward(229, 8, start=50)
    assert len(walk_forward(230, 8, start=50)) == 8


def test_a_long_gap_takes_its_bars_from_the_first_training() -> None:
    with pytest.raises(TooFewBarsError, match="at least 205 bars"):
        walk_forward(204, 8, gap=25)
    assert len(walk_forward(205, 8, gap=25)) == 8


def test_the_hold_out_is_the_end() -> None:
    assert hold_out(1000, 0.2) == (slice(0, 800), slice(800, 1000))
    assert hold_out(1000, 0.0) == (slice(0, 1000), slice(1000, 1000))


@pytest.mark.parametrize("share", [-0.1, 0.6, float("nan")])
def test_a_hold_out_of_no_sensible_size_is_refused(share: float) -> None:
    with pytest.raises(SplitError, match="a half"):
        hold_out(100, share)


def test_labels_that_end_before_they_begin_are_refused() -> None:
    with pytest.raises(SplitError, match="before its own bar"):
        purged_k_fold(np.zeros(30, dtype=np.int64), 3)


@pytest.mark.parametrize(
    ("groups", "tested", "embargo", "words"),
    [(5, 5, 0, "not all"), (5, 0, 0, "At least one"), (5, 1, -1, "embargo"), (40, 20, 0, "fewer parts")],
)
def test_splits_that_make_no_sense_are_refused_in_words(groups: int, tested: int, embargo: int, words: str) -> None:
    with pytest.raises(SplitError, match=words):
        combinatorial_purged(np.arange(100), groups, tested, embargo=embargo)


def test_purging_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(TooFewBarsError, match="nothing to learn"):
        purged_k_fold(np.full(30, 29), 3)
