"""Other terms for a working order, and never two live orders of one wish."""

from decimal import Decimal

import pytest

from services.contracts.orders import OrderStatus
from services.kit.database import Database
from services.trading.brokers.port import Change, NotSent, OutcomeUnknown, Rejected
from services.trading.desk.errors import NotReplaceableError, ReplacementDeniedError
from services.trading.orders.errors import OrderNotWorkingError
from services.trading.orders.order import Order
from tests.trading.desk.support import WIDE, DeskHouse

NINETY_FIVE = Change(limit_price=Decimal(95))


@pytest.fixture
def working(house: DeskHouse) -> Order:
    """Ten shares at 90 at alpha."""
    (order,) = house.desk.submit(house.limit(90)).orders
    return order


def test_the_order_that_takes_the_place_has_the_new_terms(house: DeskHouse, working: Order) -> None:
    child = house.desk.replace(working.client_order_id, NINETY_FIVE, "operator")

    assert (child.status, child.ticket.limit_price, child.replaces) == (
        OrderStatus.OPEN,
        Decimal(95),
        working.client_order_id,
    )
    assert house.book.get(working.client_order_id).status is OrderStatus.REPLACED


def test_the_child_is_written_down_before_the_venue_hears_of_it(house: DeskHouse, working: Order) -> None:
    seen: list[OrderStatus] = []
    real = house.alpha.replace

    def replace(venue_order_id: object, name: object, change: object) -> object:
        seen.append(house.book.get(name).status)  # type: ignore[arg-type]
        return real(venue_order_id, name, change)  # type: ignore[arg-type]

    house.alpha.replace = replace  # type: ignore[method-assign, assignment]

    house.desk.replace(working.client_order_id, NINETY_FIVE, "operator")

    assert seen == [OrderStatus.SUBMITTING]


def test_only_the_rest_of_a_partly_filled_order_is_asked_for(house: DeskHouse, working: Order) -> None:
    house.alpha.fill(working.client_order_id, 4, 90)

    house.desk.replace(working.client_order_id, NINETY_FIVE, "operator")

    assert house.alpha.replaced[-1][2].quantity == 6


@pytest.mark.parametrize("outcome", [NotSent("no connection"), Rejected("42210000", "order is not open")])
def test_a_replacement_that_did_not_come_about_leaves_the_order(
    house: DeskHouse, working: Order, outcome: NotSent | Rejected
) -> None:
    house.alpha.answer_replaces(outcome)

    child = house.desk.replace(working.client_order_id, NINETY_FIVE, "operator")

    assert child.status.terminal
    assert house.book.get(working.client_order_id).status is OrderStatus.OPEN


def test_a_replacement_without_an_answer_that_came_about_resolves_itself(house: DeskHouse, working: Order) -> None:
    house.alpha.mute = True
    house.alpha.answer_replaces(OutcomeUnknown("504"), arrived=True)

    child = house.desk.replace(working.client_order_id, NINETY_FIVE, "operator")
    assert child.status is OrderStatus.UNKNOWN
    for _ in range(3):
        house.advance(2)
        house.settle()

    assert house.book.get(child.client_order_id).status is OrderStatus.OPEN
    assert [order.client_order_id for order in house.desk.unended()] == [child.client_order_id]


def test_an_order_whose_change_is_pending_takes_no_other(house: DeskHouse, working: Order) -> None:
    house.alpha.answer_replaces(OutcomeUnknown("504"))
    house.desk.replace(working.client_order_id, NINETY_FIVE, "operator")

    with pytest.raises((OrderNotWorkingError, ReplacementDeniedError)):
        house.desk.replace(working.client_order_id, Change(limit_price=Decimal(96)), "operator")

    assert len(house.alpha.replaced) == 1


def test_the_new_terms_pass_the_gate_with_the_old_order_taken_off(database: Database) -> None:
    house = DeskHouse(database, limits=WIDE.model_copy(update={"symbol_notional": Decimal(1_000)})).start()
    (order,) = house.desk.submit(house.limit(90)).orders

    assert house.desk.replace(order.client_order_id, NINETY_FIVE, "operator").status is OrderStatus.OPEN


def test_new_terms_beyond_a_limit_are_denied(database: Database) -> None:
    house = DeskHouse(database, limits=WIDE.model_copy(update={"symbol_notional": Decimal(1_100)})).start()
    (order,) = house.desk.submit(house.limit(90)).orders

    with pytest.raises(ReplacementDeniedError, match="symbol_notional"):
        house.desk.replace(order.client_order_id, Change(quantity=Decimal(20)), "operator")

    assert house.alpha.replaced == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change(), "terms already"),
        (Change(limit_price=Decimal(90)), "terms already"),
        (Change(stop_price=Decimal(80)), "no stop price"),
        (Change(quantity=Decimal(-1)), "do not fit"),
    ],
)
def test_what_changes_nothing_or_does_not_fit_is_refused_in_words(
    house: DeskHouse, working: Order, change: Change, words: str
) -> None:
    with pytest.raises(NotReplaceableError, match=words):
        house.desk.replace(working.client_order_id, change, "operator")


def test_nothing_is_replaced_while_trading_is_halted(house: DeskHouse, working: Order) -> None:
    house.desk.halt("operator", "a drill")

    with pytest.raises((ReplacementDeniedError, OrderNotWorkingError)):
        house.desk.replace(working.client_order_id, NINETY_FIVE, "operator")

    assert house.alpha.replaced == []
