"""Several strategies in one process: they are paused, resumed, restarted and stopped each by itself."""

import threading
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

import pytest

from services.contracts.columns import Panel
from services.contracts.market import Bar, Symbol
from services.contracts.strategies import (
    StopCause,
    StrategyPaused,
    StrategyResumed,
    StrategyStarted,
    StrategyState,
    StrategyStopped,
)
from services.kit.database import Database
from services.kit.database_errors import DatabaseError
from services.trading.desk.errors import NotOwnerError
from services.trading.engine import store
from services.trading.engine.engine import StrategyIsStoppedError, StrategyNotFoundError
from services.trading.strategies.parameters import Params
from services.trading.strategies.protocol import Decisions
from services.trading.strategies.trend import SmaCross
from tests.fakes.broker import MORNING
from tests.trading.desk.support import failing_once
from tests.trading.engine.house import EngineHouse
from tests.trading.engine.support import A, B, trend

_PRICES = [110, 108, 106, 104, 102, 100, 104, 108, 112]
ONE, OTHER = trend(A, name="one"), trend(B, name="other")


def day(symbol: Symbol, number: int) -> Bar:
    price = Decimal(_PRICES[number])
    start = MORNING.replace(hour=5, minute=0) + timedelta(days=number)
    return Bar(symbol, start, 86_400, price, price, price, price, Decimal(100))


def states(house: EngineHouse) -> dict[str, StrategyState]:
    return {config.name: look.state for config, look in house.engine.looks()}


@pytest.fixture
def both(database: Database) -> EngineHouse:
    return EngineHouse(database, ONE, OTHER)


def test_each_strategy_trades_its_own_symbols(both: EngineHouse) -> None:
    with both.running() as house:
        house.begun()
        for number in range(9):
            house.day(day(A, number), day(B, number))
        house.wait_for(lambda: len(house.house.alpha.submitted) == 2)

        assert sorted(ticket.symbol for _, ticket in house.house.alpha.submitted) == [A, B]
        assert states(house) == {"one": StrategyState.RUNNING, "other": StrategyState.RUNNING}
    causes = [fact.cause for fact in both.house.said(StrategyStopped)]
    assert causes == [StopCause.SHUTDOWN] * 2


def test_bars_of_the_past_warm_a_strategy_up(both: EngineHouse) -> None:
    both.house.advance(timedelta(days=5, hours=18).total_seconds())
    both.house.renew()
    both.house.settle()
    both.source.known = [day(symbol, number) for number in range(6) for symbol in (A, B)]
    with both.running() as house:
        house.begun()
        house.wait_for(lambda: set(states(house).values()) == {StrategyState.RUNNING})

        started = house.house.said(StrategyStarted)
        assert sorted((fact.subject, fact.warm_up_bars) for fact in started) == [("one", 6), ("other", 6)]
        assert house.counts.history == {A: 6, B: 6}


def test_a_strategy_that_raises_is_stopped_and_the_others_go_on(
    both: EngineHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = SmaCross.decide

    def sick(self: SmaCross, panel: Panel, params: Params) -> Mapping[Symbol, Decisions]:
        if A in panel:
            raise ZeroDivisionError("an average of nothing")
        return decide(self, panel, params)

    monkeypatch.setattr(SmaCross, "decide", sick)
    with both.running() as house:
        house.begun()
        for number in range(9):
            house.day(day(A, number), day(B, number))

        assert states(house) == {"one": StrategyState.STOPPED, "other": StrategyState.RUNNING}
        [told] = house.house.said(StrategyStopped)
        assert (told.subject, told.cause) == ("one", StopCause.ERROR)
        assert told.detail == "ZeroDivisionError: an average of nothing"
        with pytest.raises(StrategyIsStoppedError, match="`restart` begins it anew"):
            house.engine.pause("one", "operator", "a drill")

        monkeypatch.setattr(SmaCross, "decide", decide)
        house.engine.restart("one", "operator", "mended")
        house.wait_for(lambda: states(house)["one"] is StrategyState.RUNNING)


def test_a_strategy_that_was_stopped_stays_so_over_a_restart(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sick(_self: SmaCross, _panel: Panel, _params: Params) -> Mapping[Symbol, Decisions]:
        raise ZeroDivisionError("an average of nothing")

    monkeypatch.setattr(SmaCross, "decide", sick)
    first = EngineHouse(database, ONE)
    with first.running() as house:
        house.begun()
        for number in range(6):
            house.day(day(A, number))
    first.house.owner.release()
    with EngineHouse(database, ONE, clock=first.house.clock).running() as house:
        house.begun()
        assert states(house) == {"one": StrategyState.STOPPED}
        assert house.engine.looks()[0][1].detail == "ZeroDivisionError: an average of nothing"


def test_pausing_and_resuming_is_told_and_counts_once(both: EngineHouse) -> None:
    with both.running() as house:
        house.begun()
        house.wait_for(lambda: len(house.house.said(StrategyStarted)) == 2)
        for _ in range(2):
            house.engine.pause("one", "operator", "a drill")
        assert states(house)["one"] is StrategyState.PAUSED
        for number in range(9):
            house.day(day(A, number), day(B, number))
        house.wait_for(lambda: len(house.house.alpha.submitted) == 1)
        house.engine.resume("one", "operator", "over")

        assert [ticket.symbol for _, ticket in house.house.alpha.submitted] == [B]
        assert len(house.house.said(StrategyPaused)) == len(house.house.said(StrategyResumed)) == 1


def test_a_strategy_that_the_file_does_not_name_any_more_is_stopped(database: Database) -> None:
    first = EngineHouse(database, ONE, OTHER)
    with first.running() as house:
        house.begun()
        house.wait_for(lambda: len(house.house.said(StrategyStarted)) == 2)
    with database.reading() as connection:
        assert store.unstopped(connection) == ["one", "other"]
    first.house.owner.release()
    with EngineHouse(database, ONE, clock=first.house.clock).running() as house:
        house.begun()
        [told] = [fact for fact in house.house.said(StrategyStopped) if fact.cause is StopCause.CONFIGURATION]
        assert told.subject == "other"
        assert states(house) == {"one": StrategyState.WARMING_UP}
    with database.reading() as connection:
        assert store.unstopped(connection) == ["one"]


def test_an_unknown_name_is_answered_with_those_that_there_are(both: EngineHouse) -> None:
    with both.running() as house:
        house.begun()
        with pytest.raises(StrategyNotFoundError, match="there are one, other"):
            house.engine.pause("tow", "operator", "a slip")


def test_a_strategy_that_ended_because_the_lead_was_lost_for_a_moment_is_begun_again(both: EngineHouse) -> None:
    with both.running() as house:
        house.begun()
        house.wait_for(lambda: len(house.house.said(StrategyStarted)) == 2)
        crew = house.engine._crew
        assert crew is not None
        crew.workers["one"].stop()  # as after a write that the fence refused

        house.wait_for(lambda: len(house.house.said(StrategyStarted)) == 4)
        house.wait_for(lambda: set(states(house).values()) == {StrategyState.WARMING_UP})


def test_what_fails_within_a_strategy_s_thread_is_told_to_who_asked(
    both: EngineHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with both.running() as house:
        house.begun()
        house.wait_for(lambda: len(house.house.said(StrategyStarted)) == 2)
        with monkeypatch.context() as broken:
            broken.setattr(store, "keep", failing_once(store.keep))
            with pytest.raises(DatabaseError):
                house.engine.pause("one", "operator", "a drill")
        assert states(house)["other"] is StrategyState.WARMING_UP
        house.engine.pause("one", "operator", "a drill")
        assert states(house)["one"] is StrategyState.PAUSED


def test_nothing_runs_until_the_past_can_be_read(both: EngineHouse) -> None:
    both.source.away = "the venue does not answer"
    with both.running() as house:
        assert set(states(house).values()) == {StrategyState.STOPPED}
        house.source.away = ""
        house.begun()
        house.wait_for(lambda: set(states(house).values()) == {StrategyState.WARMING_UP})


def test_another_process_that_takes_over_ends_the_strategies_here(both: EngineHouse) -> None:
    with both.running() as house:
        house.begun()
        house.wait_for(lambda: len(house.house.said(StrategyStarted)) == 2)
        house.house.another().owner.claim(force=True)
        house.house.advance(60)
        house.house.settle()
        house.wait_for(lambda: set(states(house).values()) == {StrategyState.STOPPED})

        with pytest.raises(NotOwnerError):
            house.engine.pause("one", "operator", "a drill")
    assert not [each for each in threading.enumerate() if each.name.startswith("strategy-")]
