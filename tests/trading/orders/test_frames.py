"""Raw frames are kept as they came; none stops the next one."""

import logging
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from services.contracts.orders import ClientOrderId, DenyReason, OrderStatus, VenueOrderId
from services.contracts.trading import OrderIncident
from services.kit.database import Database
from services.trading.brokers.port import Told, Update
from services.trading.orders.book import OrderBook
from services.trading.orders.frames import Retention
from services.trading.portfolio import store as portfolio
from tests.fakes.clock import FakeClock
from tests.trading.orders.support import ALPHA, BETA, House, held, intent, later, venue_fill

S = OrderStatus


def test_a_frame_is_kept_before_it_is_handled(house: House) -> None:
    house.book.frame(ALPHA, '{"event": "new"}')
    assert house.rows("raw_frames") == 1


def test_a_frame_that_was_handled_is_kept_once_with_its_order(house: House) -> None:
    order = house.opened()
    house.streams(house.says(order), raw='{"event": "new"}')
    (frame,) = house.book.history(order.client_order_id).frames
    assert (frame.raw, frame.problem, frame.venue, house.rows("raw_frames")) == ('{"event": "new"}', "", ALPHA, 1)


def test_an_update_whose_frame_was_not_announced_is_kept_as_well(house: House) -> None:
    order = house.opened()
    house.book.update(ALPHA, Update(order=house.says(order), fill=None), "raw")
    assert [frame.raw for frame in house.book.history(order.client_order_id).frames] == ["raw"]


def test_two_equal_frames_are_two(house: House) -> None:
    order = house.opened()
    for _ in range(2):
        house.streams(house.says(order), raw="same")
    assert house.rows("raw_frames") == 2


def test_an_unreadable_frame_is_quarantined_and_an_incident_of_the_venue(house: House) -> None:
    house.book.frame(BETA, "\x00garbage")
    house.book.unreadable(BETA, "\x00garbage", "not JSON")
    (frame,) = house.book.quarantined()
    (fact,) = house.facts.of(OrderIncident)
    assert house.rows("raw_frames") == 1
    assert (frame.problem, frame.venue, fact.subject, house.incidents()) == (
        "not JSON",
        BETA,
        BETA,
        ["unreadable_frame"],
    )


def test_a_handler_that_fails_quarantines_its_frame_and_the_next_one_is_handled(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    order = house.opened()
    # A leg whose name no fact can carry, as none of the venue's should be.
    broken = replace(
        house.says(order),
        client_order_id=ClientOrderId("no name"),
        venue_order_id=VenueOrderId("v-9"),
        parent=order.venue_order_id,
    )
    with caplog.at_level(logging.ERROR):
        house.streams(broken, raw="broken")
    house.fills(order, 10, 10)
    (frame,) = house.book.quarantined()
    assert (frame.raw, "ValidationError" in frame.problem, house.incidents()) == ("broken", True, ["unreadable_frame"])
    assert (house.now(order).status, house.rows("orders"), "could not be worked in" in caplog.text) == (
        S.FILLED,
        1,
        True,
    )


def test_frames_that_wait_are_kept_and_worked_in_by_one_commit(house: House) -> None:
    order = house.begun()
    opened, filled = house.says(order), house.says(order, S.FILLED, 10)
    told = [
        Told("new", Update(order=opened, fill=None)),
        Told("about the stream", None),
        Told("fill", Update(order=filled, fill=venue_fill(filled, 10, 10))),
    ]
    commits = house.facts.commits
    house.book.updates(ALPHA, told, nullcontext)
    history = house.book.history(order.client_order_id)
    assert (house.facts.commits - commits, history.order.status, house.position()) == (1, S.FILLED, 10)
    assert ([frame.raw for frame in history.frames], house.rows("raw_frames")) == (["new", "fill"], 3)
    assert [transition.now for transition in history.transitions] == [S.SUBMITTING, S.OPEN, S.FILLED]


def test_frames_of_which_one_fails_are_not_taken_in_at_all(house: House) -> None:
    order = house.opened()
    filled = house.says(order, S.FILLED, 10)
    fill = Update(order=filled, fill=venue_fill(filled, 10, 10))
    broken = Update(order=replace(filled, client_order_id=ClientOrderId("x"), parent=order.venue_order_id), fill=None)
    broken = replace(broken, order=replace(broken.order, venue_order_id=VenueOrderId("v-9"), quantity=Decimal(-1)))
    with pytest.raises(ValueError, match="quantity"):
        house.book.updates(ALPHA, [Told("fill", fill), Told("broken", broken)], nullcontext)
    assert (house.now(order).status, house.position(), house.rows("raw_frames")) == (S.OPEN, 0, 0)
    assert house.book.working.get(order.client_order_id) == house.now(order)
    house.streams(filled, fill.fill)
    assert (house.now(order).status, house.position()) == (S.FILLED, 10)


def test_news_that_only_says_how_recent_it_is_writes_nothing_and_still_outdates_what_is_older(house: House) -> None:
    order = house.opened()
    before = house.now(order)
    recent = later(house.says(order), 5)
    house.book.updates(ALPHA, [Told("new", Update(order=recent, fill=None))], nullcontext)
    assert house.now(order) == before
    house.streams(later(house.says(order, S.PENDING_CANCEL), 1))  # overtaken by the one before
    assert house.now(order).status is S.OPEN


def test_frames_are_kept_for_a_time_and_quarantined_ones_for_longer(house: House) -> None:
    house.book.frame(ALPHA, "handled")
    house.book.frame(ALPHA, "broken")
    house.book.unreadable(ALPHA, "broken", "not JSON")
    house.clock.advance(timedelta(days=4).total_seconds())
    house.book.frame(ALPHA, "new")
    assert (house.book.prune(), house.rows("raw_frames"), len(house.book.quarantined())) == (1, 2, 1)
    house.clock.advance(timedelta(days=91).total_seconds())
    assert (house.book.prune(), house.rows("raw_frames"), house.rows("order_incidents")) == (2, 0, 0)


def test_no_more_frames_are_kept_than_allowed(database: Database, clock: FakeClock) -> None:
    house = House(database, clock)
    retention = Retention(frames=3)
    book = OrderBook(house.facts, database, clock, book_fill=portfolio.book, held=held, retention=retention)
    for number in range(8):
        book.frame(ALPHA, str(number))
    assert (book.prune(), house.rows("raw_frames"), book.prune()) == (5, 3, 0)


def test_old_denials_and_comparisons_are_forgotten_and_orders_never(house: House) -> None:
    house.opened()
    house.book.deny(intent(), DenyReason.DAILY_LOSS, "x")
    house.compares()
    house.clock.advance(timedelta(days=91).total_seconds())
    house.book.prune()
    tables = ("denials", "reconciliations", "orders", "order_transitions", "intents")
    assert [house.rows(table) for table in tables] == [0, 0, 1, 2, 1]
