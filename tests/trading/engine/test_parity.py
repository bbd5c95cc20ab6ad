"""Held against the reference: the same is silent, and each kind of difference is told once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import pytest

from services.contracts.bars import columns_of, within
from services.contracts.columns import Columns
from services.contracts.market import Bar
from services.contracts.strategies import ParityDiverged
from services.kit.database import Database
from services.trading.desk.owner import Fenced
from services.trading.engine.account import Baseline
from services.trading.engine.market_time import BarCalendar
from services.trading.engine.parity import Did, Parity, difference
from services.trading.engine.parts import EngineParts
from services.trading.marketdata.port import BarRequest, Timeframe
from tests.trading.engine.support import DAY, FIRST, A, World, bar, trend

_PRICES = [110, 108, 106, 104, 102, 100, 104, 108, 112, 106, 100, 94, 90, 95, 102, 110, 112]


def did(day: int, shares: int, kind: str = "entry") -> Did:
    return Did(A, FIRST + day * DAY, Decimal(shares), kind)


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ([did(1, 100)], [did(1, 100)], None),
        ([did(1, 101)], [did(1, 100)], None),
        ([did(1, 102)], [did(1, 100)], "entry +102 was done, the reference does entry +100"),
        ([did(1, 100, "stop")], [did(1, 100, "target")], "stop +100 was done, the reference does target +100"),
        ([], [did(3, 100)], "the reference does entry +100, and nothing was done"),
        ([], [did(9, 100)], None),
        ([did(1, -5, "close")], [], "close -5 was done, and the reference does nothing"),
    ],
)
def test_the_first_difference_is_told_in_words(ours: list[Did], theirs: list[Did], words: str | None) -> None:
    found = difference(ours, theirs, FIRST + 9 * DAY)
    assert (found and found[1]) == words


@dataclass
class Past:
    """The bars that a world has seen, or others."""

    world: World
    change: Callable[[Bar], Bar] = lambda bar: bar

    def bars(self, request: BarRequest) -> Columns:
        bars = [self.change(found[request.symbol]) for _, found in sorted(self.world.past.items())]
        return within(columns_of(bars), request.start, request.end)


def played(database: Database) -> World:
    world = World(database, trend())
    for day, price in enumerate(_PRICES):
        world.day(bar(A, day, price))
        world.wait(1)
    return world


def parity(world: World, past: Past, every: Mapping[Timeframe, int]) -> Parity:
    parts = EngineParts(
        orders=world.house.desk,
        facts=Fenced(world.house.facts, world.house.owner),
        database=world.database,
        clock=world.clock,
        time=world.time,
        calendars={Timeframe.DAY: BarCalendar(Timeframe.DAY, None)},
    )
    return Parity(parts, past, every)


def compared(world: World, past: Past) -> ParityDiverged | None:
    baseline = Baseline(after=None, equity=world.config.capital)
    last = max(world.past)
    found = parity(world, past, {Timeframe.DAY: 1})
    try:
        return found.compare(world.config, baseline, last, world.clock.now() + timedelta(seconds=1))
    finally:
        found.close()


def test_a_strategy_that_did_what_the_reference_does_is_not_told_of(database: Database) -> None:
    world = played(database)
    assert len(world.sent) >= 2
    assert compared(world, Past(world)) is None


def test_a_strategy_that_saw_other_bars_than_the_source_has_is_told_of(database: Database) -> None:
    world = played(database)

    def changed(one: Bar) -> Bar:
        return one if one.start < FIRST + 6 * DAY else bar(A, (one.start - FIRST).days, 50)

    found = compared(world, Past(world, changed))

    assert found is not None
    assert (found.subject, found.symbol) == ("trend", A)
    assert "was done" in found.difference


def test_a_missed_trade_is_told_of(database: Database) -> None:
    world = World(database, trend(stale_after_seconds=60))
    bars = [bar(A, day, price) for day, price in enumerate(_PRICES)]
    for each in bars[:6]:
        world.day(each)
    for each in bars[6:9]:
        world.trade([each])
    world.hear(bars[6:9])  # too late for what is decided meanwhile
    for each in bars[9:]:
        world.day(each)

    found = compared(world, Past(world))

    assert found is not None
    assert "the reference does entry +92" in found.difference


def test_a_difference_is_stated_once_and_the_comparison_begins_anew(database: Database) -> None:
    world = played(database)
    found = parity(world, Past(world, lambda one: bar(A, (one.start - FIRST).days, 50)), {Timeframe.DAY: 1})
    world.strategist._kept.account.baseline = Baseline(after=None, equity=world.config.capital)
    found.decided(world.strategist, max(world.past))
    found.close()

    [told] = world.house.said(ParityDiverged)
    assert told.subject == "trend"
    again = parity(world, Past(world), {Timeframe.DAY: 0})
    again._anew.add("trend")
    again.decided(world.strategist, max(world.past))
    again.close()
    assert world.strategist.baseline is None


def test_it_can_be_switched_off(database: Database) -> None:
    world = played(database)
    found = parity(world, Past(world, lambda one: bar(A, (one.start - FIRST).days, 50)), {Timeframe.DAY: 0})
    found.decided(world.strategist, max(world.past))
    found.close()

    assert world.house.said(ParityDiverged) == []
