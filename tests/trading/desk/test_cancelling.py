"""Cancels pass whatever else is wrong, and are asked for until the venue has answered."""

import pytest

from services.contracts.orders import ClientOrderId, OrderStatus
from services.kit.database_errors import DatabaseError
from services.trading.brokers.port import NotSent, OutcomeUnknown, Rejected
from services.trading.desk.errors import NotOwnerError, VenueNotKnownError
from services.trading.orders.errors import OrderNotFoundError
from services.trading.orders.order import Order
from tests.trading.desk.support import BETA, DeskHouse


@pytest.fixture
def working(house: DeskHouse) -> Order:
    """An order that works at alpha."""
    (order,) = house.desk.submit(house.limit(90)).orders
    return order


def test_a_cancel_ends_the_order(house: DeskHouse, working: Order) -> None:
    house.desk.cancel(working.client_order_id, "operator")

    assert house.book.get(working.client_order_id).status is OrderStatus.CANCELED


def test_a_cancel_passes_while_nothing_else_would(house: DeskHouse, working: Order) -> None:
    house.auth.away = "auth is away"
    house.advance(400)
    house.made.leader.tick()
    house.made.listeners[working.venue].disconnected("reset")
    house.desk.reduce("operator", "look first")

    house.desk.cancel(working.client_order_id, "operator")

    assert house.book.get(working.client_order_id).status is OrderStatus.CANCELED


@pytest.mark.parametrize(
    "outcome", [NotSent("no connection"), OutcomeUnknown("504"), Rejected("429", "slow", venue_side=True)]
)
def test_a_cancel_without_an_answer_is_asked_for_again(
    house: DeskHouse, working: Order, outcome: NotSent | OutcomeUnknown | Rejected
) -> None:
    house.alpha.answer_cancels(outcome)
    house.desk.cancel(working.client_order_id, "operator")
    assert len(house.alpha.canceled) == 1

    house.advance(1)
    house.settle()

    assert house.book.get(working.client_order_id).status is OrderStatus.CANCELED
    assert len(house.alpha.canceled) == 2


def test_a_cancel_that_was_taken_and_never_came_about_is_asked_for_again(house: DeskHouse, working: Order) -> None:
    house.alpha.cancels_wait = True
    house.desk.cancel(working.client_order_id, "operator")
    house.alpha.cancels_wait = False

    house.advance(4)
    house.settle()
    assert len(house.alpha.canceled) == 1
    house.advance(2)
    house.settle()

    assert house.book.get(working.client_order_id).status is OrderStatus.CANCELED


def test_a_cancel_that_is_refused_has_the_venue_asked_how_the_order_ended(house: DeskHouse, working: Order) -> None:
    house.alpha.mute = True
    house.alpha.fill(working.client_order_id, 10, 90)
    house.desk.cancel(working.client_order_id, "operator")

    house.settle()

    assert house.book.get(working.client_order_id).status is OrderStatus.FILLED


def test_a_cancel_of_an_unknown_order_is_done_once_it_is_known(house: DeskHouse) -> None:
    house.alpha.answer_submits(OutcomeUnknown("504"), arrived=True)
    (order,) = house.desk.submit(house.limit(90)).orders

    house.desk.cancel(order.client_order_id, "operator")
    assert house.alpha.canceled == []
    for _ in range(3):
        house.advance(2)
        house.settle()

    assert house.book.get(order.client_order_id).status is OrderStatus.CANCELED


def test_a_cancel_goes_out_when_it_cannot_be_written_down(house: DeskHouse, working: Order) -> None:
    def away(*, durable: bool = False) -> object:
        raise DatabaseError("the disk is full")

    house.facts.transaction = away  # type: ignore[method-assign, assignment]

    house.desk.cancel(working.client_order_id, "operator")

    assert house.alpha.orders[working.client_order_id].status is OrderStatus.CANCELED


def test_a_cancel_that_was_under_way_is_taken_up_after_a_restart(house: DeskHouse, working: Order) -> None:
    house.alpha.cancels_wait = True
    house.desk.cancel(working.client_order_id, "operator")
    house.alpha.cancels_wait = False
    house.owner.release()

    second = house.another().start()
    second.settle()

    assert second.book.get(working.client_order_id).status is OrderStatus.CANCELED


def test_everything_that_works_is_cancelled_at_once(house: DeskHouse) -> None:
    for number in range(5):
        house.desk.submit(house.limit(90, leg=f"leg-{number}"))

    orders = house.desk.cancel_all("operator")

    assert len(orders) == 5
    assert house.desk.unended() == ()


def test_a_cancel_at_one_venue_leaves_the_others(house: DeskHouse, working: Order) -> None:
    assert house.desk.cancel_all("operator", BETA) == []
    assert house.desk.unended()


def test_an_order_that_has_ended_is_returned_as_it_is(house: DeskHouse, working: Order) -> None:
    house.desk.cancel(working.client_order_id, "operator")

    again = house.desk.cancel(working.client_order_id, "operator")

    assert again.status is OrderStatus.CANCELED
    assert len(house.alpha.canceled) == 1


def test_an_order_that_is_filled_while_it_is_being_cancelled_is_returned_as_it_is(
    house: DeskHouse, working: Order
) -> None:
    real = house.book.cancel_requested

    def fill_first(name: ClientOrderId, actor: str) -> Order:
        house.alpha.fill(name, 10, 90)
        return real(name, actor)

    house.book.cancel_requested = fill_first  # type: ignore[method-assign]

    assert house.desk.cancel(working.client_order_id, "operator").status is OrderStatus.FILLED
    assert house.alpha.canceled == []


def test_what_is_not_known_is_refused_in_words(house: DeskHouse) -> None:
    with pytest.raises(OrderNotFoundError):
        house.desk.cancel(ClientOrderId("nobody"), "operator")
    with pytest.raises(VenueNotKnownError, match="nowhere"):
        house.desk.cancel_all("operator", "nowhere")  # type: ignore[arg-type]


def test_a_process_that_does_not_trade_cancels_nothing(house: DeskHouse, working: Order) -> None:
    with pytest.raises(NotOwnerError):
        house.another().desk.cancel(working.client_order_id, "operator")
