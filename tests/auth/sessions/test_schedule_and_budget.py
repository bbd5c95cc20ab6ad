from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.auth.sessions.budget import LIMITS, budget
from services.auth.sessions.schedule import FIRST_BACK_OFF, LONGEST_BACK_OFF, back_off, refresh_at

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FRACTIONS = st.floats(0, 1, exclude_max=True)


def test_refresh_when_no_chance_is_drawn_then_it_is_at_two_thirds_of_the_life() -> None:
    assert refresh_at(NOW, NOW + timedelta(minutes=30), 0.0) == NOW + timedelta(minutes=20)


@given(st.integers(60, 10**7), FRACTIONS)
def test_refresh_when_chance_is_drawn_then_a_third_of_the_life_is_left(life: int, fraction: float) -> None:
    share = (refresh_at(NOW, NOW + timedelta(seconds=life), fraction) - NOW) / timedelta(seconds=life)
    assert 2 / 3 - 0.0501 <= share <= 2 / 3 + 0.0001


def test_refresh_when_the_session_is_over_already_then_it_is_due_at_once() -> None:
    assert refresh_at(NOW, NOW - MINUTE, 0.5) == NOW


@given(st.integers(0, 10**6), FRACTIONS)
def test_back_off_when_computed_then_it_lies_between_half_and_all_of_its_bound(failures: int, fraction: float) -> None:
    wait = back_off(failures, fraction)
    assert FIRST_BACK_OFF / 2 <= wait <= LONGEST_BACK_OFF
    assert wait <= back_off(failures + 1, fraction)


def test_back_off_when_failures_add_up_then_it_doubles() -> None:
    assert [back_off(failures, 1.0).total_seconds() for failures in (1, 2, 3, 9)] == [5, 10, 20, 900]


def test_budget_when_nothing_was_sent_then_three_are_left() -> None:
    left = budget([], NOW)
    assert (left.remaining, left.allowed_at) == (3, NOW)


def test_budget_when_three_were_sent_within_half_an_hour_then_none_is_left_until_the_first_is_half_an_hour_ago() -> (
    None
):
    left = budget([NOW - 20 * MINUTE, NOW - 10 * MINUTE, NOW], NOW)
    assert (left.remaining, left.allowed_at) == (0, NOW + 10 * MINUTE)


def test_budget_when_six_were_sent_within_a_day_then_none_is_left_until_the_first_is_a_day_ago() -> None:
    left = budget([NOW - hours * 60 * MINUTE for hours in (1, 4, 8, 12, 16, 20)], NOW)
    assert (left.remaining, left.allowed_at) == (0, NOW + timedelta(hours=4))


def test_budget_when_the_clock_was_set_back_then_nothing_is_given_back() -> None:
    ahead = NOW + timedelta(days=400)
    left = budget([ahead, ahead + MINUTE, ahead + 2 * MINUTE], NOW)
    assert (left.remaining, left.allowed_at) == (0, NOW + 30 * MINUTE)


@given(st.lists(st.integers(0, 3 * 24 * 60), max_size=40))
def test_budget_when_attempts_are_made_whenever_it_allows_then_no_window_ever_holds_too_many(
    minutes: list[int],
) -> None:
    sent: list[datetime] = []
    for minute in sorted(minutes):
        now = NOW + minute * MINUTE
        left = budget(sent, now)
        assert (left.remaining > 0) == (left.allowed_at <= now)
        if left.remaining:
            sent.append(now)
        else:
            assert budget(sent, left.allowed_at).remaining > 0
    for limit in LIMITS:
        for start in sent:
            assert sum(start <= each < start + limit.window for each in sent) <= limit.count
