"""Robinhood's prices by the real robin_stocks against a server of ours, and all that it must not be able to do."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.contracts.bars import moment_of
from services.contracts.market import Symbol
from services.kit.bar_times import daily_start
from services.kit.ids import SystemRandomness
from services.trading.brokers.port import Broker
from services.trading.marketdata import robinhood_library
from services.trading.marketdata.port import (
    Adjustment,
    BarRequest,
    BarsUnavailableError,
    NotOfferedError,
    Timeframe,
    UnknownSymbolError,
)
from services.trading.marketdata.robinhood import RobinhoodBars
from services.trading.marketdata.robinhood_library import API, ReadOnlyError, ReadOnlySession, prices
from services.trading.wire.budget import RateBudget
from services.trading.wire.calls import Patience, VenueCalls
from tests.fakes.clock import FakeClock
from tests.fakes.json_server import Answer, Asked, JsonServer

ROOT = Path(__file__).parents[3]
AAPL = Symbol("AAPL")
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HASTY = Patience(connect_seconds=0.5, read_seconds=0.5, total_seconds=1.0, attempts=2)
LEASED = {"Authorization": "Bearer leased"}


def document(begins_at: str = "2026-02-26T00:00:00Z", **changed: object) -> dict[str, object]:
    return {
        "begins_at": begins_at,
        "open_price": "100.100000",
        "close_price": "100.500000",
        "high_price": "101.000000",
        "low_price": "99.900000",
        "volume": 1000,
        "session": "reg",
        "interpolated": False,
        **changed,
    }


def tells(*documents: object, status: int = 200) -> Callable[[Asked], Answer]:
    body = {"results": [{"symbol": "AAPL", "historicals": list(documents)}]}
    return lambda _asked: Answer(status, json.dumps(body).encode())


def request(**changed: Any) -> BarRequest:  # noqa: ANN401 -- the fields of BarRequest
    asked = {"symbol": AAPL, "start": NOW - timedelta(days=100), "end": NOW, "adjustment": Adjustment.SPLIT}
    return BarRequest(**{**asked, **changed})


@contextmanager
def robinhood(
    answer: Callable[[Asked], Answer], headers: Mapping[str, str] = LEASED
) -> Iterator[tuple[RobinhoodBars, list[Asked]]]:
    with JsonServer(answer) as server:
        source = RobinhoodBars(
            lambda: headers,
            clock=FakeClock(NOW),
            randomness=SystemRandomness(),
            url=server.url,
            sleep=lambda _seconds: None,
            patience=HASTY,
        )
        with closing(source):
            yield source, server.asked


@pytest.fixture
def session() -> Iterator[tuple[ReadOnlySession, list[Asked]]]:
    with JsonServer(tells(document())) as server:
        clock = FakeClock(NOW)
        calls = VenueCalls(
            lambda: LEASED, RateBudget(clock), clock=clock, randomness=SystemRandomness(), sleep=lambda _seconds: None
        )
        yield ReadOnlySession(calls, server.url), server.asked
        calls.close()


def test_daily_bars_are_read_with_the_leased_session() -> None:
    with robinhood(tells(document("2026-02-26T00:00:00Z"), document("2026-02-27T00:00:00Z"))) as (source, asked):
        found = source.bars(request())
    assert [moment_of(each) for each in found.time_ns.tolist()] == [
        daily_start(date(2026, 2, 26)),
        daily_start(date(2026, 2, 27)),
    ]
    assert (found.open[0], found.high[0], found.low[0], found.close[0]) == (100.1, 101, 99.9, 100.5)
    (sent,) = asked
    assert (sent.method, sent.path, sent.headers["authorization"]) == ("GET", "/quotes/historicals/", "Bearer leased")
    assert (sent.params["symbols"], sent.params["interval"], sent.params["span"]) == ("AAPL", "day", "year")


def test_bars_that_did_not_trade_are_left_out() -> None:
    made_up = document("2026-02-26T14:35:00Z", interpolated=True)
    with robinhood(tells(document("2026-02-26T14:30:00Z"), made_up)) as (source, _):
        asked = request(timeframe=Timeframe.FIVE_MINUTES, start=NOW - timedelta(days=6))
        assert len(source.bars(asked)) == 1


@pytest.mark.parametrize(
    ("timeframe", "days", "span"),
    [
        (Timeframe.FIVE_MINUTES, 1, "day"),
        (Timeframe.FIVE_MINUTES, 7, "week"),
        (Timeframe.HOUR, 8, "month"),
        (Timeframe.HOUR, 90, "3month"),
        (Timeframe.DAY, 366, "5year"),
    ],
)
def test_no_more_is_asked_for_than_needed(timeframe: Timeframe, days: int, span: str) -> None:
    with robinhood(tells(document())) as (source, asked):
        source.bars(request(timeframe=timeframe, start=NOW - timedelta(days=days)))
    assert asked[0].params["span"] == span


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"adjustment": Adjustment.RAW}, "adjusts for splits alone: ask for split, not raw"),
        ({"timeframe": Timeframe.MINUTE}, "has bars of 5min, 1hour, 1day, not of 1min"),
        ({"timeframe": Timeframe.HOUR, "start": NOW - timedelta(days=91)}, "go back 90 days: begin at 2025-12-02"),
    ],
)
def test_what_robinhood_does_not_have_is_told(changed: dict[str, Any], told: str) -> None:
    with robinhood(tells()) as (source, asked), pytest.raises(NotOfferedError, match=told):
        source.bars(request(**changed))
    assert asked == []


def test_an_unknown_symbol_is_told() -> None:
    with robinhood(tells()) as (source, _), pytest.raises(UnknownSymbolError, match="no bars of AAPL"):
        source.bars(request())


@pytest.mark.parametrize(
    "body",
    [
        {"results": [{"symbol": "AAPL", "historicals": [document(open_price="much")]}]},
        {"results": [{"symbol": "AAPL", "historicals": [document(begins_at="2026-02-26T00:00:00")]}]},
        {"results": [{"symbol": "AAPL", "historicals": [document(), document()]}]},
        {"results": [{"symbol": "AAPL", "historicals": [{}]}]},
        {"results": [{"symbol": "AAPL", "historicals": ["x"]}]},
        {"results": [{"historicals": 7}]},
        {"results": 7},
    ],
)
def test_an_answer_that_makes_no_sense_is_told(body: object) -> None:
    with (
        robinhood(lambda _asked: Answer(200, json.dumps(body).encode())) as (source, _),
        pytest.raises(BarsUnavailableError, match="was not understood"),
    ):
        source.bars(request())


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, {"detail": "Invalid token"}, "The bars of AAPL could not be read: "),
        (500, {}, "The bars of AAPL could not be read: the venue answered 500"),
        (200, {"surprise": []}, "The bars of AAPL could not be read: 'results' is not a key in the dictionary"),
    ],
)
def test_a_failure_is_told_and_nothing_printed(
    status: int, body: object, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        robinhood(lambda _asked: Answer(status, json.dumps(body).encode())) as (source, _),
        pytest.raises(BarsUnavailableError, match=told),
    ):
        source.bars(request())
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "request", "send", "head", "options", "headers"])
def test_the_session_knows_get_alone(session: tuple[ReadOnlySession, list[Asked]], method: str) -> None:
    reading, asked = session
    with pytest.raises(ReadOnlyError, match=f"knows GET alone, not {method}"):
        getattr(reading, method)(API + "orders/", json={"side": "buy"})
    assert asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://nummus.robinhood.com/orders/",
        "http://api.robinhood.com/quotes/",
        "https://api.robinhood.com.evil.example/",
    ],
)
def test_keys_go_to_robinhood_s_api_alone(session: tuple[ReadOnlySession, list[Asked]], url: str) -> None:
    reading, asked = session
    with pytest.raises(ReadOnlyError, match="Only addresses of Robinhood's API"):
        reading.get(url)
    assert asked == []


def test_the_library_s_own_post_and_delete_send_nothing(session: tuple[ReadOnlySession, list[Asked]]) -> None:
    reading, asked = session
    with prices(reading) as (stocks, said):
        assert stocks.request_post(API + "orders/", {"side": "buy"}) is None
        assert stocks.request_delete(API + "orders/1/") is None
    assert asked == []
    assert "knows GET alone, not post" in said.getvalue()


def test_the_library_has_no_session_before_and_after(session: tuple[ReadOnlySession, list[Asked]]) -> None:
    with prices(session[0]) as (_stocks, _said):
        helper = sys.modules["robin_stocks.robinhood.helper"]
        assert session[0] is helper.SESSION
    assert helper.SESSION is None


FRESH = """
import sys
from datetime import UTC, datetime, timedelta
from services.contracts.market import Symbol
from services.kit.clock import SystemClock
from services.kit.ids import SystemRandomness
from services.trading.marketdata.port import Adjustment, BarRequest
from services.trading.marketdata.robinhood import RobinhoodBars

source = RobinhoodBars(lambda: {}, clock=SystemClock(), randomness=SystemRandomness(), url=sys.argv[1])
now = datetime.now(UTC)
request = BarRequest(symbol=Symbol("AAPL"), start=now - timedelta(days=300), end=now, adjustment=Adjustment.SPLIT)
source.bars(request)
print(*sorted(name for name in sys.modules if name.startswith("robin_stocks")))
for name in ("orders", "authentication", "account", "options"):
    try:
        __import__("robin_stocks.robinhood." + name)
    except ImportError as error:
        print(error)
"""


def test_a_fresh_process_that_read_prices_has_not_imported_orders_and_cannot() -> None:
    with JsonServer(tells(document())) as server:
        ran = subprocess.run(  # noqa: S603 -- this interpreter, with our own text
            [sys.executable, "-c", FRESH, server.url], cwd=ROOT, capture_output=True, text=True, check=True
        )
    loaded, *refused = ran.stdout.splitlines()
    assert loaded.split() == [
        "robin_stocks",
        *(f"robin_stocks.robinhood{part}" for part in ("", ".globals", ".helper", ".stocks", ".urls")),
    ]
    assert refused == [
        f"robin_stocks.robinhood.{name} is not let in: Robinhood is for reading prices alone"
        for name in ("orders", "authentication", "account", "options")
    ]


def test_a_process_that_imported_the_library_whole_is_refused() -> None:
    whole = "import robin_stocks.robinhood\n" + FRESH.split("print(", maxsplit=1)[0]
    ran = subprocess.run(  # noqa: S603 -- the same
        [sys.executable, "-W", "ignore", "-c", whole, "http://127.0.0.1:9"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "BarsUnavailableError: robin_stocks was imported whole, with its orders" in ran.stderr


def test_a_missing_library_is_told_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "robin_stocks", raising=False)
    monkeypatch.setattr(robinhood_library.importlib.util, "find_spec", lambda _name: None)
    with (
        robinhood(tells()) as (source, _),
        pytest.raises(BarsUnavailableError, match=r"pip install 'sightline\[robinhood\]'"),
    ):
        source.bars(request())


def test_it_is_no_broker_and_no_broker_speaks_to_robinhood() -> None:
    orders = {name for name in vars(Broker) if not name.startswith("_")}
    assert "submit" in orders
    assert not orders & set(dir(RobinhoodBars))
    assert not list((ROOT / "services" / "trading" / "brokers").glob("*robinhood*"))
