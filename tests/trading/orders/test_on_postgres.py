"""What depends on the database's locks, on a real Postgres too: there, unlike on SQLite, writers run side by side."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from services.contracts.market import Side
from services.contracts.orders import ClientOrderId, OrderStatus, VenueOrderId
from services.kit.database import Database
from services.trading.brokers.port import Accepted, CancelTaken, Change, OutcomeUnknown, Update
from tests.fakes.clock import FakeClock
from tests.trading.orders.support import AAPL, ALPHA, VERSIONS, House, bracket, intent, venue_fill

pytestmark = [pytest.mark.needs("initdb", "postgres")]

CALLERS = 8
S = OrderStatus


@pytest.fixture
def house(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[House]:
    # A schema for each test: the server is shared.
    name = f"trading_{abs(hash(request.node.nodeid))}"
    database = Database(postgres_url, service=name, versions=(VERSIONS,), connections=CALLERS)
    database.migrate()
    yield House(database, FakeClock())
    database.close()


def _at_once(act: Callable[[int], None]) -> list[str]:
    """What went wrong with any of the callers, all let go at the same moment."""
    wrong: list[str] = []
    barrier = threading.Barrier(CALLERS)

    def call(number: int) -> None:
        barrier.wait()
        try:
            act(number)
        except Exception as error:  # noqa: BLE001 -- whatever happens must show in the test's result
            wrong.append(repr(error))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def test_begun_at_once_is_one_order_and_new_to_one_caller_only(house: House) -> None:
    wish = intent()
    new: list[bool] = []
    assert _at_once(lambda _: new.append(house.book.begin(wish, ALPHA, 0)[1])) == []
    assert (sorted(new), house.rows("orders")) == ([False] * (CALLERS - 1) + [True], 1)


def test_one_execution_told_at_once_by_many_is_booked_once(house: House) -> None:
    order = house.opened()
    told = house.says(order, S.FILLED, 10)
    fill = venue_fill(told, 10, 10)
    update = Update(order=told, fill=fill)
    assert _at_once(lambda number: house.book.update(ALPHA, update, f"frame {number}")) == []
    assert (house.now(order).status, house.position(), house.rows("fills"), house.incidents()) == (S.FILLED, 10, 1, [])


def test_parts_told_at_once_add_up(house: House) -> None:
    order = house.opened()
    told = [house.says(order, S.PARTIAL, number + 1) for number in range(CALLERS)]
    fills = [venue_fill(each, 1, number + 1) for number, each in enumerate(told)]

    def tell(number: int) -> None:
        house.book.update(ALPHA, Update(order=told[number], fill=fills[number]), str(number))

    assert _at_once(tell) == []
    assert (house.now(order).filled, house.position()) == (CALLERS, CALLERS)
    assert house.book.working.get(order.client_order_id) == house.now(order)


def test_the_legs_of_a_bracket_told_at_once_are_taken_in_once(house: House) -> None:
    order = house.opened(bracket())
    entry = house.says(order)
    leg = replace(entry, client_order_id=ClientOrderId("leg-1"), venue_order_id=VenueOrderId("v-leg-1"), side=Side.SELL)
    update = Update(order=replace(entry, legs=(leg,)), fill=None)
    assert _at_once(lambda number: house.book.update(ALPHA, update, str(number))) == []
    assert (house.rows("orders"), house.incidents()) == (2, [])


def test_a_replacement_and_the_stream_settle_both_orders_whoever_is_first(house: House) -> None:
    order = house.opened()
    child = house.book.replace_requested(order.client_order_id, Change(limit_price=order.ticket.limit_price), "kim")
    answer = Accepted(house.says(child))
    parent = replace(house.says(order, S.REPLACED), replaced_by=answer.order.venue_order_id)

    def tell(number: int) -> None:
        if number % 3 == 0:
            house.book.replace_answered(child.client_order_id, answer)
        else:
            house.book.update(ALPHA, Update(order=parent if number % 3 == 1 else answer.order, fill=None), str(number))

    assert _at_once(tell) == []
    assert (house.now(order).status, house.now(child).status, house.incidents()) == (S.REPLACED, S.OPEN, [])
    assert dict(house.book.working.view().reserved) == {(ALPHA, AAPL, Side.BUY): 10}


def test_the_way_of_an_order_is_the_same_as_on_sqlite(house: House) -> None:
    order = house.begun()
    house.book.submit_answered(order.client_order_id, OutcomeUnknown("504"))
    house.clock.advance(3)
    house.compares(house.says(order))
    house.fills(house.now(order), 4, 4)
    house.book.cancel_requested(order.client_order_id, "kim")
    house.book.cancel_answered(order.client_order_id, CancelTaken())
    house.streams(house.says(house.now(order), S.CANCELED, 4), raw="\x00")
    house.crash()
    history = house.book.history(order.client_order_id)
    assert [each.now for each in history.transitions] == [
        S.SUBMITTING,
        S.UNKNOWN,
        S.OPEN,
        S.PARTIAL,
        S.PENDING_CANCEL,
        S.CANCELED,
    ]
    assert (house.position(), house.book.working.unsettled(), len(history.frames)) == (4, (), 2)
    house.clock.advance(100 * 24 * 3600)
    assert house.book.prune() == 3
