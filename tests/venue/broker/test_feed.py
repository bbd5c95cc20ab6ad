"""Made-up bars, and how bars are brought to venues."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import httpx
import pytest

from services.contracts.market import Bar, Symbol, on_tick
from services.kit.clock import SystemClock
from services.venue.broker.feed import Feed, RecordedBars, SyntheticBars
from services.venue.broker.hours import TimeSource
from services.venue.broker.rate import RateLimit
from tests.fakes.clock import FakeClock
from tests.venue.broker.serving import MovableClock, serving

if TYPE_CHECKING:
    from services.venue.broker.venue import PaperVenue

SINCE = datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC)
SYMBOLS = (Symbol("AAPL"), Symbol("IBM"))


def test_synthetic_bars_when_made_twice_then_they_are_the_same_and_another_seed_gives_others() -> None:
    def made(seed: int) -> list[Bar]:
        return list(islice(SyntheticBars(SYMBOLS, 60, seed).bars(SINCE), 200))

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_synthetic_bars_when_made_then_each_is_coherent_and_follows_the_last() -> None:
    bars = [bar for bar in islice(SyntheticBars(SYMBOLS, 60).bars(SINCE), 4000) if bar.symbol == "AAPL"]
    assert bars[0].start == datetime(2026, 3, 2, 12, 1, tzinfo=UTC)
    for before, bar in pairwise(bars):
        assert bar.start == before.start + timedelta(seconds=60)
        assert bar.open == before.close
        assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
        assert all(on_tick(price) for price in (bar.open, bar.high, bar.low, bar.close))
        assert bar.volume > 0


class _Few:
    """Three bars of a minute."""

    def bars(self, since: datetime) -> Iterator[Bar]:
        price = Decimal(50)
        for number in range(3):
            start = since + timedelta(minutes=number)
            yield Bar(Symbol("IBM"), start, 60, price, price, price, price + number, volume=Decimal(10))


def test_feed_when_it_is_faster_than_the_clock_then_the_venue_goes_by_the_bars_time(tmp_path: Path) -> None:
    with serving(tmp_path, time_source=TimeSource.REPLAY) as served:
        feed = Feed(_Few(), [served.venue], SystemClock(), speed=1000)
        begun = served.venue.time.now()

        async def run() -> None:
            async with feed.running():
                while served.venue.books.prices.last(Symbol("IBM")) != Decimal(52):  # noqa: ASYNC110 -- polled with the test's limit
                    await asyncio.sleep(0.01)

        asyncio.run_coroutine_threadsafe(run(), served.loop).result(30)
        assert served.venue.time.now() == begun + timedelta(minutes=3)


class _Empty:
    """As much of a venue without bars as a feed needs."""

    name = "empty"
    books = SimpleNamespace(prices=SimpleNamespace(symbols=()))

    def __init__(self) -> None:
        self.bars: list[Bar] = []

    async def push(self, bar: Bar) -> None:
        self.bars.append(bar)


def test_feed_when_it_has_a_head_start_then_one_whole_bar_comes_at_once() -> None:
    venue = _Empty()
    source = SyntheticBars([Symbol("IBM")], 3600)

    async def run() -> None:
        async with Feed(source, [cast("PaperVenue", venue)], SystemClock(), head_start=timedelta(hours=2)).running():
            while not venue.bars:  # noqa: ASYNC110 -- polled with the test's limit
                await asyncio.sleep(0.01)

    asyncio.run(run())
    (bar,) = venue.bars
    assert bar.start + timedelta(seconds=bar.seconds) <= SystemClock().now()


def test_rate_limit_when_the_minute_is_used_up_then_the_next_minute_allows_again() -> None:
    clock = FakeClock()
    rate = RateLimit(clock, 2)
    assert [rate.take("one").allowed for _ in range(3)] == [True, True, False]
    assert rate.take("other").allowed
    clock.advance(60)
    again = rate.take("one")
    assert (again.allowed, again.left) == (True, 1)
    assert again.headers()["X-Ratelimit-Limit"] == "2"


def test_rate_limit_when_reached_then_the_answer_is_429_and_says_when_it_ends(tmp_path: Path) -> None:
    with serving(tmp_path, requests_per_minute=2) as served:
        answers = [httpx.get(f"{served.base_url}/v2/clock", headers=served.headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json() == {"code": 42910000, "message": "too many requests."}
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert int(answers[2].headers["x-ratelimit-reset"]) > served.clock.now().timestamp()


def _recorded(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    path.write_text(
        "symbol,time,open,high,low,close,volume\n"
        "IBM,2024-01-02T14:30:00Z,50,51,49,50.5,100\n"
        "IBM,2024-01-02T14:31:00Z,50.5,52,50,51,200\n"
        "KO,2024-01-02T14:30:00Z,60,61,59,60.5,300\n"
        "KO,2024-01-02T14:31:00Z,60.5,62,60,61,400\n"
    )
    return path


def test_recorded_bars_when_read_then_they_come_in_the_order_of_time_and_symbol(tmp_path: Path) -> None:
    recorded = RecordedBars(_recorded(tmp_path))
    first = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
    assert (recorded.symbols, recorded.start) == ([Symbol("IBM"), Symbol("KO")], first)
    bars = list(recorded.bars(recorded.start))
    assert [(bar.symbol, bar.start, bar.volume) for bar in bars] == [
        ("IBM", first, 100),
        ("KO", first, 300),
        ("IBM", first + timedelta(minutes=1), 200),
        ("KO", first + timedelta(minutes=1), 400),
    ]
    assert bars[0] == Bar(
        Symbol("IBM"), first, 60, *map(Decimal, ("50.00", "51.00", "49.00", "50.50")), volume=Decimal(100)
    )
    assert list(recorded.bars(first + timedelta(seconds=1))) == bars[2:]


def test_feed_when_it_replays_a_file_then_the_past_comes_about_and_a_restart_goes_on_after_it(tmp_path: Path) -> None:
    path = _recorded(tmp_path)
    clock = MovableClock()
    clock.set_to(datetime(2024, 1, 1, tzinfo=UTC))

    def replay(until: Decimal) -> tuple[list[Decimal], datetime]:
        with serving(tmp_path, time_source=TimeSource.REPLAY, clock=clock) as served:
            recorded = RecordedBars(path)
            feed = Feed(recorded, [served.venue], SystemClock(), speed=1e9, start=recorded.start)
            prices = served.venue.books.prices

            async def run() -> None:
                async with feed.running():
                    while prices.last(Symbol("IBM")) != until:  # noqa: ASYNC110 -- polled with the test's limit
                        await asyncio.sleep(0.01)

            asyncio.run_coroutine_threadsafe(run(), served.loop).result(30)
            return [bar.volume for bar in prices.between(Symbol("IBM"), 60, None, None)], served.venue.time.now()

    assert replay(Decimal(51)) == ([100, 200], datetime(2024, 1, 2, 14, 32, tzinfo=UTC))
    path.write_text(path.read_text() + "IBM,2024-01-02T14:32:00Z,51,99,50,99,300\n")
    assert replay(Decimal(99))[0][-1:] == [300]


def test_feed_when_the_venue_is_past_the_file_then_it_says_that_no_bars_will_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path) as served, caplog.at_level("INFO", "services.venue.broker"):
        recorded = RecordedBars(_recorded(tmp_path))
        feed = Feed(recorded, [served.venue], SystemClock(), speed=1e9, start=recorded.start)
        asyncio.run_coroutine_threadsafe(feed._run(), served.loop).result(30)
        assert served.venue.books.prices.last(Symbol("IBM")) is None
    assert "no more will come" in caplog.text
