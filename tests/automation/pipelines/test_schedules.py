"""When pipelines start by themselves: by the clock in New York, by the exchange's sessions, and what was missed."""

from datetime import UTC, datetime, time, timedelta

import pytest

from services.automation.pipelines.schedules import At, BySession, Every, Schedule, latest_due, next_due
from services.kit.market_calendar import MarketCalendar
from tests.fakes.clock import FakeClock

CALENDAR = MarketCalendar(FakeClock(datetime(2026, 3, 2, 12, tzinfo=UTC)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def all_of(schedule: Schedule, start: str, end: str) -> list[str]:
    return [f"{moment:%m-%d %H:%M}" for moment in schedule.moments(at(start), at(end), CALENDAR)]


def test_interval_when_counted_then_moments_do_not_depend_on_when_the_service_began() -> None:
    every = Every(seconds=300)
    assert all_of(every, "2026-03-02T12:00", "2026-03-02T12:11") == ["03-02 12:05", "03-02 12:10"]
    assert all_of(every, "2026-03-02T12:04:59", "2026-03-02T12:05") == ["03-02 12:05"]


@pytest.mark.parametrize("seconds", [0, 1, 4.9, 299])
def test_interval_when_looked_at_any_time_before_the_next_then_its_moment_is_found(seconds: float) -> None:
    now = at("2026-03-02T12:05") + timedelta(seconds=seconds)
    assert latest_due(Every(seconds=300), now, CALENDAR) == at("2026-03-02T12:05")


def test_interval_when_shorter_than_a_second_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one second"):
        Every(seconds=0)


def test_time_of_day_when_clocks_go_forward_then_it_stays_the_time_in_new_york() -> None:
    # 2026-03-08: 2:00 becomes 3:00 in New York.
    morning = At(time=time(6, 30))
    assert all_of(morning, "2026-03-07T00:00", "2026-03-10T00:00") == ["03-07 11:30", "03-08 10:30", "03-09 10:30"]


def test_time_of_day_when_it_does_not_exist_or_comes_twice_then_there_is_one_moment_each_day() -> None:
    skipped, twice = At(time=time(2, 30)), At(time=time(1, 30))
    assert len(all_of(skipped, "2026-03-08T05:00", "2026-03-09T04:00")) == 1
    assert len(all_of(twice, "2026-11-01T04:00", "2026-11-02T05:00")) == 1  # 2:00 becomes 1:00


def test_time_of_day_when_only_some_weekdays_are_named_then_the_others_have_none() -> None:
    saturday = At(time=time(6, 30), weekdays=(5,))
    assert all_of(saturday, "2026-03-01T00:00", "2026-03-15T00:00") == ["03-07 11:30", "03-14 10:30"]
    assert saturday.words() == "Saturday at 06:30 New York time"


def test_session_when_it_is_a_holiday_or_a_weekend_then_nothing_is_due() -> None:
    before_open = BySession(edge="open", minutes=-30)
    # Good Friday is 2026-04-03; the Monday after it is a session.
    assert all_of(before_open, "2026-04-02T00:00", "2026-04-07T00:00") == ["04-02 13:00", "04-06 13:00"]


def test_session_when_it_is_a_half_day_then_after_the_close_comes_earlier() -> None:
    after_close = BySession(edge="close", minutes=90)
    assert all_of(after_close, "2026-11-25T00:00", "2026-11-28T00:00") == ["11-25 22:30", "11-27 19:30"]


def test_session_when_clocks_change_between_two_then_both_are_at_the_open() -> None:
    at_open = BySession(edge="open", minutes=0)
    assert all_of(at_open, "2026-03-06T00:00", "2026-03-10T00:00") == ["03-06 14:30", "03-09 13:30"]


def test_session_when_its_edge_is_something_else_then_it_is_refused() -> None:
    with pytest.raises(ValueError, match="open or its close"):
        BySession(edge="noon", minutes=0)


def test_moment_when_missed_for_longer_than_it_is_useful_then_it_is_not_made_up_for() -> None:
    night = At(time=time(2, 0), useful_seconds=3_600)
    due = at("2026-03-02T07:00")
    assert latest_due(night, due - timedelta(seconds=1), CALENDAR) is None
    assert latest_due(night, due, CALENDAR) == due
    assert latest_due(night, due + timedelta(seconds=3_599), CALENDAR) == due
    assert latest_due(night, due + timedelta(seconds=3_600), CALENDAR) is None


def test_moments_when_several_were_missed_then_the_latest_alone_is_made_up_for() -> None:
    assert latest_due(At(time=time(2, 0)), at("2026-03-05T08:00"), CALENDAR) == at("2026-03-05T07:00")


def test_next_moment_when_asked_for_then_it_is_after_now() -> None:
    now = at("2026-03-02T07:00")
    assert next_due(At(time=time(2, 0)), now, CALENDAR) == at("2026-03-03T07:00")
    assert next_due(BySession(edge="open", minutes=-30), at("2026-04-02T13:00"), CALENDAR) == at("2026-04-06T13:00")
