"""What Alpaca sends, for tests: documents with the fields of its reference."""

import secrets
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from services.contracts.market import Side, Symbol
from services.contracts.orders import ClientOrderId, OrderTicket, VenueName
from services.kit.clock import Clock
from services.kit.ids import SystemRandomness
from services.trading.brokers.alpaca import AlpacaBroker
from services.trading.brokers.alpaca_sites import site_at
from services.trading.wire.calls import Patience
from services.trading.wire.sockets import StreamPatience

NAME = ClientOrderId("sl-0123456789abcdefghijklmnop.0")
TICKET = OrderTicket(symbol=Symbol("AAPL"), side=Side.BUY, quantity=Decimal(10))
HASTY = Patience(connect_seconds=0.5, read_seconds=0.4, total_seconds=1.5, attempts=3)
HASTY_STREAM = StreamPatience(
    open_seconds=2.0, ping_every_seconds=0.05, pong_within_seconds=0.5, first_wait_seconds=0.02, most_wait_seconds=0.1
)


def new_keys(prefix: str = "PK") -> dict[str, str]:
    return {"APCA-API-KEY-ID": prefix + secrets.token_hex(9).upper(), "APCA-API-SECRET-KEY": secrets.token_urlsafe(30)}


def broker_at(
    url: str,
    keys: Mapping[str, str] | None = None,
    patience: Patience = HASTY,
    sleep: Callable[[float], None] = lambda _seconds: None,
    clock: Clock | None = None,
) -> AlpacaBroker:
    """An adapter that asks again at once and gives up soon."""
    present = keys or new_keys()
    return AlpacaBroker(
        VenueName("alpaca-paper"),
        site_at(url, simulator_hosts=frozenset({"nowhere.invalid"})),
        lambda: present,
        clock=clock,
        randomness=SystemRandomness(),
        patience=patience,
        stream_patience=HASTY_STREAM,
        sleep=sleep,
    )


def order_document(**changed: object) -> dict[str, Any]:
    """An order that was just taken."""
    return {
        "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "client_order_id": NAME,
        "created_at": "2026-03-02T15:00:00.123456789Z",
        "updated_at": "2026-03-02T15:00:00.223456789Z",
        "submitted_at": "2026-03-02T15:00:00.123456789Z",
        "filled_at": None,
        "asset_class": "us_equity",
        "symbol": "AAPL",
        "qty": "10",
        "notional": None,
        "filled_qty": "0",
        "filled_avg_price": None,
        "order_class": "",
        "type": "market",
        "order_type": "market",
        "side": "buy",
        "time_in_force": "day",
        "limit_price": None,
        "stop_price": None,
        "status": "new",
        "replaced_by": None,
        "replaces": None,
        "legs": None,
        **changed,
    }


def activity_document(number: int, **changed: object) -> dict[str, Any]:
    """A fill among the account's activities."""
    return {
        "id": f"20260302150000{number:03d}::2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e",
        "activity_type": "FILL",
        "transaction_time": "2026-03-02T15:00:00.5Z",
        "type": "partial_fill",
        "price": "100.005",
        "qty": "1",
        "side": "buy",
        "symbol": "AAPL",
        "leaves_qty": "9",
        "order_id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "cum_qty": "1",
        "order_status": "partially_filled",
        **changed,
    }


ACCOUNT: dict[str, Any] = {
    "status": "ACTIVE",
    "cash": "100000.25",
    "equity": "100000.25",
    "buying_power": "200000.5",
    "trading_blocked": False,
    "account_blocked": False,
    "trade_suspended_by_user": False,
}
