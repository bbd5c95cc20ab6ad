"""News of orders, as the stream tells them."""

from dataclasses import dataclass
from enum import StrEnum

from services.venue.broker.figures import decimal_text, time_text
from services.venue.broker.orders import Execution, PaperOrder
from services.venue.broker.wire import Document, order_document


class News(StrEnum):
    """Alpaca's names for what happens to an order: https://docs.alpaca.markets/docs/websocket-streaming."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    NEW = "new"
    HELD = "held"
    FILL = "fill"
    PARTIAL_FILL = "partial_fill"
    PENDING_CANCEL = "pending_cancel"
    CANCELED = "canceled"
    EXPIRED = "expired"
    PENDING_REPLACE = "pending_replace"
    REPLACED = "replaced"
    REJECTED = "rejected"
    RESTATED = "restated"
    ORDER_CANCEL_REJECTED = "order_cancel_rejected"
    ORDER_REPLACE_REJECTED = "order_replace_rejected"


@dataclass(frozen=True, slots=True)
class Frame:
    """One message for the streams of an account."""

    account_id: str
    news: News
    document: Document


def frame_of(news: News, order: PaperOrder, *, event_id: str, execution: Execution | None = None) -> Frame:
    """The order as it stands now, and the fill where there is one."""
    data: Document = {
        "event": news.value,
        "event_id": event_id,
        "at": time_text(order.updated_at),
        "timestamp": time_text(order.updated_at if execution is None else execution.at),
        "order": order_document(order),
    }
    if execution is not None:
        data["execution_id"] = execution.execution_id
        data["price"] = decimal_text(execution.price)
        data["qty"] = decimal_text(execution.quantity)
        data["position_qty"] = decimal_text(execution.position)
    return Frame(order.account_id, news, {"stream": "trade_updates", "data": data})
