"""How a plan cuts the time."""

from dataclasses import replace

import pytest

from services.trading.tuning.errors import SplitError
from services.trading.tuning.plan import Plan, described, differences, laid_out
from tests.trading.tuning.market import noise, subject

ABOUT = subject(noise(1000, 1), horizon=lambda end: end // 100)


def test_by_default_as_much_is_purged_as_decisions_reach_ahead_and_a_hundredth_is_under_embargo() -> None:
    layout = laid_out(ABOUT, Plan())

    assert (layout.purge, layout.embargo) == (8, 8)
    assert {fold.test.start - fold.train.stop for fold in layout.folds} == {16}


def test_what_the_plan_says_counts() -> None:
    layout = laid_out(ABOUT, Plan(purge=3, embargo=0))

    assert (layout.purge, layout.embargo) == (3, 0)
    assert {fold.test.start - fold.train.stop for fold in layout.folds} == {3}


def test_folds_that_do_not_learn_from_the_beginning_are_purged_too() -> None:
    layout = laid_out(ABOUT, Plan(anchored=False, purge=5, embargo=2))

    assert {fold.test.start - fold.train.stop for fold in layout.folds} == {7}


@pytest.mark.parametrize("plan", [Plan(purge=-1), Plan(embargo=-1)])
def test_less_than_nothing_cannot_be_left_out(plan: Plan) -> None:
    with pytest.raises(SplitError, match="can be below 0"):
        laid_out(ABOUT, plan)


def test_a_study_that_is_gone_on_with_by_another_purge_is_told_so() -> None:
    before, now = (described(ABOUT, plan) for plan in (Plan(), replace(Plan(), purge=4)))

    assert differences(before, now) == ["purge None (now 4)"]
