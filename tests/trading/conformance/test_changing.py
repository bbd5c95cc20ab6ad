"""Scenarios 5 to 8: cancels and replacements that meet fills."""

from decimal import Decimal

import pytest

from services.contracts.orders import OrderStatus
from services.contracts.trading import OrderIncidentKind
from services.trading.brokers.port import Change
from tests.trading.conformance.bench import Bench
from tests.trading.conformance.rig import Call, Loss


def test_05_an_order_that_is_filled_in_part_and_canceled_keeps_its_part(bench: Bench) -> None:
    bench.rig.side.fill_next("4")
    order = bench.place(bench.limit(90))
    bench.wait_for_status(order, OrderStatus.PARTIAL)

    bench.desk.cancel(order.client_order_id, "tester")

    ended = bench.wait_for_status(order, OrderStatus.CANCELED)
    assert ended.filled == 4
    assert ended.open_quantity == 0
    assert bench.position() == bench.rig.side.held("AAPL") == 4


def test_06_a_fill_that_crosses_a_cancel_wins(bench: Bench) -> None:
    order = bench.place(bench.limit(90))
    bench.rig.side.cross_cancel(confirmed=False)

    bench.desk.cancel(order.client_order_id, "tester")

    assert bench.wait_for_status(order, OrderStatus.FILLED).filled == 10
    assert bench.position() == bench.rig.side.held("AAPL") == 10


def test_07_a_fill_after_a_cancel_is_booked_and_told_as_an_incident(bench: Bench) -> None:
    order = bench.place(bench.limit(90))
    bench.rig.side.cross_cancel(confirmed=True)

    bench.desk.cancel(order.client_order_id, "tester")

    bench.wait_for(lambda: bench.order(order).filled == 10, "the late fill is booked")
    assert bench.position() == bench.rig.side.held("AAPL") == 10
    assert OrderIncidentKind.LATE_FILL in bench.incidents()


@pytest.mark.parametrize("loss", list(Loss))
def test_07_a_cancel_whose_answer_is_lost_is_made_good(bench: Bench, loss: Loss) -> None:
    order = bench.place(bench.limit(90))
    bench.rig.side.lose_answer(Call.CANCEL, loss, acted=True)

    bench.desk.cancel(order.client_order_id, "tester")
    bench.reconcile()

    assert bench.wait_for_status(order, OrderStatus.CANCELED).filled == 0
    assert not any(each.works for each in bench.at_venue())


def test_08_a_replacement_leaves_one_order_that_works(bench: Bench) -> None:
    order = bench.place(bench.limit(90))

    child = bench.desk.replace(order.client_order_id, Change(limit_price=Decimal(91)), "tester")

    bench.wait_for_status(order, OrderStatus.REPLACED)
    bench.wait_for_status(child, OrderStatus.OPEN)
    working = [(each.name, each.price) for each in bench.at_venue() if each.works]
    assert working == [(str(child.client_order_id), Decimal(91))]


def test_08_a_replacement_of_an_order_with_a_part_filled_is_for_the_rest(bench: Bench) -> None:
    bench.rig.side.fill_next("4")
    order = bench.place(bench.limit(90))
    bench.wait_for_status(order, OrderStatus.PARTIAL)

    child = bench.desk.replace(order.client_order_id, Change(limit_price=Decimal(91)), "tester")
    bench.wait_for_status(child, OrderStatus.OPEN)
    bench.rig.side.price("AAPL", "80")

    bench.wait_for_status(child, OrderStatus.FILLED)
    assert bench.order(order).filled + bench.order(child).filled == 10
    assert bench.position() == bench.rig.side.held("AAPL") == 10


def test_08_a_fill_that_crosses_a_replacement_wins_and_the_new_order_does_not_work(bench: Bench) -> None:
    order = bench.place(bench.limit(90))
    bench.rig.side.cross_replace()

    child = bench.desk.replace(order.client_order_id, Change(limit_price=Decimal(91)), "tester")

    bench.wait_for_status(order, OrderStatus.FILLED)
    bench.wait_for(lambda: bench.order(child).status.terminal, "the new order ends")
    assert bench.order(child).filled == 0
    assert bench.position() == bench.rig.side.held("AAPL") == 10


@pytest.mark.parametrize("acted", [True, False], ids=["acted-on", "not-acted-on"])
@pytest.mark.parametrize("loss", [Loss.GATEWAY_TIMEOUT, Loss.DROPPED])
def test_08_a_replacement_whose_answer_is_lost_never_leaves_two_orders_that_work(
    bench: Bench,
    loss: Loss,
    acted: bool,  # noqa: FBT001 -- a parameter
) -> None:
    order = bench.place(bench.limit(90))
    bench.rig.side.lose_answer(Call.REPLACE, loss, acted=acted)

    child = bench.desk.replace(order.client_order_id, Change(limit_price=Decimal(91)), "tester")
    for _ in range(4):
        bench.settle()
        bench.reconcile()
        bench.advance(40)

    working = [each.name for each in bench.at_venue() if each.works]
    assert working == [child.client_order_id if acted else order.client_order_id]
    books = [each.client_order_id for each in (bench.order(order), bench.order(child)) if not each.status.terminal]
    assert books == working
