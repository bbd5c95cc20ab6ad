"""Scenarios 1 to 4: an order is sent once, whatever happens while it is."""

import pytest

from services.contracts.orders import DenyReason, OrderStatus
from services.trading.brokers.port import Accepted, OutcomeUnknown
from tests.trading.conformance.bench import Bench
from tests.trading.conformance.rig import Call, Loss


def test_01_a_crash_before_the_order_is_sent_leaves_nothing_at_the_venue_and_is_not_made_up_for_blindly(
    bench: Bench,
) -> None:
    intent = bench.limit(90)
    bench.book.begin(intent, bench.rig.adapter.name, 0)

    after = bench.after_a_crash()
    order = after.book.of_intent(intent.intent_id)[0]
    assert after.order(order).status is OrderStatus.UNKNOWN
    assert after.at_venue() == []

    for _ in range(3):
        after.advance(40)
        after.settle()
    assert after.order(order).status is OrderStatus.NOT_FOUND_CONFIRMED
    assert after.at_venue() == []


def test_02_a_crash_after_the_order_was_sent_adopts_it_and_sends_no_other(bench: Bench) -> None:
    intent = bench.limit(90)
    order, _ = bench.book.begin(intent, bench.rig.adapter.name, 0)
    bench.rig.adapter.submit(order.client_order_id, intent.ticket)

    after = bench.after_a_crash()

    assert after.order(order).status is OrderStatus.OPEN
    again = after.desk.submit(intent)
    assert again.known
    assert len(after.at_venue()) == 1


def test_02_a_crash_after_the_order_was_filled_books_its_fill_once(bench: Bench) -> None:
    intent = bench.intent()
    order, _ = bench.book.begin(intent, bench.rig.adapter.name, 0)
    bench.rig.adapter.submit(order.client_order_id, intent.ticket)

    after = bench.after_a_crash()
    after.reconcile()

    assert after.order(order).status is OrderStatus.FILLED
    assert sum(after.booked(order)) == 10
    assert after.position() == after.rig.side.held("AAPL") == 10


@pytest.mark.parametrize("loss", list(Loss))
def test_03_an_answer_that_is_lost_after_the_venue_took_the_order_leaves_exactly_one(bench: Bench, loss: Loss) -> None:
    bench.rig.side.lose_answer(Call.SUBMIT, loss, acted=True)

    intent = bench.limit(90)
    order = bench.place(intent)
    bench.settle()

    assert bench.wait_for_status(order, OrderStatus.OPEN).venue_order_id is not None
    assert [each.name for each in bench.at_venue()] == [order.client_order_id]
    assert len(bench.desk.submit(intent).orders) == 1
    assert len(bench.at_venue()) == 1


def test_03_an_order_that_the_venue_had_before_is_accepted_and_not_doubled(bench: Bench) -> None:
    order = bench.place(bench.limit(90))

    again = bench.rig.adapter.submit(order.client_order_id, order.ticket)

    assert isinstance(again, Accepted)
    assert again.order.venue_order_id == order.venue_order_id
    assert len(bench.at_venue()) == 1


def test_04_a_venue_that_is_out_of_reach_before_the_first_byte_hands_the_wish_on(bench: Bench) -> None:
    bench.connect_second()
    bench.rig.cut()
    intent = bench.limit(90)

    placed = bench.desk.submit(intent)
    bench.rig.mend()

    assert [(order.venue, order.status) for order in placed.orders][-1] == ("beta", OrderStatus.OPEN)
    assert {order.status for order in placed.orders[:-1]} <= {OrderStatus.NOT_SENT}
    assert bench.at_venue() == []
    assert len(bench.second.submitted) == 1


@pytest.mark.parametrize("loss", [Loss.DROPPED, Loss.SILENCE])
def test_04_an_answer_that_is_lost_is_no_proof_so_nothing_goes_to_another_venue(bench: Bench, loss: Loss) -> None:
    bench.connect_second()
    bench.rig.side.lose_answer(Call.SUBMIT, loss, acted=False)

    order = bench.place(bench.limit(90))

    assert order.status is OrderStatus.UNKNOWN
    assert order.open_quantity == 10, "all of it stays reserved"
    assert bench.second.submitted == []
    refused = bench.desk.submit(bench.limit(91, leg="more"))
    assert refused.denial is not None
    assert refused.denial.reason is DenyReason.UNKNOWN_IN_SYMBOL
    assert bench.at_venue() == []


def test_04_an_unknown_order_that_the_venue_never_had_is_let_go_after_it_said_so_often_enough(bench: Bench) -> None:
    bench.rig.side.lose_answer(Call.SUBMIT, Loss.DROPPED, acted=False)
    order = bench.place(bench.limit(90))

    bench.settle()
    assert bench.order(order).status is OrderStatus.UNKNOWN, "once is not enough"
    for _ in range(3):
        bench.advance(40)
        bench.settle()

    assert bench.order(order).status is OrderStatus.NOT_FOUND_CONFIRMED
    assert bench.desk.submit(bench.limit(90, leg="another")).denial is None


@pytest.mark.parametrize("loss", list(Loss))
def test_04_what_becomes_of_an_order_is_never_told_as_sent_or_not_without_proof(bench: Bench, loss: Loss) -> None:
    bench.rig.side.lose_answer(Call.SUBMIT, loss, acted=False)
    intent = bench.limit(90)
    order, _ = bench.book.begin(intent, bench.rig.adapter.name, 0)
    assert isinstance(bench.rig.adapter.submit(order.client_order_id, intent.ticket), OutcomeUnknown)
