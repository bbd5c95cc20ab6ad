"""Snapshots, instruments and prices, through the real alpaca-py against bare sockets."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from services.contracts.market import Instrument, Symbol
from services.kit.ids import SystemRandomness
from services.trading.brokers.port import VenueUnavailableError
from services.trading.marketdata.alpaca_latest import LatestPrices
from services.trading.marketdata.latest import Mark
from tests.fakes.clock import FakeClock
from tests.fakes.json_server import Answer, Asked, JsonServer
from tests.trading.brokers.papers import ACCOUNT, activity_document, broker_at, new_keys, order_document
from tests.trading.brokers.sockets import SocketServer, answer

SINCE = datetime(2026, 3, 2, 14, tzinfo=UTC)
POSITION = {"symbol": "AAPL", "qty": "10", "side": "long", "avg_entry_price": "100.005", "current_price": "101"}


def clock_document(at: datetime) -> dict[str, object]:
    times = {"timestamp": at, "next_open": at + timedelta(days=1), "next_close": at + timedelta(hours=1)}
    return {"is_open": True, **{name: moment.isoformat() for name, moment in times.items()}}


class Alpaca:
    """Answers from documents, in pages as Alpaca does."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.activities: list[dict[str, Any]] = []
        self.account: Mapping[str, object] = ACCOUNT
        self.ahead = timedelta()
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        path = asked.path.removeprefix("/v2")
        if path.startswith("/orders/"):
            return self._json(next(each for each in self.orders if each["id"] == path.removeprefix("/orders/")))
        answers: dict[str, Callable[[Mapping[str, str]], object]] = {
            "/orders": self._orders,
            "/account/activities/FILL": self._activities,
            "/positions": lambda _params: [POSITION],
            "/account": lambda _params: self.account,
            "/clock": lambda _params: clock_document(datetime.now(UTC) + self.ahead),
        }
        return self._json(answers[path](asked.params))

    def _orders(self, params: Mapping[str, str]) -> object:
        after = datetime.fromisoformat(params.get("after", "1970-01-01T00:00:00Z"))
        found = [
            each
            for each in sorted(self.orders, key=_submitted_at)
            if _submitted_at(each) > after and (params["status"] == "all" or each["status"] == "new")
        ]
        return found[: int(params["limit"])]

    def _activities(self, params: Mapping[str, str]) -> object:
        token = params.get("page_token", "")
        return [each for each in self.activities if each["id"] > token][: int(params["page_size"])]

    def _json(self, document: object) -> Answer:

        return Answer(200, json.dumps(document).encode())


def _submitted_at(document: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(document["submitted_at"])


def many_orders(count: int, *, a_moment: int = 1, first: int = 0, **changed: object) -> list[dict[str, Any]]:
    """Orders of which every `a_moment` were submitted at the same moment."""
    return [
        order_document(
            id=f"order-{first + number:05d}",
            client_order_id=f"mine-{first + number}",
            submitted_at=(SINCE + timedelta(seconds=1 + number // a_moment)).isoformat().replace("+00:00", "Z"),
            **changed,
        )
        for number in range(count)
    ]


def test_a_snapshot_reads_orders_before_fills_before_positions() -> None:
    alpaca = Alpaca()
    with JsonServer(alpaca) as server:
        snapshot = broker_at(server.url).snapshot(SINCE)
    paths = [asked.path for asked in alpaca.asked]
    assert paths == [
        "/v2/orders", "/v2/orders", "/v2/account/activities/FILL", "/v2/positions", "/v2/account", "/v2/clock",
    ]  # fmt: skip
    assert [(str(each.symbol), each.quantity) for each in snapshot.positions] == [("AAPL", Decimal(10))]
    assert snapshot.account.cash == Decimal("100000.25")


@pytest.mark.parametrize(("count", "a_moment"), [(0, 1), (1, 1), (500, 1), (501, 1), (1203, 1), (1203, 7), (999, 499)])
def test_a_snapshot_has_each_order_once_however_many_pages_there_are(count: int, a_moment: int) -> None:
    alpaca = Alpaca()
    alpaca.orders = many_orders(count, a_moment=a_moment)
    with JsonServer(alpaca) as server:
        snapshot = broker_at(server.url).snapshot(SINCE)
    assert sorted(order.venue_order_id for order in snapshot.orders) == [each["id"] for each in alpaca.orders]


def test_a_snapshot_that_cannot_be_whole_says_so() -> None:
    alpaca = Alpaca()
    alpaca.orders = many_orders(501, a_moment=501)
    with JsonServer(alpaca) as server, pytest.raises(VenueUnavailableError, match="more than 500 orders"):
        broker_at(server.url).snapshot(SINCE)


@pytest.mark.parametrize("count", [0, 99, 100, 101, 250])
def test_a_snapshot_has_each_fill_once_however_many_pages_there_are(count: int) -> None:
    alpaca = Alpaca()
    alpaca.orders = many_orders(1)
    alpaca.activities = [activity_document(number, order_id="order-00000") for number in range(count)]
    with JsonServer(alpaca) as server:
        snapshot = broker_at(server.url).snapshot(SINCE)
    assert [fill.execution_id for fill in snapshot.fills] == [each["id"] for each in alpaca.activities]


def test_a_snapshot_reads_an_order_that_was_filled_and_stands_on_no_list() -> None:
    alpaca = Alpaca()
    old = order_document(id="old", submitted_at="2026-01-05T15:00:00Z", status="filled", filled_qty="10")
    alpaca.orders = [old]
    alpaca.activities = [activity_document(1, order_id="old", cum_qty="10")]
    with JsonServer(alpaca) as server:
        snapshot = broker_at(server.url).snapshot(SINCE)
    assert [order.venue_order_id for order in snapshot.orders] == ["old"]


def test_a_snapshot_passes_over_option_orders_of_several_legs() -> None:
    alpaca = Alpaca()
    alpaca.orders = many_orders(1) + many_orders(1, first=1, order_class="mleg", symbol="", side="")
    with JsonServer(alpaca) as server:
        assert len(broker_at(server.url).snapshot(SINCE).orders) == 1


@pytest.mark.parametrize(("ahead", "least", "most"), [(0, -0.5, 0.5), (30, 29, 31), (-30, -31, -29)])
def test_a_snapshot_tells_the_skew_of_the_clocks(ahead: int, least: float, most: float) -> None:
    alpaca = Alpaca()
    alpaca.ahead = timedelta(seconds=ahead)
    with JsonServer(alpaca) as server:
        assert least <= broker_at(server.url).snapshot(SINCE).skew_seconds <= most


def test_a_snapshot_with_something_unreadable_is_none() -> None:
    alpaca = Alpaca()
    alpaca.account = {"status": "ACTIVE"}
    with JsonServer(alpaca) as server, pytest.raises(VenueUnavailableError, match="cash is missing"):
        broker_at(server.url).snapshot(SINCE)


def test_an_instrument_is_asked_for_once_within_minutes() -> None:
    document = {"symbol": "BRK.B", "tradable": True, "status": "active", "shortable": True, "fractionable": False}
    with SocketServer(answer(200, document)) as server:
        broker = broker_at(server.url)
        found = [broker.instrument(Symbol("BRK.B")) for _ in range(3)]
        assert found == [Instrument(symbol=Symbol("BRK.B"), fractionable=False)] * 3
        assert [heard.target for heard in server.heard] == ["/v2/assets/BRK.B"]


def test_an_instrument_that_the_venue_does_not_know_is_none() -> None:
    with SocketServer(answer(404, {"code": 40410000, "message": "asset not found for XX"})) as server:
        assert broker_at(server.url).instrument(Symbol("XX")) is None


def test_an_instrument_that_could_not_be_asked_for_is_asked_for_again() -> None:
    document = {"symbol": "AAPL", "tradable": True, "status": "active", "shortable": True, "fractionable": True}
    with SocketServer(answer(401, {"code": 40110000})) as server:
        broker = broker_at(server.url)
        with pytest.raises(VenueUnavailableError):
            broker.instrument(Symbol("AAPL"))
        server.then(answer(200, document))
        assert broker.instrument(Symbol("AAPL")) is not None


# --- prices

TRADES = {"trades": {"AAPL": {"t": "2026-03-02T15:00:00.123456789Z", "p": 100.005, "s": 1}}}
AAPL_MARK = Mark(Decimal("100.005"), datetime(2026, 3, 2, 15, 0, 0, 123456, tzinfo=UTC))


class Prices:
    def __init__(self, url: str) -> None:
        self.clock = FakeClock()
        keys = new_keys()
        self.latest = LatestPrices(
            url, lambda: keys, clock=self.clock, randomness=SystemRandomness(), sleep=lambda _seconds: None
        )


def test_a_price_is_exact_and_has_the_time_of_its_trade() -> None:
    with SocketServer(answer(200, TRADES)) as server:
        assert Prices(server.url).latest.last(Symbol("AAPL")) == AAPL_MARK


def test_a_price_is_read_again_only_when_it_is_no_longer_fresh() -> None:
    with SocketServer(answer(200, TRADES)) as server:
        prices = Prices(server.url)
        prices.latest.last(Symbol("AAPL"))
        prices.clock.advance(2.9)
        prices.latest.last(Symbol("AAPL"))
        assert len(server.heard) == 1
        prices.clock.advance(0.2)
        prices.latest.last(Symbol("AAPL"))
        assert len(server.heard) == 2


def test_all_symbols_that_were_asked_for_are_refreshed_in_one_call() -> None:
    with SocketServer(answer(200, TRADES)) as server:
        prices = Prices(server.url)
        prices.latest.last(Symbol("AAPL"))
        prices.latest.last(Symbol("MSFT"))
        prices.latest.refresh()
        query = parse_qs(urlsplit(server.heard[-1].target).query)
        assert (query["symbols"], query["feed"]) == (["AAPL,MSFT"], ["iex"])


def test_a_refreshed_price_is_answered_from_memory() -> None:
    with SocketServer(answer(200, TRADES)) as server:
        prices = Prices(server.url)
        prices.latest.last(Symbol("AAPL"))
        prices.clock.advance(2.5)
        prices.latest.refresh()
        prices.clock.advance(2.5)
        prices.latest.last(Symbol("AAPL"))
        assert len(server.heard) == 2


def test_a_symbol_that_nobody_asks_for_any_more_is_not_refreshed() -> None:
    with SocketServer(answer(200, TRADES)) as server:
        prices = Prices(server.url)
        prices.latest.last(Symbol("AAPL"))
        prices.clock.advance(901)
        prices.latest.refresh()
        assert len(server.heard) == 1


@pytest.mark.parametrize(
    "document",
    [{"trades": {}}, {"trades": {"AAPL": {"t": "yesterday", "p": 1}}}, {"trades": {"AAPL": {"p": 1}}}, {}, [], "text"],
)
def test_a_price_that_is_none_is_not_made_up(document: object) -> None:
    with SocketServer(answer(200, document)) as server:
        assert Prices(server.url).latest.last(Symbol("AAPL")) is None


def test_the_last_price_stays_with_its_time_while_the_venue_is_away_and_orders_do_not_wait_each_time() -> None:
    with SocketServer(answer(200, TRADES)) as server:
        prices = Prices(server.url)
        prices.latest.last(Symbol("AAPL"))
        server.then(answer(500))
        prices.clock.advance(10)
        assert prices.latest.last(Symbol("AAPL")) == AAPL_MARK
        asked = len(server.heard)
        assert prices.latest.last(Symbol("AAPL")) == AAPL_MARK
        assert len(server.heard) == asked == 3
