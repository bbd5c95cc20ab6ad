"""Bars as they come: each once and in order, gaps filled from the past, silence told by the market's hours."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.contracts.bars import columns_of, within
from services.contracts.columns import Columns
from services.contracts.events import Event
from services.contracts.market import Bar, Symbol
from services.contracts.strategies import BarGapFilled, BarGapFound, MarketDataFresh, MarketDataStale
from services.kit.bar_times import daily_start
from services.kit.database import Database
from services.kit.market_calendar import MarketCalendar
from services.trading.engine.feed import Feed, FeedRules
from services.trading.engine.market_time import BarCalendar, MachineTime
from services.trading.marketdata.port import BarRequest, BarsUnavailableError, Timeframe
from tests.auth.support import KeptFacts
from tests.fakes.clock import FakeClock
from tests.trading.engine.running import Counts

AAPL = Symbol("AAPL")
MINUTE = timedelta(minutes=1)
OPEN = datetime(2026, 3, 3, 14, 30, tzinfo=UTC)  # a Tuesday


def minute(number: int, *, first: datetime = OPEN) -> Bar:
    price = Decimal(100 + number)
    return Bar(AAPL, first + number * MINUTE, 60, price, price, price, price, Decimal(10))


class Past:
    """Bars of the past that a test puts there."""

    def __init__(self) -> None:
        self.known: list[Bar] = []
        self.asked: list[BarRequest] = []
        self.away = ""

    def bars(self, request: BarRequest) -> Columns:
        self.asked.append(request)
        if self.away:
            raise BarsUnavailableError(self.away)
        return within(columns_of(self.known), request.start, request.end)


class Rig:
    """A feed of one symbol, and what came out of it."""

    def __init__(self, database: Database, timeframe: Timeframe = Timeframe.MINUTE, now: datetime = OPEN) -> None:
        self.clock = FakeClock(now)
        self.past, self.counts, self.given = Past(), Counts(), list[Bar]()
        self.facts = KeptFacts(database)
        self.feed = Feed(
            [AAPL],
            BarCalendar(timeframe, MarketCalendar(self.clock)),
            self.past,
            self.given.append,
            time=MachineTime(self.clock),
            clock=self.clock,
            facts=self.facts,
            counts=self.counts,
            rules=FeedRules(stale_after=180.0, grace=2.0),
        )

    def stream(self, *bars: Bar) -> None:
        """Bars come soon after they have ended."""
        for bar in bars:
            ended = bar.start + MINUTE + timedelta(seconds=0.5)
            self.clock.advance(max((ended - self.clock.now()).total_seconds(), 0.0))
            self.feed.take(bar)

    def wait(self, seconds: float) -> None:
        """Let time pass, and have the feed notice every ten seconds."""
        while seconds > 0:
            self.clock.advance(min(seconds, 10.0))
            seconds -= 10.0
            self.feed.tick()

    def said(self, kind: type[Event]) -> list[Any]:
        """The facts of one type."""
        return list(self.facts.of(kind))

    @property
    def numbers(self) -> list[int]:
        return [(bar.start - OPEN) // MINUTE for bar in self.given]


@pytest.fixture
def rig(database: Database) -> Rig:
    found = Rig(database)
    found.feed.begin({AAPL: 5}, {})
    return found


def test_bars_are_given_on_in_order_and_each_once(rig: Rig) -> None:
    rig.stream(minute(0), minute(0), minute(1), minute(0), minute(1), minute(2))

    assert rig.numbers == [0, 1, 2]
    assert rig.facts.facts == []
    assert rig.counts.stream == [AAPL] * 3


def test_what_is_missing_is_read_before_the_newer_bar_is_given_on(rig: Rig) -> None:
    rig.past.known = [minute(number) for number in range(8)]
    rig.stream(minute(0), minute(1), minute(7))

    assert rig.numbers == list(range(8))
    [found], [filled] = rig.said(BarGapFound), rig.said(BarGapFilled)
    assert (found.bars, found.start, found.end) == (5, OPEN + 2 * MINUTE, OPEN + 7 * MINUTE)
    assert filled.bars == 5
    assert rig.counts.history == {AAPL: 5}


def test_a_minute_without_a_trade_is_no_gap(rig: Rig) -> None:
    rig.past.known = [minute(0), minute(2)]
    rig.stream(minute(0), minute(2))

    assert rig.numbers == [0, 2]
    assert rig.facts.facts == []


def test_a_gap_that_the_past_does_not_answer_for_is_told_and_the_bar_is_given_on(rig: Rig) -> None:
    rig.stream(minute(0))
    rig.past.away = "the venue does not answer"
    rig.stream(minute(3))

    assert rig.numbers == [0, 3]
    assert [type(fact) for fact in rig.facts.facts] == [BarGapFound]


def test_a_night_is_no_gap(rig: Rig) -> None:
    rig.stream(minute(389))
    tomorrow = minute(0, first=OPEN + timedelta(days=1))
    rig.stream(tomorrow)

    assert rig.given[-1] == tomorrow
    assert rig.facts.facts == []


def test_silence_while_the_market_is_open_is_told_once_and_its_end_too(rig: Rig) -> None:
    rig.stream(minute(0))
    rig.wait(400)

    [stale] = rig.said(MarketDataStale)
    assert 180 <= stale.age_seconds <= 260
    assert [look.stale for look in rig.feed.looks()] == [True]
    rig.stream(minute(8))
    [fresh] = rig.said(MarketDataFresh)
    assert fresh.stale_seconds == pytest.approx(400 + 80, abs=90)
    assert [look.stale for look in rig.feed.looks()] == [False]


def test_silence_while_the_market_is_closed_is_none(rig: Rig) -> None:
    rig.stream(minute(389))
    rig.wait(3600)

    assert rig.facts.facts == []
    assert [(look.newest_bar_end, look.stale) for look in rig.feed.looks()] == [(None, False)]


def test_bars_that_the_stream_does_not_bring_are_read_from_the_past(rig: Rig) -> None:
    rig.stream(minute(0))
    rig.past.known = [minute(number) for number in range(3)]
    rig.wait(150)

    assert rig.numbers == [0, 1, 2]
    assert rig.said(MarketDataStale) == []


def test_a_bar_that_is_not_complete_is_left_for_later(database: Database) -> None:
    rig = Rig(database, now=OPEN + timedelta(seconds=90))
    rig.past.known = [minute(0), minute(1)]

    past = rig.feed.begin({AAPL: 5}, {})

    assert len(past[AAPL]) == 1
    rig.stream(minute(0), minute(1))
    assert rig.numbers == [1]


def test_days_are_read_from_the_past_once_their_session_has_ended(database: Database) -> None:
    days = [datetime(2026, 3, day, tzinfo=UTC).date() for day in (2, 3)]
    close = datetime(2026, 3, 3, 21, tzinfo=UTC)
    rig = Rig(database, Timeframe.DAY, now=close - timedelta(minutes=10))
    price = Decimal(100)
    rig.past.known = [Bar(AAPL, daily_start(day), 86_400, price, price, price, price, price) for day in days]
    rig.feed.begin({AAPL: 5}, {})
    rig.wait(500)
    assert rig.given == []

    rig.wait(300)

    assert [bar.start for bar in rig.given] == [daily_start(days[1])]


def test_the_past_is_read_as_far_back_as_a_strategy_has_decided(rig: Rig) -> None:
    rig.feed.begin({AAPL: 5}, {AAPL: OPEN - timedelta(days=30)})

    assert rig.past.asked[-1].start <= OPEN - timedelta(days=37)
