"""What works, in memory: right whatever overtakes what."""

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from services.contracts.market import Side, Symbol
from services.contracts.orders import OrderStatus
from services.trading.brokers.port import OutcomeUnknown, Update
from services.trading.orders.working import Working
from tests.trading.orders.stories import CANCEL, Story, begun, execution, in_status
from tests.trading.orders.support import AAPL, ALPHA, BETA, House, ticket, venue_fill

S = OrderStatus
BUY = (ALPHA, AAPL, Side.BUY)


def _put(working: Working, story: Story, version: int) -> None:
    working.put(replace(story.order, version=version))


def test_what_may_still_be_filled_is_reserved() -> None:
    working, story = Working(), in_status(S.PARTIAL)
    _put(working, story, 1)
    assert dict(working.view().reserved) == {BUY: 6}


def test_an_order_that_has_ended_reserves_nothing() -> None:
    working, story = Working(), in_status(S.OPEN)
    _put(working, story, 1)
    story.hears(execution(10, 10))
    _put(working, story, 2)
    assert (dict(working.view().reserved), working.view().open_orders, working.orders()) == ({}, 0, ())


def test_what_ended_with_fills_missing_reserves_these_and_does_not_count_as_working() -> None:
    working, story = Working(), in_status(S.OPEN)
    story.hears(story.told(S.CANCELED, 4))
    _put(working, story, 1)
    view = working.view()
    assert (dict(view.reserved), view.open_orders, working.orders(), len(working.unsettled())) == ({BUY: 4}, 0, (), 1)


def test_a_copy_that_was_overtaken_is_left_aside() -> None:
    working, story = Working(), in_status(S.OPEN)
    older = replace(story.order, version=1)
    story.hears(execution(10, 10))
    _put(working, story, 2)
    working.put(older)
    assert working.orders() == ()


def test_an_order_that_works_again_is_there_again() -> None:
    working, story = Working(), in_status(S.CANCELED)
    _put(working, story, 1)
    story.hears(story.told(S.OPEN, asked_at=story.at + timedelta(seconds=1)))
    _put(working, story, 2)
    assert [order.status for order in working.orders()] == [S.OPEN]


def test_a_look_stays_as_it_was() -> None:
    working, story = Working(), in_status(S.OPEN)
    _put(working, story, 1)
    view = working.view()
    story.hears(execution(10, 10))
    _put(working, story, 2)
    assert dict(view.reserved) == {BUY: 10}


def test_unknown_symbols_are_known_at_whichever_venue(house: House) -> None:
    order = house.begun(ticket(symbol=Symbol("MSFT")), venue=BETA)
    house.opened()
    house.book.submit_answered(order.client_order_id, OutcomeUnknown("x"))
    assert (house.book.working.view().unknown, [each.client_order_id for each in house.book.unknown(BETA)]) == (
        {"MSFT"},
        [order.client_order_id],
    )
    assert house.book.unknown(ALPHA) == []


def test_both_sides_and_venues_are_told_apart(house: House) -> None:
    house.opened()
    house.opened(ticket(3, side=Side.SELL))
    house.opened(ticket(5), venue=BETA)
    assert dict(house.book.working.view().reserved) == {BUY: 10, (ALPHA, AAPL, Side.SELL): 3, (BETA, AAPL, Side.BUY): 5}


def test_several_orders_add_up(house: House) -> None:
    for shares in ("0.1", "0.2"):
        house.opened(ticket(shares))
    assert dict(house.book.working.view().reserved) == {BUY: Decimal("0.3")}


def test_orders_are_counted_by_when_they_were_begun_across_a_start(house: House) -> None:
    for _ in range(3):
        house.begun()
        house.clock.advance(20)
    now = house.clock.now()
    counts = [house.book.working.submitted_since(now - timedelta(seconds=back)) for back in (10, 30, 50, 70)]
    house.crash()
    again = [house.book.working.submitted_since(now - timedelta(seconds=back)) for back in (10, 30, 50)]
    assert (counts, again) == ([0, 1, 2, 3], [0, 1, 2])


def test_a_start_forgets_what_another_process_has_ended(house: House) -> None:
    order = house.opened()
    other = house.another_book()
    other.recover()
    told = house.says(order, S.FILLED, 10)
    house.book.update(ALPHA, Update(order=told, fill=venue_fill(told, 10, 10)), "{}")
    assert [each.client_order_id for each in other.working.orders()] == [order.client_order_id]
    other.recover()
    assert (other.working.orders(), dict(other.working.view().reserved)) == ((), {})


def test_a_pending_order_stays_reserved() -> None:
    working, story = Working(), in_status(S.OPEN)
    story.hears(CANCEL)
    _put(working, story, 1)
    assert dict(working.view().reserved) == {BUY: 10}


def test_many_threads_leave_nothing_behind() -> None:
    working = Working()

    def live_and_die() -> None:
        for _ in range(50):
            story = begun()
            _put(working, story, 1)
            story.hears(story.told(S.OPEN))
            _put(working, story, 2)
            working.view()
            story.hears(execution(10, 10))
            _put(working, story, 3)

    threads = [threading.Thread(target=live_and_die) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (dict(working.view().reserved), working.view().open_orders, working.unsettled()) == ({}, 0, ())
