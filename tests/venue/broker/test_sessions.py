"""Sessions, clocks and bars: when the market is open, and what time does to orders."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alpaca.trading.enums import OrderStatus, TimeInForce
from alpaca.trading.requests import GetCalendarRequest

from services.kit.market_calendar import MarketCalendar
from services.matching.rules import FillRule
from services.venue.broker.hours import FIRST_DAY, RegularHours, TimeSource
from tests.venue.broker.orders import bracket, limit, market
from tests.venue.broker.serving import MovableClock, ServedVenue, serving

MONDAY = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)  # ten in the morning in New York
EVENING = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)
TUESDAY_OPEN = datetime(2026, 3, 3, 14, 30, tzinfo=UTC)


@pytest.fixture
def nyse(tmp_path: Path) -> Iterator[ServedVenue]:
    """Open in New York's sessions; it is Monday morning there."""
    clock = MovableClock()
    clock.set_to(MONDAY)
    hours = RegularHours(MarketCalendar(clock, first=FIRST_DAY), clock)
    with serving(tmp_path, hours=hours, clock=clock) as served:
        yield served


def test_clock_when_the_market_is_open_then_it_tells_the_next_close(nyse: ServedVenue) -> None:
    clock = nyse.trading_client().get_clock()
    assert clock.is_open
    assert (clock.next_close, clock.next_open) == (MONDAY.replace(hour=21), TUESDAY_OPEN)


def test_calendar_when_a_half_day_is_in_it_then_that_closes_at_one(nyse: ServedVenue) -> None:
    asked = GetCalendarRequest(start="2025-11-26", end="2025-12-01")
    days = nyse.trading_client().get_calendar(asked)
    assert [(f"{day.date:%m-%d}", f"{day.close:%H:%M}") for day in days] == [
        ("11-26", "16:00"),
        ("11-28", "13:00"),
        ("12-01", "16:00"),
    ]


def test_day_order_when_the_session_ends_then_it_expires(nyse: ServedVenue) -> None:
    client = nyse.trading_client()
    day, lasting = client.submit_order(limit(90)), client.submit_order(limit(90, time_in_force=TimeInForce.GTC))
    nyse.clock.set_to(MONDAY.replace(hour=21))
    nyse.tick()
    expired = client.get_order_by_id(day.id)
    assert (expired.status, expired.expired_at) == (OrderStatus.EXPIRED, MONDAY.replace(hour=21))
    assert client.get_order_by_id(lasting.id).status is OrderStatus.NEW


def test_order_when_the_market_is_closed_then_it_trades_in_the_first_bar_of_the_session(nyse: ServedVenue) -> None:
    client = nyse.trading_client()
    nyse.clock.set_to(EVENING)
    order = client.submit_order(market())
    entry = client.submit_order(bracket(130, 90))
    assert order.status is OrderStatus.ACCEPTED
    nyse.clock.set_to(TUESDAY_OPEN)
    nyse.tick()
    assert client.get_order_by_id(order.id).status is OrderStatus.NEW
    nyse.push_bar("AAPL", 104, 105, 103, 105, start=TUESDAY_OPEN)
    assert client.get_order_by_id(order.id).filled_avg_price == "104"
    assert client.get_order_by_id(entry.id).filled_avg_price == "104"
    assert client.get_order_by_id(entry.legs[0].id).status is OrderStatus.NEW


def test_order_when_canceled_before_the_open_then_it_never_trades(nyse: ServedVenue) -> None:
    client = nyse.trading_client()
    nyse.clock.set_to(EVENING)
    order = client.submit_order(bracket(130, 90))
    client.cancel_order_by_id(order.id)
    nyse.push_bar("AAPL", 104, 105, 103, 105, start=TUESDAY_OPEN)
    assert client.get_order_by_id(order.id).status is OrderStatus.CANCELED
    assert [client.get_order_by_id(leg.id).status for leg in order.legs] == [OrderStatus.CANCELED] * 2


def test_bar_when_it_is_outside_of_the_session_then_it_tells_a_price_and_trades_nothing(nyse: ServedVenue) -> None:
    client = nyse.trading_client()
    client.submit_order(market())
    order = client.submit_order(limit(90, time_in_force=TimeInForce.GTC))
    nyse.push_bar("AAPL", 80, 80, 80, 80, start=EVENING)
    assert client.get_order_by_id(order.id).status is OrderStatus.NEW
    assert client.get_open_position("AAPL").current_price == "80"


def test_daily_bar_when_it_starts_at_midnight_then_it_trades(nyse: ServedVenue) -> None:
    client = nyse.trading_client()
    nyse.clock.set_to(EVENING)
    order = client.submit_order(market())
    nyse.push_bar("AAPL", 101, 102, 99, 100, start=datetime(2026, 3, 3, tzinfo=UTC), seconds=86_400)
    assert client.get_order_by_id(order.id).filled_avg_price == "101"


def test_account_when_the_session_has_ended_then_its_last_equity_is_that_of_the_close(nyse: ServedVenue) -> None:
    client = nyse.trading_client()
    client.submit_order(market())
    nyse.push("AAPL", 110)
    nyse.clock.set_to(EVENING)
    nyse.tick()
    assert client.get_account().last_equity == "100100"


def test_day_order_when_the_venue_was_down_at_the_close_then_it_has_expired(tmp_path: Path) -> None:
    clock = MovableClock()
    clock.set_to(MONDAY)
    hours = RegularHours(MarketCalendar(clock, first=FIRST_DAY), clock)
    keys = ("PKSLEEPS", "sleeping-secret")
    with serving(tmp_path, hours=hours, clock=clock, keys=keys) as venue:
        order = venue.trading_client().submit_order(limit(90))
    clock.set_to(TUESDAY_OPEN)
    with serving(tmp_path, hours=hours, clock=clock, keys=keys) as venue:
        assert venue.trading_client().get_order_by_id(order.id).status is OrderStatus.EXPIRED


def test_next_bar_rule_when_chosen_then_a_market_order_trades_at_the_next_open(tmp_path: Path) -> None:
    with serving(tmp_path, fill_rule=FillRule.NEXT_BAR, time_source=TimeSource.REPLAY) as venue:
        client = venue.trading_client()
        order = client.submit_order(market())
        assert client.get_order_by_id(order.id).status is OrderStatus.NEW
        venue.push_bar("AAPL", 103, 105, 101, 104)
        assert client.get_order_by_id(order.id).filled_avg_price == "103"


def test_replay_when_bars_come_then_their_time_is_the_venues(tmp_path: Path) -> None:
    clock = MovableClock()
    clock.set_to(MONDAY)
    with serving(tmp_path, time_source=TimeSource.REPLAY, clock=clock) as venue:
        start = MONDAY + timedelta(days=1)
        venue.push_bar("AAPL", 100, 100, 100, 100, start=start)
        assert venue.trading_client().get_clock().timestamp == start + timedelta(seconds=60)
        order = venue.trading_client().submit_order(limit(90))
        assert order.submitted_at == start + timedelta(seconds=60)


def test_bar_when_it_is_old_then_nothing_happens(venue: ServedVenue) -> None:
    client = venue.trading_client()
    order = client.submit_order(limit(90))
    venue.push_bar("AAPL", 50, 50, 50, 50, start=datetime(2020, 1, 1, tzinfo=UTC))
    assert client.get_order_by_id(order.id).status is OrderStatus.NEW


def test_bar_when_it_overlaps_one_of_another_length_then_it_is_kept_and_nothing_trades(venue: ServedVenue) -> None:
    client = venue.trading_client()
    last = venue.push("AAPL", 100)
    order = client.submit_order(limit(90))
    venue.push_bar("AAPL", 80, 80, 80, 80, start=last.start, seconds=3600)
    assert client.get_order_by_id(order.id).status is OrderStatus.NEW
