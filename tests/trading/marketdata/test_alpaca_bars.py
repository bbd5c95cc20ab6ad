"""Bars of the past by the real alpaca-py: from the paper venue, and from servers that answer oddly."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from services.contracts.bars import bars_of, columns_of
from services.contracts.market import Bar, Symbol
from services.kit.clock import SystemClock
from services.kit.ids import SystemRandomness
from services.trading.marketdata.alpaca_bars import AlpacaBars
from services.trading.marketdata.port import Adjustment, BarRequest, BarsUnavailableError, Timeframe
from services.trading.wire.calls import Patience
from tests.fakes.json_server import Answer, Asked, JsonServer
from tests.trading.brokers.papers import new_keys
from tests.venue.broker.serving import ServedVenue

AAPL = Symbol("AAPL")
START = datetime(2024, 1, 2, 14, 30, tzinfo=UTC)
HASTY = Patience(connect_seconds=0.5, read_seconds=0.5, total_seconds=1.0, attempts=2)


def bars_at(url: str, keys: dict[str, str] | None = None) -> AlpacaBars:
    present = keys or new_keys()
    return AlpacaBars(
        url,
        lambda: present,
        clock=SystemClock(),
        randomness=SystemRandomness(),
        sleep=lambda _seconds: None,
        patience=HASTY,
    )


def request(**changed: Any) -> BarRequest:  # noqa: ANN401 -- the fields of BarRequest
    asked = {"symbol": AAPL, "start": START, "end": START + timedelta(days=20), "timeframe": Timeframe.MINUTE}
    return BarRequest(**{**asked, **changed})


def minutes(count: int, symbol: Symbol = AAPL) -> list[Bar]:
    prices = [Decimal(each) / 100 for each in (10_000, 10_010, 9990, 10_005)]
    return [
        Bar(symbol, START + timedelta(minutes=each), 60, *(price + each for price in prices), volume=Decimal(each + 1))
        for each in range(count)
    ]


def feed(venue: ServedVenue, bars: list[Bar]) -> None:
    venue.do(lambda: [venue.venue.books.prices.add(bar) for bar in bars])


def document(at: str = "2024-01-02T14:30:00Z", **changed: object) -> dict[str, object]:
    return {"t": at, "o": 100, "h": 101, "l": 99, "c": 100.5, "v": 1000, "n": 3, "vw": 100.1, **changed}


@contextmanager
def alpaca(answer: Callable[[Asked], Answer]) -> Iterator[tuple[AlpacaBars, list[Asked]]]:
    with JsonServer(answer) as server, closing(bars_at(server.url)) as bars:
        yield bars, server.asked


def tells(body: object, status: int = 200) -> Callable[[Asked], Answer]:
    return lambda _asked: Answer(status, json.dumps(body).encode())


def test_bars_of_the_venue_come_as_they_were(venue: ServedVenue) -> None:
    bars = minutes(30, Symbol("IBM"))
    feed(venue, bars)
    with closing(bars_at(venue.base_url, venue.headers)) as source:
        found = source.bars(request(symbol=Symbol("IBM")))
    assert list(bars_of(Symbol("IBM"), found, 60)) == bars


def test_a_range_has_its_start_and_not_its_end(venue: ServedVenue) -> None:
    feed(venue, minutes(10, Symbol("IBM")))
    asked = request(symbol=Symbol("IBM"), start=START + timedelta(minutes=2), end=START + timedelta(minutes=5))
    with closing(bars_at(venue.base_url, venue.headers)) as source:
        assert source.bars(asked).volume.tolist() == [3, 4, 5]


def test_all_pages_are_read(venue: ServedVenue) -> None:
    bars = minutes(12_345, Symbol("IBM"))
    feed(venue, bars)
    with closing(bars_at(venue.base_url, venue.headers)) as source:
        found = source.bars(request(symbol=Symbol("IBM")))
    assert found.time_ns.tolist() == columns_of(bars).time_ns.tolist()


def test_a_symbol_that_the_venue_does_not_know_has_no_bars(venue: ServedVenue) -> None:
    with closing(bars_at(venue.base_url, venue.headers)) as source:
        assert len(source.bars(request(symbol=Symbol("NONE")))) == 0


@pytest.mark.parametrize(
    ("adjustment", "word"),
    [(Adjustment.RAW, "raw"), (Adjustment.SPLIT, "split"), (Adjustment.TOTAL_RETURN, "all")],
)
def test_the_adjustment_is_asked_for_in_alpaca_s_words(adjustment: Adjustment, word: str) -> None:
    with alpaca(tells({"bars": {"AAPL": [document()]}, "next_page_token": None})) as (source, asked):
        source.bars(request(adjustment=adjustment, timeframe=Timeframe.QUARTER_HOUR))
    (sent,) = asked
    assert (sent.path, sent.params["adjustment"], sent.params["timeframe"]) == ("/v2/stocks/bars", word, "15Min")
    assert (sent.params["start"], sent.params["feed"]) == ("2024-01-02T14:30:00+00:00", "sip")


def test_numbers_come_exactly() -> None:
    with alpaca(tells({"bars": {"AAPL": [document(c=100.005, v=0)]}, "next_page_token": None})) as (source, _):
        found = source.bars(request())
    assert (found.close.tolist(), found.volume.tolist()) == ([100.005], [0])


@pytest.mark.parametrize(
    "documents",
    [
        [document(o="much")],
        [document(h=None)],
        [document(v=-1)],
        [document(c=0)],
        [document("yesterday")],
        [document("2024-01-02T14:30:00")],
        [document(), document()],
        [document("2024-01-02T14:31:00Z"), document()],
        [{"t": "2024-01-02T14:30:00Z"}],
        ["no bar"],
        "no bars",
    ],
)
def test_an_answer_that_makes_no_sense_is_told_and_no_bar_of_it_taken(documents: object) -> None:
    with (
        alpaca(tells({"bars": {"AAPL": documents}, "next_page_token": None})) as (source, _),
        pytest.raises(BarsUnavailableError, match="The answer with the bars of AAPL was not understood"),
    ):
        source.bars(request())


def test_an_answer_of_another_kind_is_told() -> None:
    with alpaca(tells({"surprise": []})) as (source, _), pytest.raises(BarsUnavailableError, match="not understood"):
        source.bars(request())


def test_refused_keys_are_told_with_what_to_do(venue: ServedVenue) -> None:
    with (
        closing(bars_at(venue.base_url)) as source,
        pytest.raises(BarsUnavailableError, match=r"refuses the keys .*: store the right ones for the account in auth"),
    ):
        source.bars(request())


def test_what_the_subscription_does_not_allow_is_told_in_the_venue_s_words() -> None:
    words = "subscription does not permit querying recent SIP data"
    with (
        alpaca(tells({"code": 42210000, "message": words}, 403)) as (source, asked),
        pytest.raises(BarsUnavailableError, match=f"The venue does not give these bars: {words}"),
    ):
        source.bars(request())
    assert len(asked) == 1


def test_a_failing_page_is_asked_for_again() -> None:
    answers = iter([Answer(500), Answer(200, json.dumps({"bars": {"AAPL": [document()]}}).encode())])
    with alpaca(lambda _asked: next(answers)) as (source, asked):
        assert len(source.bars(request())) == 1
    assert len(asked) == 2


def test_a_venue_that_is_away_is_told() -> None:
    with JsonServer(tells({})) as server:
        url = server.url
    with (
        closing(bars_at(url)) as source,
        pytest.raises(BarsUnavailableError, match="The bars of AAPL could not be read: the connection failed"),
    ):
        source.bars(request())
