"""Alpaca's words and ours. Numbers cross as strings of decimals; what is not understood is said so, never guessed.

Fields and statuses: https://docs.alpaca.markets/docs/orders-at-alpaca and the reference of the trading API, version 2.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from services.contracts.market import Instrument, OrderClass, OrderType, Side, Symbol
from services.contracts.orders import ClientOrderId, ExecutionId, OrderStatus, OrderTicket, VenueOrderId
from services.trading.brokers.alpaca_fields import (
    Document,
    UnreadableError,
    decimal_at,
    documents_in,
    first_time_at,
    optional_decimal_at,
    optional_id_at,
    text_at,
    time_at,
)
from services.trading.brokers.port import Change, VenueAccount, VenueClock, VenueFill, VenueOrder, VenuePosition

STATUSES: Final[Mapping[str, OrderStatus]] = {
    "new": OrderStatus.OPEN,
    "accepted": OrderStatus.OPEN,
    "pending_new": OrderStatus.OPEN,
    "accepted_for_bidding": OrderStatus.OPEN,
    "pending_review": OrderStatus.OPEN,
    "held": OrderStatus.OPEN,
    "stopped": OrderStatus.OPEN,  # a trade is guaranteed and has not happened yet
    "calculated": OrderStatus.OPEN,
    "done_for_day": OrderStatus.OPEN,  # a GTC order goes on tomorrow
    "suspended": OrderStatus.SUSPENDED,
    "partially_filled": OrderStatus.PARTIAL,
    "filled": OrderStatus.FILLED,
    "pending_cancel": OrderStatus.PENDING_CANCEL,
    "pending_replace": OrderStatus.PENDING_REPLACE,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "replaced": OrderStatus.REPLACED,
    "rejected": OrderStatus.REJECTED,
}
_ACTIVE: Final = "ACTIVE"
_BLOCKS: Final = ("trading_blocked", "account_blocked", "trade_suspended_by_user")
_ZERO: Final = Decimal(0)


# --- what we say


def order_fields(client_order_id: ClientOrderId, ticket: OrderTicket) -> dict[str, Any]:
    """The body of `POST /v2/orders`."""
    fields: dict[str, Any] = {
        "symbol": ticket.symbol,
        "qty": decimal_text(ticket.quantity),
        "side": ticket.side.value,
        "type": ticket.order_type.value,
        "time_in_force": ticket.time_in_force.value,
        "client_order_id": client_order_id,
    }
    if ticket.limit_price is not None:
        fields["limit_price"] = decimal_text(ticket.limit_price)
    if ticket.stop_price is not None:
        fields["stop_price"] = decimal_text(ticket.stop_price)
    if ticket.order_class is not OrderClass.SIMPLE:
        fields["order_class"] = ticket.order_class.value
    if ticket.take_profit is not None:
        fields["take_profit"] = {"limit_price": decimal_text(ticket.take_profit)}
    if ticket.stop_loss is not None:
        loss = {"stop_price": decimal_text(ticket.stop_loss.stop_price)}
        if ticket.stop_loss.limit_price is not None:
            loss["limit_price"] = decimal_text(ticket.stop_loss.limit_price)
        fields["stop_loss"] = loss
    return fields


def change_fields(client_order_id: ClientOrderId, change: Change) -> dict[str, Any]:
    """The body of `PATCH /v2/orders/{id}`."""
    terms = {"qty": change.quantity, "limit_price": change.limit_price, "stop_price": change.stop_price}
    changed = {name: decimal_text(value) for name, value in terms.items() if value is not None}
    return {**changed, "client_order_id": client_order_id}


def decimal_text(number: Decimal) -> str:
    """A decimal without exponent and without trailing zeros: "100", "0.3"."""
    return format(number.normalize(), "f") if number else "0"


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


# --- what we hear


def order_of(document: Document, *, parent: VenueOrderId | None = None) -> VenueOrder:
    """An order. Raises `UnreadableError`."""
    word = text_at(document, "status")
    filled = decimal_at(document, "filled_qty")
    venue_order_id = VenueOrderId(text_at(document, "id"))
    client_id = document.get("client_order_id")
    return VenueOrder(
        client_order_id=ClientOrderId(client_id) if isinstance(client_id, str) and client_id else None,
        venue_order_id=venue_order_id,
        symbol=Symbol(text_at(document, "symbol")),
        side=_side(document),
        # An order by dollars has no quantity: what is known of it is what it got.
        quantity=filled if document.get("qty") is None else decimal_at(document, "qty"),
        status=_status(word, filled),
        substatus=word,
        filled=filled,
        average_price=optional_decimal_at(document, "filled_avg_price"),
        updated_at=first_time_at(document, "updated_at", "submitted_at", "created_at"),
        order_type=_order_type(document),
        limit_price=optional_decimal_at(document, "limit_price"),
        stop_price=optional_decimal_at(document, "stop_price"),
        replaced_by=optional_id_at(document, "replaced_by"),
        replaces=optional_id_at(document, "replaces"),
        legs=tuple(order_of(leg, parent=venue_order_id) for leg in documents_in(document.get("legs") or [])),
        parent=parent,
    )


def fill_of_activity(document: Document) -> VenueFill:
    """A fill among the account's activities, which name the order by the venue's id alone. Raises `UnreadableError`."""
    return VenueFill(
        execution_id=ExecutionId(text_at(document, "id")),
        venue_order_id=VenueOrderId(text_at(document, "order_id")),
        client_order_id=None,
        symbol=Symbol(text_at(document, "symbol")),
        side=_side(document),
        quantity=decimal_at(document, "qty"),
        price=decimal_at(document, "price"),
        cumulative=decimal_at(document, "cum_qty"),
        executed_at=time_at(document, "transaction_time"),
    )


def position_of(document: Document) -> VenuePosition:
    """A position. Raises `UnreadableError`."""
    quantity = decimal_at(document, "qty")
    if document.get("side") == "short":
        quantity = -abs(quantity)
    return VenuePosition(
        symbol=Symbol(text_at(document, "symbol")),
        quantity=quantity,
        average_price=decimal_at(document, "avg_entry_price"),
        market_price=optional_decimal_at(document, "current_price"),
    )


def account_of(document: Document) -> VenueAccount:
    """The account. Raises `UnreadableError`."""
    blocked = any(document.get(name) is True for name in _BLOCKS) or document.get("status") != _ACTIVE
    return VenueAccount(
        cash=decimal_at(document, "cash"),
        equity=decimal_at(document, "equity"),
        buying_power=decimal_at(document, "buying_power"),
        blocked=blocked,
    )


def clock_of(document: Document) -> VenueClock:
    """The venue's clock. Raises `UnreadableError`."""
    return VenueClock(
        at=time_at(document, "timestamp"),
        is_open=document.get("is_open") is True,
        next_open=time_at(document, "next_open"),
        next_close=time_at(document, "next_close"),
    )


def instrument_of(document: Document) -> Instrument:
    """A symbol's asset. Alpaca tells a halt only by what it no longer lets trade. Raises `UnreadableError`."""
    return Instrument(
        symbol=Symbol(text_at(document, "symbol")),
        tradable=document.get("tradable") is True and document.get("status") == "active",
        shortable=document.get("shortable") is True,
        fractionable=document.get("fractionable") is True,
    )


def _status(word: str, filled: Decimal) -> OrderStatus | None:
    status = STATUSES.get(word)
    return OrderStatus.PARTIAL if status is OrderStatus.OPEN and filled > 0 else status


def _order_type(document: Document) -> OrderType | None:
    word = document.get("type") or document.get("order_type")
    return next((each for each in OrderType if each.value == word), None)


def _side(document: Document) -> Side:
    # "sell_short" among the activities is a sale, too.
    word = text_at(document, "side")
    for side in Side:
        if word == side.value or word.startswith(f"{side.value}_"):
            return side
    raise UnreadableError(f"side is {word!r}")
