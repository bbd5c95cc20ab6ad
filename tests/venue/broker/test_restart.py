"""What a venue knew before it was stopped or killed, it knows afterwards."""

import secrets
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderStatus
from alpaca.trading.requests import ReplaceOrderRequest
from sqlalchemy import text

from services.kit.database import Database
from services.kit.database_errors import DatabaseError
from tests.kit.running import ROOT
from tests.venue.broker.orders import bracket, limit, market
from tests.venue.broker.serving import MovableClock, serving

KEYS = ("PKSTAYS", secrets.token_urlsafe(30))


def test_venue_when_started_again_then_orders_positions_money_and_fills_are_as_before(tmp_path: Path) -> None:
    with serving(tmp_path, keys=KEYS) as venue:
        client = venue.trading_client()
        client.submit_order(market())
        client.submit_order(bracket(110, 90, qty=5))
        old = client.submit_order(limit(80))
        client.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=81))
        before = _everything(client)
    with serving(tmp_path, keys=KEYS) as venue:
        assert _everything(venue.trading_client()) == before


@pytest.mark.needs("initdb", "postgres")
def test_venue_when_it_stores_in_postgres_then_it_knows_everything_after_a_restart(
    tmp_path: Path, postgres_url: str
) -> None:
    with serving(tmp_path, keys=KEYS, database_url=postgres_url) as venue:
        client = venue.trading_client()
        client.submit_order(market())
        client.cancel_order_by_id(client.submit_order(limit(80)).id)
        before = _everything(client)
    with serving(tmp_path, keys=KEYS, database_url=postgres_url) as venue:
        assert _everything(venue.trading_client()) == before


def test_orders_when_the_venue_is_started_again_then_they_go_on_trading(tmp_path: Path) -> None:
    clock = MovableClock()
    with serving(tmp_path, keys=KEYS, participation=Decimal("0.5"), clock=clock) as venue:
        client = venue.trading_client()
        order = client.submit_order(limit(95))
        entry = client.submit_order(bracket(110, 90, qty=5))
        venue.push("AAPL", 94, volume=8)
        assert client.get_order_by_id(order.id).filled_qty == "4"
        clock.advance(600)
    with serving(tmp_path, keys=KEYS, clock=clock) as venue:
        client = venue.trading_client()
        venue.push("AAPL", 93)
        filled = client.get_order_by_id(order.id)
        assert (filled.status, filled.filled_avg_price) == (OrderStatus.FILLED, "93.4")
        venue.push("AAPL", 89)
        assert client.get_order_by_id(entry.legs[1].id).status is OrderStatus.FILLED
        assert client.get_order_by_id(entry.legs[0].id).status is OrderStatus.CANCELED


def test_symbol_when_halted_before_a_restart_then_it_is_halted_afterwards(tmp_path: Path) -> None:
    with serving(tmp_path, keys=KEYS) as venue:
        venue.halt("AAPL")
    with serving(tmp_path, keys=KEYS) as venue:
        order = venue.trading_client().submit_order(market())
        assert venue.trading_client().get_order_by_id(order.id).status is OrderStatus.NEW


def test_venue_when_killed_then_it_remembers_every_order_that_it_accepted(tmp_path: Path) -> None:
    process = subprocess.Popen(  # noqa: S603 -- our own program
        [sys.executable, "-m", "tests.venue.broker.killed_venue", str(tmp_path), *KEYS],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        accepted: list[str] = []
        threads = [threading.Thread(target=_submit_many, args=(base_url, each, accepted)) for each in range(3)]
        for thread in threads:
            thread.start()
        while len(accepted) < 60:
            assert process.poll() is None
            threads[0].join(0.01)
    finally:
        process.kill()
        process.communicate(timeout=30)
    for thread in threads:
        thread.join(30)
    with serving(tmp_path, keys=KEYS) as venue:
        known = {order.client_order_id for order in venue.venue.books.orders.values()}
    assert len(accepted) >= 60
    assert set(accepted) <= known


def _submit_many(base_url: str, number: int, accepted: list[str]) -> None:
    headers = {"APCA-API-KEY-ID": KEYS[0], "APCA-API-SECRET-KEY": KEYS[1]}
    order = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "limit", "limit_price": "1", "time_in_force": "gtc"}
    with httpx.Client(headers=headers) as client:
        for count in range(100_000):
            name = f"{number}-{count}"
            try:
                answer = client.post(f"{base_url}/v2/orders", json={**order, "client_order_id": name})
            except httpx.TransportError:
                return
            assert answer.status_code == 200
            accepted.append(name)


def test_submit_when_nothing_can_be_stored_then_the_answer_is_a_500_and_the_order_is_stored_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path, keys=KEYS) as venue:
        order = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}

        def full(*_: object, **__: object) -> None:
            raise DatabaseError("The disk is full.")

        with monkeypatch.context() as broken:
            broken.setattr(Database, "transaction", full)
            body = {**order, "client_order_id": "one"}
            answer = httpx.post(f"{venue.base_url}/v2/orders", json=body, headers=venue.headers)
            assert (answer.status_code, answer.json()["code"]) == (500, 50010000)
        venue.push("AAPL", 101)
    with serving(tmp_path, keys=KEYS) as venue:
        assert venue.trading_client().get_order_by_client_id("one").status is OrderStatus.FILLED


def test_secret_key_when_stored_then_only_its_digest_is(tmp_path: Path) -> None:
    with serving(tmp_path, keys=KEYS):
        pass
    database = Database(f"sqlite:///{tmp_path / 'alpha.db'}", service="venue")
    with database.reading() as connection:
        stored = " ".join(connection.execute(text("SELECT document FROM paper_accounts")).scalars())
    database.close()
    assert KEYS[0] in stored
    assert KEYS[1] not in stored


def _everything(client: TradingClient) -> dict[str, object]:
    asked = ("/account", "/orders?status=all&limit=500", "/positions", "/account/activities/FILL")
    return {path: client.get(path) for path in asked}
