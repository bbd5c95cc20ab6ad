"""The book on the kit's real facts and trading's real table of instruments: outbox, log and metrics agree."""

import logging

import pytest
from sqlalchemy import select

from services.contracts.orders import DenyReason, OrderStatus
from services.kit.database import Database
from services.kit.facts import Facts
from services.kit.instruments import Instruments
from services.kit.tables import OUTBOX
from services.trading.brokers.port import Accepted, OutcomeUnknown, Update
from services.trading.instruments import TABLE
from services.trading.orders.book import OrderBook
from services.trading.portfolio import store as portfolio
from telemetry.catalogue import TRADING_FILLS
from telemetry.emit.metrics import Metrics
from tests.fakes.clock import FakeClock
from tests.kit.conftest import RecordedTelemetry
from tests.trading.orders.support import ALPHA, held, intent, snapshot, venue_fill, venue_order

S = OrderStatus


class _NoTime:
    def time_ns(self) -> int:
        return 0


@pytest.fixture
def telemetry() -> RecordedTelemetry:
    return RecordedTelemetry(Metrics(_NoTime()))


@pytest.fixture
def book(database: Database, clock: FakeClock, telemetry: RecordedTelemetry) -> OrderBook:
    facts = Facts(database, Instruments(TABLE), telemetry, clock, "trading")
    return OrderBook(facts, database, clock, book_fill=portfolio.book, held=held)


def test_every_fact_of_the_book_has_its_row(
    book: OrderBook, database: Database, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    order, _ = book.begin(intent(), ALPHA, 0)
    book.submit_answered(order.client_order_id, OutcomeUnknown("read timeout"))
    book.submit_answered(order.client_order_id, Accepted(venue_order(order, at=clock.now())))
    told = venue_order(order, S.FILLED, 10, at=clock.now())
    book.update(ALPHA, Update(order=told, fill=venue_fill(told, 10, 10)), "{}")
    book.update(ALPHA, Update(order=told, fill=venue_fill(told, 2, 12)), "{}")
    book.unreadable(ALPHA, "garbage", "not JSON")
    book.deny(intent(), DenyReason.DAILY_LOSS, "1,000 dollars are lost today")
    clock.advance(1)
    book.reconcile(ALPHA, snapshot(at=clock.now(), positions={"AAPL": 1, "MSFT": 2}), "start", asked_at=clock.now())
    book.reconcile_failed(ALPHA, "interval", "503")
    with database.reading() as connection:
        types = connection.execute(select(OUTBOX.c.event_type).order_by(OUTBOX.c.position)).scalars().all()
    assert types == [
        f"trading.{name}"
        for name in (
            "order_submitting",
            "order_unknown",
            "order_resolved",
            "order_filled",
            "fill_booked",
            "order_incident",
            "fill_booked",
            "order_incident",
            "order_denied",
            "drift_found",
            "drift_found",
            "reconciled",
            "reconciliation_failed",
        )
    ]
    assert len([record for record in caplog.records if record.name == "facts.trading"]) == len(types)


def test_a_fill_counts_once_however_often_it_is_told(
    book: OrderBook, clock: FakeClock, telemetry: RecordedTelemetry
) -> None:
    telemetry.metrics.declare(TRADING_FILLS, "venue", [ALPHA])
    order, _ = book.begin(intent(), ALPHA, 0)
    told = venue_order(order, S.FILLED, 10, at=clock.now())
    fill = venue_fill(told, 10, 10)
    for _ in range(3):
        book.update(ALPHA, Update(order=told, fill=fill), "{}")
    assert telemetry.value("sightline_trading_fills_total", venue="alpha", source="stream") == 1


def test_a_transition_belongs_to_the_trace_that_it_was_made_in(book: OrderBook, telemetry: RecordedTelemetry) -> None:
    with telemetry.tracer("test").start_as_current_span("submit") as span:
        order, _ = book.begin(intent(), ALPHA, 0)
    trace_id = format(span.get_span_context().trace_id, "032x")
    (transition,) = book.history(order.client_order_id).transitions
    assert trace_id in transition.traceparent
    assert trace_id in order.traceparent
