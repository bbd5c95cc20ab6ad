import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.errors import ClockUnfitError
from services.auth.totp.clock_offset import (
    UNKNOWN,
    ClockOffset,
    ClockStatus,
    ClockWatch,
    DateSample,
    estimate,
    intersect,
)

NOW = 1_772_452_800.0


def _sample(offset: float, *, at: float = NOW, round_trip: float = 0.1) -> DateSample:
    """What a server whose clock is `offset` ahead answers, half way through the round trip."""
    return DateSample(int(at + round_trip / 2 + offset), at, at + round_trip, round_trip)


@given(
    offset=st.floats(-3_600, 3_600),
    answers=st.lists(st.tuples(st.floats(0, 100), st.floats(0.001, 4.9)), min_size=1, max_size=9),
)
def test_estimate_when_servers_are_right_then_the_interval_holds_the_true_offset(
    offset: float, answers: list[tuple[float, float]]
) -> None:
    found = estimate([_sample(offset, at=NOW + at, round_trip=round_trip) for at, round_trip in answers])
    assert found.agreeing == len(answers)
    assert found.low - 1e-6 <= offset <= found.high + 1e-6
    assert found.high - found.low <= 1 + min(round_trip for _, round_trip in answers) + 1e-6


def test_estimate_when_a_minority_lies_then_the_majority_counts() -> None:
    found = estimate([_sample(0.2), _sample(0.3), _sample(0.1), _sample(900), _sample(-900)])
    assert (found.agreeing, found.answers, found.status) == (3, 5, ClockStatus.OK)


def test_estimate_when_no_majority_agrees_then_the_offset_is_unknown() -> None:
    assert estimate([_sample(0), _sample(100), _sample(200)]).status is ClockStatus.UNKNOWN
    assert estimate([]) == UNKNOWN


@pytest.mark.parametrize(
    "useless",
    [
        DateSample(int(NOW) + 50, NOW, NOW + 6, 6.0),
        DateSample(int(NOW) + 50, NOW, NOW + 3, 0.1),
        DateSample(int(NOW) + 50, NOW, NOW - 3, 0.1),
    ],
    ids=["slow", "clock set forward", "clock set back"],
)
def test_estimate_when_an_answer_was_slow_or_our_clock_was_set_then_it_is_left_out(useless: DateSample) -> None:
    assert estimate([useless, _sample(0)]).answers == 1


@pytest.mark.parametrize(
    ("seconds", "status"),
    [
        (0.0, ClockStatus.OK),
        (2.0, ClockStatus.OK),
        (-2.0, ClockStatus.OK),
        (2.1, ClockStatus.WARN),
        (-15.0, ClockStatus.WARN),
        (15.1, ClockStatus.FAIL),
        (-3_600.0, ClockStatus.FAIL),
    ],
)
def test_status_when_the_clock_is_off_then_it_follows_the_thresholds(seconds: float, status: ClockStatus) -> None:
    assert ClockOffset(seconds - 0.5, seconds + 0.5, 3, 4).status is status


def test_correction_when_the_clock_is_a_little_off_then_it_is_the_offset() -> None:
    watch = ClockWatch()
    assert watch.correction_seconds() == 0
    watch.note(ClockOffset(-0.5, 0.5, 3, 3))
    assert watch.correction_seconds() == 0
    watch.note(ClockOffset(5.0, 6.0, 3, 3))
    assert watch.correction_seconds() == 5.5


def test_correction_when_the_clock_is_far_off_then_it_is_refused_until_a_better_estimate() -> None:
    watch = ClockWatch()
    watch.note(ClockOffset(60, 61, 3, 3))
    watch.note(UNKNOWN)
    with pytest.raises(ClockUnfitError, match="60 s off"):
        watch.correction_seconds()
    watch.note(ClockOffset(0, 1, 3, 3))
    assert watch.correction_seconds() == 0


@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 10)), min_size=1, max_size=8))
def test_intersection_when_compared_with_counting_every_place_then_it_is_the_most_shared(
    drawn: list[tuple[int, int]],
) -> None:
    intervals = [(float(low), float(low + length)) for low, length in drawn]
    found = intersect(intervals)
    places = [place / 2 for place in range(-60, 100)]
    most = max(sum(low <= place <= high for low, high in intervals) for place in places)
    assert found.agreeing == most
    for place in (found.low, found.high, found.seconds):
        assert sum(low <= place <= high for low, high in intervals) == most
