"""Sessions of the New York Stock Exchange, against what the exchange published."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from timeit import repeat

import pytest

from services.kit.market_calendar import MarketCalendar, NoSessionError, OutsideCalendarError
from tests.fakes.clock import FakeClock

FIRST = date(2023, 1, 1)
YEAR_SECONDS = 365 * 86_400.0


@pytest.fixture(scope="module")
def calendar() -> MarketCalendar:
    return MarketCalendar(FakeClock(), first=FIRST)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("2026-03-02T14:29:59.999999", False),
        ("2026-03-02T14:30:00", True),
        ("2026-03-02T20:59:59.999999", True),
        ("2026-03-02T21:00:00", False),
        ("2026-03-09T13:30:00", True),  # New York went to summer time the day before
        ("2026-03-09T20:00:00", False),
        ("2025-11-28T17:59:59", True),  # the half day after Thanksgiving
        ("2025-11-28T18:00:00", False),
        ("2025-11-27T15:00:00", False),  # Thanksgiving
        ("2026-03-07T15:00:00", False),  # a Saturday
        ("2025-01-09T15:00:00", False),  # the day of mourning for a president
    ],
)
def test_it_knows_when_the_market_is_open(calendar: MarketCalendar, at: str, *, is_open: bool) -> None:
    assert calendar.is_open(utc(at)) is is_open


def test_a_moment_of_trading_belongs_to_its_session_and_others_to_none(calendar: MarketCalendar) -> None:
    assert calendar.session_of(utc("2026-03-02T20:00")) == date(2026, 3, 2)
    assert calendar.session_of(utc("2026-03-02T22:00")) is None


def test_a_session_has_its_open_and_close(calendar: MarketCalendar) -> None:
    assert calendar.open_at(date(2026, 7, 1)) == utc("2026-07-01T13:30")
    assert calendar.close_at(date(2026, 7, 1)) == utc("2026-07-01T20:00")


def test_half_days_close_early(calendar: MarketCalendar) -> None:
    assert calendar.close_at(date(2025, 12, 24)) == utc("2025-12-24T18:00")
    assert calendar.is_half_day(date(2025, 12, 24))
    assert not calendar.is_half_day(date(2025, 12, 23))


def test_the_next_open_of_a_friday_evening_is_on_monday(calendar: MarketCalendar) -> None:
    assert calendar.next_open(utc("2026-03-06T21:00")) == utc("2026-03-09T13:30")


def test_while_open_the_next_open_is_tomorrows_and_the_next_close_todays(calendar: MarketCalendar) -> None:
    assert calendar.next_open(utc("2026-03-02T14:30")) == utc("2026-03-03T14:30")
    assert calendar.next_close(utc("2026-03-02T14:30")) == utc("2026-03-02T21:00")


def test_at_the_close_the_next_close_is_that_of_the_next_session(calendar: MarketCalendar) -> None:
    assert calendar.next_close(utc("2026-03-02T21:00")) == utc("2026-03-03T21:00")


def test_sessions_leave_out_weekends_and_holidays(calendar: MarketCalendar) -> None:
    days = calendar.sessions(date(2025, 11, 26), date(2025, 12, 1))
    assert [each.day for each in days] == [26, 28, 1]


def test_a_day_without_a_session_has_no_open(calendar: MarketCalendar) -> None:
    with pytest.raises(NoSessionError, match="2025-12-25"):
        calendar.open_at(date(2025, 12, 25))


@pytest.mark.parametrize("at", ["2022-12-30T15:00", "2028-01-03T15:00"])
def test_it_guesses_nothing_outside_its_bounds(calendar: MarketCalendar, at: str) -> None:
    with pytest.raises(OutsideCalendarError, match="from 2023-01-03 to 2027-03-02"):
        calendar.is_open(utc(at))
    with pytest.raises(OutsideCalendarError):
        calendar.open_at(utc(at).date())
    with pytest.raises(OutsideCalendarError):
        calendar.sessions(date(2026, 1, 2), utc(at).date())
    with pytest.raises(OutsideCalendarError):
        calendar.next_open(utc(at))


def test_there_is_no_open_after_the_last_one(calendar: MarketCalendar) -> None:
    with pytest.raises(OutsideCalendarError, match="2027-03-02"):
        calendar.next_open(utc("2027-03-02T15:00"))


def test_it_is_built_anew_before_its_bounds_run_out() -> None:
    clock = FakeClock()
    calendar = MarketCalendar(clock, first=FIRST)
    far = clock.now() + timedelta(days=400)
    clock.advance(64 * 86_400)
    with pytest.raises(OutsideCalendarError):
        calendar.is_open(far)
    clock.advance(86_400 * 2)
    calendar.is_open(far)


def test_it_runs_for_years() -> None:
    clock = FakeClock()
    kept = MarketCalendar(clock, first=FIRST)
    for _ in range(3):
        clock.advance(YEAR_SECONDS)
        assert kept.next_open(clock.now()) > clock.now()


def test_threads_that_ask_while_it_is_built_anew_all_get_answers() -> None:
    clock = FakeClock()
    calendar = MarketCalendar(clock, first=FIRST)
    clock.advance(100 * 86_400)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(calendar.is_open, [utc("2026-06-10T15:00")] * 200))
    assert answers == [True] * 200


def test_exchanges_with_a_break_are_refused() -> None:
    with pytest.raises(ValueError, match="XTKS closes for a break"):
        MarketCalendar(FakeClock(), "XTKS", first=FIRST)


def test_asking_whether_it_is_open_is_cheap_enough_for_each_order(calendar: MarketCalendar) -> None:
    at = utc("2026-03-02T15:00")
    calls = 1000
    assert min(repeat(lambda: calendar.is_open(at), number=calls, repeat=5)) / calls < 20e-6
