"""Reads the frames of Alpaca's stream of trade updates: https://docs.alpaca.markets/docs/websocket-streaming."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from services.contracts.orders import ExecutionId
from services.trading.brokers.alpaca_fields import Document, UnreadableError, decimal_at, document_in, text_at, time_at
from services.trading.brokers.alpaca_words import order_of
from services.trading.brokers.port import Update, VenueFill, VenueOrder

_UPDATES: Final = "trade_updates"
_LISTENING: Final = "listening"
_FILLS: Final = frozenset({"fill", "partial_fill"})
# They take back or change an execution that is booked: that is for a person to look at.
_CORRECTIONS: Final = frozenset({"trade_bust", "trade_correct"})
_NEWS: Final = frozenset({"order_cancel_rejected", "order_replace_rejected"})


def document_of(raw: str) -> Document:
    """A frame's JSON, with exact numbers. Raises `UnreadableError`."""
    try:
        document: Any = json.loads(raw, parse_float=Decimal)
    except ValueError as error:
        raise UnreadableError("the frame is no JSON") from error
    return document_in(document)


def acknowledges(document: Document) -> bool:
    """Whether the frame says that trade updates are sent from now on. Raises `UnreadableError`."""
    return document.get("stream") == _LISTENING and _UPDATES in (_data(document).get("streams") or ())


def update_of(document: Document) -> Update | None:
    """What the frame tells of an order; None for a frame that is about the stream itself. Raises `UnreadableError`."""
    stream = document.get("stream")
    if stream == _LISTENING:
        return None
    if stream != _UPDATES:
        raise UnreadableError(f"a frame of the stream {stream!r}, which nobody asked for")
    data = _data(document)
    event = text_at(data, "event")
    if event in _CORRECTIONS:
        raise UnreadableError(f"{event}: an execution was taken back or changed; compare the books by hand")
    order = order_of(document_in(data.get("order")))
    if event in _NEWS:
        order = replace(order, reason=event)
    return Update(order=order, fill=_fill(data, order) if event in _FILLS else None)


def _fill(data: Document, order: VenueOrder) -> VenueFill:
    return VenueFill(
        execution_id=ExecutionId(text_at(data, "execution_id")),
        venue_order_id=order.venue_order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=decimal_at(data, "qty"),
        price=decimal_at(data, "price"),
        cumulative=order.filled,
        executed_at=time_at(data, "timestamp"),
    )


def _data(document: Document) -> Document:
    return document_in(document.get("data"))
