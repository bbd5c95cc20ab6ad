"""Whatever is sent, the broker answers with a 4xx and Alpaca's error body; it never fails."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.sync.client import connect

from tests.venue.broker.serving import ServedVenue, serving

FIELDS = (
    "symbol",
    "qty",
    "notional",
    "side",
    "type",
    "time_in_force",
    "limit_price",
    "stop_price",
    "extended_hours",
    "client_order_id",
    "order_class",
    "take_profit",
    "stop_loss",
    "trail_price",
    "legs",
)
PATHS = (
    "account",
    "account/activities",
    "account/activities/FILL",
    "assets",
    "assets/AAPL",
    "positions",
    "positions/AAPL",
    "orders",
    "orders/00000000-0000-0000-0000-000000000000",
    "orders:by_client_order_id",
    "clock",
    "calendar",
    "stocks/bars",
    "stocks/AAPL/bars",
    "stocks/bars/latest",
    "stocks/trades/latest",
    "stocks/quotes/latest",
    "stocks/AAPL/quotes/latest",
)
QUERIES = (
    "status",
    "limit",
    "after",
    "until",
    "direction",
    "nested",
    "symbols",
    "side",
    "page_size",
    "page_token",
    "date",
    "activity_types",
    "timeframe",
    "start",
    "end",
    "qty",
    "percentage",
    "cancel_orders",
    "client_order_id",
    "sort",
    "asset_class",
)
WORDS = st.sampled_from(
    ["AAPL", "buy", "sell", "market", "limit", "stop", "stop_limit", "day", "gtc", "ioc", "fok", "bracket", "oco"]
)
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.decimals().map(str), st.sampled_from(["1e400", "-0", "NaN", "1e-30", "0.1", "10"])
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS, st.text(max_size=40)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3)),
    max_leaves=5,
)
ORDERS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=10)
LIKELY = st.fixed_dictionaries(
    {
        "symbol": st.just("AAPL"),
        "qty": st.one_of(NUMBERS, st.just("1")),
        "side": st.sampled_from(["buy", "sell"]),
        "type": st.sampled_from(["market", "limit", "stop", "stop_limit"]),
        "time_in_force": st.sampled_from(["day", "gtc", "ioc", "fok"]),
    },
    optional={
        "limit_price": NUMBERS,
        "stop_price": NUMBERS,
        "notional": NUMBERS,
        "order_class": st.sampled_from(["simple", "bracket", "oco", "oto"]),
        "take_profit": st.one_of(VALUES, st.fixed_dictionaries({"limit_price": NUMBERS})),
        "stop_loss": st.one_of(VALUES, st.fixed_dictionaries({"stop_price": NUMBERS})),
        "extended_hours": VALUES,
    },
)
RELAXED = settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def open_venue(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 -- a generator
    with serving(tmp_path_factory.mktemp("venue")) as venue, httpx.Client(headers=venue.headers) as client:
        yield venue, client


def _check(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        body = answer.json()
        assert set(body) >= {"code", "message"}
        assert isinstance(body["code"], int)
        assert isinstance(body["message"], str)


@RELAXED
@given(order=st.one_of(ORDERS, LIKELY))
def test_order_when_its_fields_are_anything_then_it_is_taken_or_refused(
    open_venue: tuple[ServedVenue, httpx.Client], order: dict[str, object]
) -> None:
    venue, client = open_venue
    answer = client.post(f"{venue.base_url}/v2/orders", content=json.dumps(order))
    _check(answer)
    if answer.status_code == 200:
        order_id = answer.json()["id"]
        _check(client.patch(f"{venue.base_url}/v2/orders/{order_id}", content=json.dumps(order)))
        _check(client.delete(f"{venue.base_url}/v2/orders/{order_id}"))


@RELAXED
@given(
    body=st.one_of(
        st.binary(max_size=200), st.text(max_size=100).map(str.encode), VALUES.map(json.dumps).map(str.encode)
    )
)
def test_body_when_it_is_anything_then_it_is_refused(open_venue: tuple[ServedVenue, httpx.Client], body: bytes) -> None:
    venue, client = open_venue
    for method, path in (("POST", "orders"), ("PATCH", "orders/x"), ("DELETE", "orders/x"), ("PUT", "orders")):
        answer = client.request(method, f"{venue.base_url}/v2/{path}", content=body)
        assert 400 <= answer.status_code < 500
        _check(answer)


@RELAXED
@given(path=st.sampled_from(PATHS), query=st.dictionaries(st.sampled_from(QUERIES), st.text(max_size=40), max_size=4))
def test_query_when_it_is_anything_then_it_is_answered(
    open_venue: tuple[ServedVenue, httpx.Client], path: str, query: dict[str, str]
) -> None:
    venue, client = open_venue
    _check(client.get(f"{venue.base_url}/v2/{path}", params=query))
    if path.startswith("positions"):
        _check(client.delete(f"{venue.base_url}/v2/{path}", params=query))


@RELAXED
@given(segments=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=3))
def test_path_when_it_is_anything_then_it_is_answered(
    open_venue: tuple[ServedVenue, httpx.Client], segments: list[str]
) -> None:
    venue, client = open_venue
    for method in ("GET", "DELETE", "POST"):
        path = "/".join(quote(each, safe="") for each in segments)
        _check(client.request(method, f"{venue.base_url}/v2/{path}"))


@settings(parent=RELAXED, max_examples=60)
@given(message=st.one_of(st.text(max_size=80), st.binary(max_size=80), VALUES.map(json.dumps)))
def test_stream_when_a_message_is_anything_then_it_goes_on(
    open_venue: tuple[ServedVenue, httpx.Client], message: str | bytes
) -> None:
    venue, _ = open_venue
    with connect(venue.stream_url) as stream:
        stream.send(message)
        stream.recv(10)
        stream.send(json.dumps({"action": "auth", "key": venue.key_id, "secret": venue.secret_key}))
        assert json.loads(stream.recv(10))["data"]["status"] == "authorized"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 60_000, 400),
        (b'{"qty": ' + b"9" * 50_000 + b"}", 400),
        (b"x" * 70_000, 413),
        (b'{"qty": Infinity}', 400),
    ],
)
def test_body_when_it_is_made_to_hurt_then_it_is_refused(
    open_venue: tuple[ServedVenue, httpx.Client], body: bytes, status: int
) -> None:
    venue, client = open_venue
    answer = client.post(f"{venue.base_url}/v2/orders", content=body)
    assert answer.status_code == status
    _check(answer)


def test_key_when_its_characters_are_foreign_then_it_is_refused(open_venue: tuple[ServedVenue, httpx.Client]) -> None:
    venue, _ = open_venue
    headers = {b"APCA-API-KEY-ID": venue.key_id.encode(), b"APCA-API-SECRET-KEY": b"\xff\xfe\x80"}
    assert httpx.get(f"{venue.base_url}/v2/account", headers=headers).status_code == 403
    assert httpx.get(f"{venue.base_url}/v2/account").status_code == 401
