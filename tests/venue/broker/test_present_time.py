"""A venue that replays bars of the past as if they were made now."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import StockLatestTradeRequest
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.models import Clock, Order
from alpaca.trading.requests import MarketOrderRequest

from services.matching.rules import FillRule
from services.venue.broker.hours import TimeSource
from services.venue.settings import VenueSettings
from tests.venue.broker.serving import ServedVenue, serving

THEN = datetime(2013, 1, 2, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def _day(venue: ServedVenue, number: int, price: int) -> None:
    venue.push_bar("AAPL", price, price + 1, price - 1, price, seconds=86_400, start=THEN + number * DAY)


def test_orders_trade_in_recorded_bars_and_are_told_of_now(tmp_path: Path) -> None:
    with serving(tmp_path, time_source=TimeSource.PRESENT, fill_rule=FillRule.NEXT_BAR, prices={}) as venue:
        began = venue.clock.now()
        client = venue.trading_client()
        _day(venue, 0, 100)
        wanted = MarketOrderRequest(symbol="AAPL", qty=10, side=OrderSide.BUY, time_in_force=TimeInForce.GTC)
        placed = client.submit_order(wanted)
        assert isinstance(placed, Order)
        order = venue.order(placed.id)
        assert order.filled_at is None

        _day(venue, 1, 105)

        (account,) = venue.venue.books.accounts.values()
        (fill,) = venue.venue.books.executions_of(account.account_id)
        assert (int(fill.quantity), int(fill.price)) == (10, 105)
        assert began <= order.submitted_at <= fill.at <= venue.clock.now()
        clock = client.get_clock()
        assert isinstance(clock, Clock)
        assert abs(clock.timestamp - venue.clock.now()) < timedelta(seconds=5)


def test_the_last_price_is_as_old_as_its_bar_s_coming_is_ago(tmp_path: Path) -> None:
    with serving(tmp_path, time_source=TimeSource.PRESENT, prices={}) as venue:
        began = venue.clock.now()
        _day(venue, 0, 100)
        came = venue.clock.now()
        venue.clock.advance(60)
        data = StockHistoricalDataClient(venue.key_id, venue.secret_key, url_override=venue.base_url)
        trade = data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="AAPL"))["AAPL"]

        assert began <= trade.timestamp <= came


def test_sessions_of_the_past_do_not_go_with_it() -> None:
    with pytest.raises(ValueError, match="SIGHTLINE_PAPER_HOURS: sessions of the past say nothing of now"):
        VenueSettings(paper_time=TimeSource.PRESENT, paper_hours="regular")
