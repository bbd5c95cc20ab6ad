"""Venues that are held back: passed over by what is new, reached by what closes, and held over a restart."""

import pytest
from sqlalchemy import insert

from services.contracts.market import Side
from services.contracts.orders import DenyReason, OrderStatus
from services.contracts.trading import CircuitState, ReadinessChanged, VenueHeld, VenueRestored
from services.kit.database import Database
from services.kit.database_errors import DatabaseError
from services.trading.brokers.port import Rejected
from services.trading.desk.errors import NotOwnerError, VenueNotKnownError
from services.trading.desk.holds import Hold
from services.trading.desk.tables import VENUE_CIRCUITS
from tests.fakes.broker import FakeBroker
from tests.trading.desk.support import ALPHA, BETA, DeskHouse, failing_once


@pytest.fixture
def house(database: Database) -> DeskHouse:
    return DeskHouse(database).start()


def _holders(house: DeskHouse) -> dict[str, list[str]]:
    return {each.venue: [hold.actor for hold in each.holds] for each in house.desk.state().venues}


def test_a_held_venue_is_passed_over_and_the_order_goes_to_the_other(house: DeskHouse) -> None:
    house.desk.hold(ALPHA, "ada", "it is slow")

    placed = house.desk.submit(house.intent())

    assert [order.venue for order in placed.orders] == [BETA]


def test_with_every_venue_held_an_order_is_denied_in_words(house: DeskHouse) -> None:
    for venue in (ALPHA, BETA):
        house.desk.hold(venue, "ada", "it is slow")

    denial = house.desk.submit(house.intent()).denial

    assert denial is not None
    assert denial.reason is DenyReason.NO_VENUE
    assert "held back by ada: it is slow" in denial.detail


def test_what_closes_a_position_goes_to_the_held_venue(house: DeskHouse) -> None:
    house.hold(house.alpha)
    house.desk.hold(ALPHA, "ada", "it is slow")

    placed = house.desk.submit(house.intent(leg="exit", side=Side.SELL))

    assert [order.venue for order in placed.orders] == [ALPHA]


def test_a_cancel_goes_to_the_held_venue(house: DeskHouse) -> None:
    (order,) = house.desk.submit(house.limit()).orders
    house.desk.hold(ALPHA, "ada", "it is slow")

    assert house.desk.cancel(order.client_order_id, "ada").status is not OrderStatus.OPEN


def test_a_hold_outlives_a_restart(house: DeskHouse) -> None:
    house.desk.hold(ALPHA, "ada", "it is slow")
    house.made.leader.step_down()

    after = house.another().start()

    assert _holders(after) == {ALPHA: ["ada"], BETA: []}
    assert [order.venue for order in after.desk.submit(after.intent()).orders] == [BETA]


def test_a_restored_venue_takes_orders_again_also_after_a_restart(house: DeskHouse) -> None:
    house.desk.hold(ALPHA, "ada", "it is slow")
    house.advance(60)
    house.settle()
    house.desk.restore(ALPHA, "ada", "it answers")

    assert [order.venue for order in house.desk.submit(house.intent()).orders] == [ALPHA]
    house.made.leader.step_down()
    assert _holders(house.another().start()) == {ALPHA: [], BETA: []}


def test_hold_and_restore_are_stated_once_each(house: DeskHouse) -> None:
    for _ in range(2):
        house.desk.hold(ALPHA, "ada", "it is slow")
    house.advance(60)
    for _ in range(2):
        house.desk.restore(ALPHA, "ada", "it answers")

    assert [(fact.subject, fact.actor, fact.reason) for fact in house.said(VenueHeld)] == [(ALPHA, "ada", "it is slow")]
    assert [(fact.held_seconds, fact.still_held_by) for fact in house.said(VenueRestored)] == [(60, ())]


def test_who_restores_gives_back_no_hold_but_his_own(house: DeskHouse) -> None:
    house.desk.hold(ALPHA, "ada", "I am looking at it")
    house.desk.hold(ALPHA, "automation", "it is slow")

    house.desk.restore(ALPHA, "automation", "it answers")

    assert _holders(house)[ALPHA] == ["ada"]
    assert house.said(VenueRestored)[-1].still_held_by == ("ada",)


def test_a_person_lifts_everybodys_holds(house: DeskHouse) -> None:
    house.desk.hold(ALPHA, "automation", "it is slow")

    house.desk.restore(ALPHA, "ada", "it answers", everyones=True)

    assert _holders(house)[ALPHA] == []


def test_who_restores_a_venue_leads_out_of_the_circuit_that_its_refusal_shut(house: DeskHouse) -> None:
    house.alpha.answer_submits(Rejected("http-403", "forbidden", unauthorised=True))
    house.desk.submit(house.intent())
    house.desk.hold(ALPHA, "automation", "it refuses us")
    house.settle()
    assert _circuit(house) is CircuitState.OPEN

    house.desk.restore(ALPHA, "automation", "it answers")

    assert _circuit(house) is CircuitState.CLOSED


def test_who_restores_a_venue_that_nobody_holds_changes_no_circuit(house: DeskHouse) -> None:
    house.alpha.answer_submits(Rejected("http-403", "forbidden", unauthorised=True))
    house.desk.submit(house.intent())

    house.desk.restore(ALPHA, "automation", "it answers")

    assert _circuit(house) is CircuitState.OPEN


def _circuit(house: DeskHouse) -> CircuitState:
    return next(each.circuit for each in house.desk.state().venues if each.venue == ALPHA)


def test_readiness_tells_of_a_hold(house: DeskHouse) -> None:
    house.desk.hold(ALPHA, "ada", "it is slow")
    house.settle()

    told = house.said(ReadinessChanged)[-1]

    assert (told.subject, told.ready, told.reasons) == (ALPHA, False, ("held back by ada: it is slow",))


def test_a_hold_counts_at_once_when_the_database_is_away_and_is_kept_later(
    house: DeskHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.facts, "transaction", failing_once(house.facts.transaction))

    house.desk.hold(ALPHA, "ada", "it is slow")

    assert _holders(house)[ALPHA] == ["ada"]
    assert house.said(VenueHeld) == []
    house.settle()
    assert len(house.said(VenueHeld)) == 1
    house.made.leader.step_down()
    assert _holders(house.another().start())[ALPHA] == ["ada"]


def test_a_restore_that_cannot_be_kept_does_not_count(house: DeskHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    house.desk.hold(ALPHA, "ada", "it is slow")
    monkeypatch.setattr(house.facts, "transaction", failing_once(house.facts.transaction))

    with pytest.raises(DatabaseError):
        house.desk.restore(ALPHA, "ada", "it answers")

    assert _holders(house)[ALPHA] == ["ada"]


def test_a_venue_that_nobody_set_up_cannot_be_held_or_restored(house: DeskHouse) -> None:
    with pytest.raises(VenueNotKnownError):
        house.desk.hold("gamma", "ada", "it is slow")  # type: ignore[arg-type]
    with pytest.raises(VenueNotKnownError):
        house.desk.restore("gamma", "ada", "it answers")  # type: ignore[arg-type]


def test_a_process_that_does_not_trade_cannot_hold(house: DeskHouse) -> None:
    with pytest.raises(NotOwnerError):
        house.another().desk.hold(ALPHA, "ada", "it is slow")


def test_state_tells_who_holds_since_when(house: DeskHouse) -> None:
    house.desk.hold(ALPHA, "ada", "it is slow")

    assert house.desk.state().venues[0].holds == (Hold("ada", "it is slow", house.clock.now()),)


def test_a_circuit_that_was_open_is_open_after_a_restart(database: Database) -> None:
    house = DeskHouse(database, brokers=(FakeBroker("alpha"),)).start()
    for number in range(5):
        house.alpha.answer_submits(Rejected("503", "overloaded", venue_side=True))
        house.desk.submit(house.intent(leg=f"leg{number}"))
    assert house.desk.state().venues[0].circuit is CircuitState.OPEN
    house.made.leader.step_down()

    after = house.another().start()

    assert after.desk.state().venues[0].circuit is CircuitState.OPEN
    assert after.made.watches[ALPHA].known.circuit.reason == "overloaded"


def test_a_circuit_that_cannot_be_read_begins_closed(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    with database.transaction() as connection:
        connection.execute(insert(VENUE_CIRCUITS).values(venue=ALPHA, circuit="{}"))

    house = DeskHouse(database).start()

    assert house.desk.state().venues[0].circuit is CircuitState.CLOSED
    assert "the circuit that was kept of alpha cannot be read" in caplog.text
