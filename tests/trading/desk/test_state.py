"""What trading may do: latched, kept over restarts, and widened by nobody but a person."""

import pytest

from services.contracts.orders import TradingState
from services.contracts.trading import TradingStateChanged
from services.kit.database import Database
from services.trading.desk.state import StateKeeper
from tests.auth.support import KeptFacts
from tests.fakes.clock import FakeClock
from tests.trading.desk.support import failing_once

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED


class House:
    def __init__(self, database: Database) -> None:
        self.facts = KeptFacts(database)
        self.database = database
        self.state = self.another()

    def another(self) -> StateKeeper:
        """As after a restart."""
        keeper = StateKeeper(self.facts, self.database, FakeClock())
        keeper.load()
        return keeper


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


def test_trading_is_active_at_first(house: House) -> None:
    assert house.state.now.state is ACTIVE


def test_a_halt_outlives_a_restart_with_actor_and_reason(house: House) -> None:
    house.state.narrow(HALTED, "operator", "a drill")

    standing = house.another().now

    assert (standing.state, standing.actor, standing.reason) == (HALTED, "operator", "a drill")


def test_what_is_halted_is_not_made_reducing(house: House) -> None:
    house.state.narrow(HALTED, "operator", "a drill")

    assert not house.state.narrow(REDUCING, "sightline", "the day has lost enough")

    assert house.state.now.state is HALTED


def test_a_person_widens_it(house: House) -> None:
    house.state.narrow(HALTED, "operator", "a drill")

    house.state.widen("operator", "the drill is over")

    assert house.another().now.state is ACTIVE
    assert [fact.now for fact in house.facts.of(TradingStateChanged)] == [HALTED, ACTIVE]  # type: ignore[attr-defined]


def test_a_halt_counts_at_once_also_when_it_cannot_be_kept(house: House) -> None:
    house.facts.transaction = failing_once(house.facts.transaction)  # type: ignore[method-assign]

    house.state.narrow(HALTED, "operator", "a drill")

    assert house.state.now.state is HALTED
    assert not house.state.saved
    assert house.another().now.state is ACTIVE


def test_a_halt_that_could_not_be_kept_is_kept_later(house: House) -> None:
    house.facts.transaction = failing_once(house.facts.transaction)  # type: ignore[method-assign]
    house.state.narrow(HALTED, "operator", "a drill")

    house.state.save_late()

    assert house.state.saved
    assert house.another().now.state is HALTED


def test_what_the_database_holds_does_not_widen_what_could_not_be_kept(house: House) -> None:
    house.state.narrow(REDUCING, "operator", "look first")
    house.facts.transaction = failing_once(house.facts.transaction)  # type: ignore[method-assign]
    house.state.narrow(HALTED, "operator", "a drill")

    house.state.load()

    assert house.state.now.state is HALTED


def test_a_resume_that_cannot_be_kept_changes_nothing(house: House) -> None:
    house.state.narrow(HALTED, "operator", "a drill")
    house.facts.transaction = failing_once(house.facts.transaction)  # type: ignore[method-assign]

    with pytest.raises(Exception, match="the disk is full"):
        house.state.widen("operator", "go")

    assert house.state.now.state is HALTED
