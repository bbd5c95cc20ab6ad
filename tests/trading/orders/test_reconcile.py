"""One comparison for every occasion: what was missed is made up for, what is in flight is left alone."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.contracts.orders import ClientOrderId, OrderStatus, VenueOrderId
from services.contracts.trading import Drift, DriftFound, FillBooked, Reconciled, ReconciliationFailed
from services.trading.brokers.port import OutcomeUnknown, VenueOrder
from services.trading.orders.order import Order
from tests.trading.orders.support import AAPL, ALPHA, BETA, House, later, snapshot, venue_fill

S = OrderStatus


def _drifts(house: House) -> list[Drift]:
    return [fact.kind for fact in house.facts.of(DriftFound) if isinstance(fact, DriftFound)]


def _unknown(house: House) -> Order:
    order = house.begun()
    return house.book.submit_answered(order.client_order_id, OutcomeUnknown("read timeout"))


def _foreign(house: House) -> VenueOrder:
    told = house.says(house.begun())
    return replace(told, client_order_id=ClientOrderId("web-1"), venue_order_id=VenueOrderId("v-9"))


def test_books_that_agree_differ_in_nothing(house: House) -> None:
    order = house.opened()
    house.clock.advance(10)
    report = house.compares(house.says(order))
    assert (report.orders, report.differences, report.ask, report.foreign) == (1, 0, (), ())
    assert (_drifts(house), house.said(Reconciled)) == ([], ["Reconciled"])


def test_a_missed_fill_is_booked_from_the_venues_executions(house: House) -> None:
    order = house.opened()
    told = house.says(order, S.PARTIAL, 4)
    house.clock.advance(10)
    report = house.compares(told, fills=(venue_fill(told, 4, 4, price=99, name="activity-1"),))
    (fill,) = house.facts.of(FillBooked)
    assert isinstance(fill, FillBooked)
    assert (report.differences, _drifts(house), house.position()) == (1, [Drift.MISSED_FILL], 4)
    assert (fill.price, fill.inferred, fill.execution_id) == (99, False, "activity-1")


def test_a_missed_fill_without_executions_is_inferred(house: House) -> None:
    order = house.opened()
    told = house.says(order, S.FILLED, 10, average="100.25")
    house.clock.advance(10)
    house.compares(told)
    (fill,) = house.book.history(order.client_order_id).fills
    assert (fill.fill.price, fill.fill.inferred, house.now(order).status) == (Decimal("100.25"), True, S.FILLED)


def test_a_missed_end_is_made_up_for(house: House) -> None:
    order = house.opened()
    told = house.says(order, S.EXPIRED)
    house.clock.advance(10)
    report = house.compares(told)
    assert (house.now(order).status, report.differences, _drifts(house)) == (S.EXPIRED, 1, [Drift.MISSED_STATUS])


def test_what_the_venue_did_just_now_is_no_difference(house: House) -> None:
    order = house.opened()
    told = house.says(order, S.CANCELED)
    house.clock.advance(1)
    assert (house.compares(told).differences, house.now(order).status) == (0, S.CANCELED)


def test_comparing_twice_changes_nothing(house: House) -> None:
    order = house.opened()
    told = house.says(order, S.PARTIAL, 4)
    fill = venue_fill(told, 4, 4)
    house.clock.advance(10)
    house.compares(told, fills=(fill,), positions={"AAPL": 4})
    before = house.now(order)
    report = house.compares(told, fills=(fill,), positions={"AAPL": 4})
    assert (report.differences, house.now(order), house.position()) == (0, before, 4)


def test_an_unknown_order_that_the_venue_lists_is_resolved(house: House) -> None:
    order = _unknown(house)
    house.clock.advance(10)
    report = house.compares(house.says(order))
    assert (house.now(order).status, report.ask) == (S.OPEN, ())


def test_an_unknown_order_that_the_venue_does_not_list_is_to_be_asked_about(house: House) -> None:
    order = _unknown(house)
    house.clock.advance(10)
    report = house.compares()
    assert (report.ask, report.differences, house.now(order).status) == ((order.client_order_id,), 0, S.UNKNOWN)


def test_a_working_order_that_the_venue_does_not_list_is_a_difference_stated_once(house: House) -> None:
    order = house.opened()
    house.clock.advance(10)
    reports = [house.compares() for _ in range(3)]
    assert [report.ask for report in reports] == [(order.client_order_id,)] * 3
    assert (_drifts(house), house.now(order).status) == ([Drift.MISSING_AT_VENUE], S.OPEN)


def test_an_order_that_was_sent_after_the_snapshot_began_is_not_missing(house: House) -> None:
    asked_at = house.clock.now()
    house.clock.advance(1)
    order = house.opened()
    report = house.book.reconcile(ALPHA, snapshot(at=asked_at), "interval", asked_at=asked_at)
    assert (report.ask, house.now(order).status) == ((), S.OPEN)


def test_an_order_that_is_being_submitted_is_never_touched(house: House) -> None:
    order = house.begun()
    house.clock.advance(100)
    assert house.compares().ask == ()
    assert house.compares(house.says(order, S.FILLED, 10)).ask == ()
    assert (house.now(order).status, house.position()) == (S.SUBMITTING, 0)


def test_a_cancel_that_is_under_way_is_not_undone_by_an_older_look(house: House) -> None:
    order = house.opened()
    house.clock.advance(10)
    asked_at, told = house.clock.now(), house.says(order)
    house.clock.advance(1)
    house.book.cancel_requested(order.client_order_id, "kim")
    house.book.reconcile(ALPHA, snapshot((told,), at=asked_at), "interval", asked_at=asked_at)
    assert house.now(order).status is S.PENDING_CANCEL


def test_a_cancel_that_never_arrived_is_given_up(house: House) -> None:
    order = house.opened()
    house.book.cancel_requested(order.client_order_id, "kim")
    house.clock.advance(10)
    house.compares(house.says(order))
    assert house.now(order).status is S.OPEN


def test_an_older_look_does_not_undo_what_the_stream_told_since(house: House) -> None:
    order = house.opened()
    asked_at, told = house.clock.now(), house.says(order)
    house.clock.advance(1)
    house.fills(order, 10, 10)
    house.book.reconcile(ALPHA, snapshot((told,), at=asked_at), "interval", asked_at=asked_at)
    assert (house.now(order).status, house.incidents()) == (S.FILLED, [])


def test_orders_of_others_are_counted_and_not_taken_in(house: House) -> None:
    foreign = _foreign(house)
    reports = [house.compares(foreign) for _ in range(2)]
    assert [(len(report.foreign), report.differences) for report in reports] == [(1, 1)] * 2
    assert (_drifts(house), house.rows("orders")) == ([Drift.FOREIGN_ORDER], 1)


def test_another_venues_orders_are_none_of_its_business(house: House) -> None:
    house.opened(venue=BETA)
    house.clock.advance(10)
    assert house.compares().ask == ()


def test_the_legs_of_a_bracket_that_were_missed_are_taken_in_and_compared(house: House) -> None:
    order = house.opened()
    entry = house.says(order, S.FILLED, 10)
    leg = replace(
        house.says(order, S.PARTIAL, 3),
        client_order_id=ClientOrderId("leg"),
        venue_order_id=VenueOrderId("v-9"),
        side=order.ticket.side.opposite,
    )
    house.clock.advance(10)
    house.compares(replace(entry, legs=(leg,)))
    assert (house.now(ClientOrderId("leg")).parent, house.position()) == (order.client_order_id, 7)


def test_what_ended_while_fills_were_missing_is_asked_about_until_they_are_told(house: House) -> None:
    order = house.opened()
    house.streams(house.says(order, S.CANCELED, 4))
    house.crash()
    house.clock.advance(10)
    assert (house.now(order).status, house.compares().ask) == (S.CANCELED, (order.client_order_id,))
    house.book.found(order.client_order_id, house.says(order, S.CANCELED, 4), asked_at=house.clock.now())
    assert (house.position(), house.compares().ask, house.incidents()) == (4, (), [])


def test_a_position_that_our_fills_do_not_explain_is_a_drift_stated_once(house: House) -> None:
    reports = [house.compares(positions={"AAPL": 3}) for _ in range(3)]
    assert [(each.positions[0].ours, each.positions[0].theirs) for each in reports] == [(0, 3)] * 3
    assert _drifts(house) == [Drift.POSITION]


def test_a_difference_that_comes_again_is_stated_again(house: House) -> None:
    for shares in (3, 0, 3):
        house.compares(positions={"AAPL": shares} if shares else {})
    assert _drifts(house) == [Drift.POSITION, Drift.POSITION]


def test_a_position_in_motion_is_a_drift_only_when_it_lasts(house: House) -> None:
    order = house.opened()
    house.clock.advance(10)
    first = house.compares(house.says(order), positions={"AAPL": 3})
    second = house.compares(house.says(order), positions={"AAPL": 3})
    assert (first.positions, [each.theirs for each in second.positions]) == ((), [3])


def test_a_position_that_agrees_again_is_no_drift(house: House) -> None:
    order = house.opened()
    house.clock.advance(10)
    house.compares(house.says(order), positions={"AAPL": 10})
    house.fills(order, 10, 10)
    assert house.compares(house.says(order, S.FILLED, 10), positions={"AAPL": 10}).positions == ()


def test_a_fill_that_was_booked_meanwhile_makes_no_drift(house: House) -> None:
    order = house.opened()
    asked_at = house.clock.now()
    told = house.says(order)
    house.fills(order, 10, 10)
    report = house.book.reconcile(ALPHA, snapshot((told,), at=asked_at), "interval", asked_at=asked_at)
    assert report.positions == ()


@pytest.mark.parametrize("trigger", ["start", "interval", "reconnect", "unknown_order", "operator"])
def test_every_occasion_takes_the_same_path(house: House, trigger: str) -> None:
    order = house.opened()
    told = house.says(order, S.FILLED, 10)
    house.clock.advance(10)
    report = house.compares(told, trigger=trigger)
    assert (report.trigger, house.now(order).status, _drifts(house)) == (trigger, S.FILLED, [Drift.MISSED_FILL])


def test_a_comparison_that_failed_is_stated(house: House) -> None:
    house.book.reconcile_failed(ALPHA, "interval", "503")
    (fact,) = house.facts.of(ReconciliationFailed)
    assert (fact.subject, house.rows("reconciliations")) == (ALPHA, 1)


def test_the_duration_counts_from_the_question(house: House) -> None:
    asked_at = house.clock.now()
    house.clock.advance(2.5)
    report = house.book.reconcile(ALPHA, snapshot(at=asked_at), "interval", asked_at=asked_at)
    assert report.seconds == 2.5


def test_a_replacement_of_which_nobody_knew_is_settled_by_a_comparison(house: House) -> None:
    order = house.opened()
    name = VenueOrderId("v-new")
    parent = replace(house.says(order, S.REPLACED), replaced_by=name)
    child = replace(
        house.says(order), client_order_id=ClientOrderId("by-hand"), venue_order_id=name, replaces=order.venue_order_id
    )
    house.clock.advance(10)
    house.compares(parent, child)
    house.compares(later(parent, 5), child)
    assert (house.now(order).status, house.now(order).replaced_by) == (S.REPLACED, "by-hand")
    assert dict(house.book.working.view().reserved).popitem() == ((ALPHA, AAPL, order.ticket.side), 10)


def test_an_order_that_the_venue_lists_again_after_it_had_none_works_again(house: House) -> None:
    order = _unknown(house)
    for _ in range(2):
        house.clock.advance(61)
        house.book.not_found(order.client_order_id)
    told = replace(house.says(order), updated_at=house.clock.now() - timedelta(seconds=100))
    house.compares(told)
    assert (house.now(order).status, house.incidents()) == (S.OPEN, ["illegal_transition"])
