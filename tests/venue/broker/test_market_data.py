"""The real StockHistoricalDataClient against the paper venue."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
)
from alpaca.data.timeframe import TimeFrame

from tests.venue.broker.serving import ServedVenue

START = datetime(2030, 1, 7, 15, tzinfo=UTC)


@pytest.fixture
def data(venue: ServedVenue) -> StockHistoricalDataClient:
    return StockHistoricalDataClient(venue.key_id, venue.secret_key, url_override=venue.base_url)


def _push_minutes(venue: ServedVenue, symbol: str, count: int) -> None:
    for number in range(count):
        price = 100 + number
        venue.push_bar(symbol, price, price + 1, price - 1, price, start=START + timedelta(minutes=number))


def test_latest_when_asked_for_then_it_is_of_the_last_bar(venue: ServedVenue, data: StockHistoricalDataClient) -> None:
    venue.push_bar("AAPL", 101, 103, 100, 102, start=START)
    bar = data.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="AAPL"))["AAPL"]
    assert (bar.open, bar.high, bar.low, bar.close, bar.timestamp) == (101, 103, 100, 102, START)
    trade = data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=["AAPL", "MSFT"]))
    assert (trade["AAPL"].price, trade["MSFT"].price) == (102, 200)
    quote = data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols="AAPL"))["AAPL"]
    assert (quote.bid_price, quote.ask_price) == (101.99, 102.01)


def test_bars_when_a_time_is_asked_for_then_only_its_bars_come(
    venue: ServedVenue, data: StockHistoricalDataClient
) -> None:
    _push_minutes(venue, "AAPL", 5)
    asked = StockBarsRequest(
        symbol_or_symbols="AAPL",
        timeframe=TimeFrame.Minute,
        start=START + timedelta(minutes=1),
        end=START + timedelta(minutes=3),
    )
    assert [bar.close for bar in data.get_stock_bars(asked)["AAPL"]] == [101, 102, 103]


def test_bars_when_there_are_more_than_a_page_then_the_pages_make_the_whole(venue: ServedVenue) -> None:
    _push_minutes(venue, "AAPL", 3)
    _push_minutes(venue, "MSFT", 3)
    query = {"symbols": "AAPL,MSFT", "timeframe": "1Min", "limit": "2", "start": START.isoformat()}
    found: list[tuple[str, float]] = []
    pages = 0
    while True:
        answer = httpx.get(f"{venue.base_url}/v2/stocks/bars", params=query, headers=venue.headers).json()
        found += [(symbol, bar["c"]) for symbol, bars in answer["bars"].items() for bar in bars]
        pages += 1
        if answer["next_page_token"] is None:
            break
        query["page_token"] = answer["next_page_token"]
    assert found == [(symbol, price) for symbol in ("AAPL", "MSFT") for price in (100, 101, 102)]
    assert pages == 3


def test_bars_when_newest_come_first_then_paging_still_gives_each_once(venue: ServedVenue) -> None:
    _push_minutes(venue, "AAPL", 3)
    path = f"{venue.base_url}/v2/stocks/AAPL/bars"
    query = {"timeframe": "1Min", "sort": "desc", "limit": "2", "start": START.isoformat()}
    first = httpx.get(path, params=query, headers=venue.headers).json()
    second = httpx.get(path, params={**query, "page_token": first["next_page_token"]}, headers=venue.headers).json()
    assert [bar["c"] for bar in first["bars"] + second["bars"]] == [102, 101, 100]
    assert second["next_page_token"] is None


def test_latest_when_the_symbol_has_no_price_then_it_is_not_among_them(venue: ServedVenue) -> None:
    path = f"{venue.base_url}/v2/stocks"
    answer = httpx.get(f"{path}/bars/latest", params={"symbols": "AAPL,NOPE"}, headers=venue.headers)
    assert list(answer.json()["bars"]) == ["AAPL"]
    assert httpx.get(f"{path}/NOPE/bars/latest", headers=venue.headers).status_code == 404
