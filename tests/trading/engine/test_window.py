"""The newest bars of a strategy's symbols on one axis."""

import numpy as np
import pytest

from services.trading.engine.window import Window
from tests.trading.engine.support import DAY, FIRST, A, B, bar


def window(length: int, days: int) -> Window:
    found = Window((A, B), length)
    for day in range(days):
        found.add(FIRST + day * DAY, {A: bar(A, day, 100 + day), B: bar(B, day, 200 + day)})
    return found


@pytest.mark.parametrize("days", [1, 3, 4, 7, 20])
def test_it_shows_the_newest_moments(days: int) -> None:
    panel = window(3, days).panel()

    assert panel[A].close.tolist() == [100 + day for day in range(max(days - 3, 0), days)]
    assert panel[B].close.tolist() == [200 + day for day in range(max(days - 3, 0), days)]
    assert panel[A].time_ns is panel[B].time_ns


def test_a_symbol_without_a_bar_has_none_there_and_keeps_its_last_close() -> None:
    found = window(3, 2)
    found.add(FIRST + 2 * DAY, {A: bar(A, 2, 102)})

    assert np.isnan(found.panel()[B].close).tolist() == [False, False, True]
    assert found.last == {A: 102, B: 201}


def test_a_moment_that_is_not_newer_is_refused() -> None:
    with pytest.raises(ValueError, match="is not after"):
        window(3, 2).add(FIRST + DAY, {})


def test_a_bar_that_comes_late_takes_its_place() -> None:
    found = window(3, 2)
    found.add(FIRST + 2 * DAY, {A: bar(A, 2, 102)})

    assert found.amend(bar(B, 2, 202))
    assert found.panel()[B].close.tolist() == [200, 201, 202]
    assert found.last[B] == 202


def test_a_late_bar_that_a_newer_one_has_overtaken_is_not_the_last() -> None:
    found = window(4, 2)
    found.add(FIRST + 2 * DAY, {A: bar(A, 2, 102)})
    found.add(FIRST + 3 * DAY, {A: bar(A, 3, 103), B: bar(B, 3, 203)})

    assert found.amend(bar(B, 2, 999))
    assert found.last[B] == 203


def test_a_bar_that_is_there_or_whose_moment_is_not_changes_nothing() -> None:
    found = window(3, 2)
    assert not found.amend(bar(B, 1, 999))
    assert not found.amend(bar(B, 7, 999))
    assert found.panel()[B].close.tolist() == [200, 201]
