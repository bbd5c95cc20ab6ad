"""When the bars of a moment are enough to decide by."""

from services.contracts.market import Bar
from services.trading.engine.moments import Moments
from tests.fakes.clock import FakeClock
from tests.trading.engine.support import FIRST, A, B, bar


def moments(clock: FakeClock, after: int | None = None) -> Moments:
    first = None if after is None else bar(A, after, 1).start
    return Moments((A, B), clock, grace_seconds=2.0, after=first)


def taken(found: Moments) -> list[tuple[int, list[str]]]:
    return [((moment - FIRST).days, sorted(bars)) for moment, bars in found.take()]


def added(found: Moments, *bars: Bar) -> list[bool]:
    return [found.add(each) for each in bars]


def test_a_moment_is_whole_with_each_symbol_s_bar() -> None:
    found = moments(FakeClock())
    added(found, bar(A, 0, 1))
    assert taken(found) == []
    added(found, bar(B, 0, 1))
    assert taken(found) == [(0, [A, B])]


def test_a_symbol_that_has_a_later_bar_is_not_waited_for() -> None:
    found = moments(FakeClock())
    added(found, bar(A, 0, 1), bar(B, 1, 1))
    assert taken(found) == [(0, [A])]


def test_after_a_while_a_moment_is_taken_as_it_is() -> None:
    clock = FakeClock()
    found = moments(clock)
    added(found, bar(A, 0, 1))
    clock.advance(1.9)
    assert taken(found) == []
    clock.advance(0.1)
    assert taken(found) == [(0, [A])]


def test_what_comes_for_a_moment_that_was_taken_comes_too_late() -> None:
    found = moments(FakeClock(), after=3)
    assert added(found, bar(A, 3, 1), bar(A, 2, 1), bar(A, 4, 1), bar(A, 4, 2)) == [False, False, True, False]


def test_moments_come_in_their_order() -> None:
    found = moments(FakeClock())
    added(found, bar(B, 1, 1), bar(A, 1, 1), bar(B, 0, 1), bar(A, 0, 1))
    assert taken(found) == [(0, [A, B]), (1, [A, B])]
