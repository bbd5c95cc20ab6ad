"""What an execution makes of an order, and what a venue's count of filled shares does that no execution explains."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from services.contracts.orders import ExecutionId, Fill, OrderStatus, VenueOrderId
from services.contracts.trading import OrderIncidentKind
from services.trading.orders.draft import Booking, Draft
from services.trading.orders.ledger import Entry, Span, measure
from services.trading.orders.news import Busted, Execution, Report
from services.trading.orders.order import ABSENT, UNSETTLED

NOT_MISSED: Final[Mapping[str, Any]] = {"not_found": 0, "not_found_since": None}
"""What is forgotten of "no such order" once the venue has the order."""

_NOTHING: Final = Decimal(0)


def execute(draft: Draft, news: Execution) -> None:
    """Book what of an execution is new. It also proves that the venue has the order."""
    order = draft.order
    if order.ledger.entry(news.execution_id) is not None:
        return
    late = order.status.terminal and news.cumulative > order.announced
    if order.standing in UNSETTLED | ABSENT:
        open_up(draft, news.venue_order_id)
    draft.become(**NOT_MISSED)
    start = max(_NOTHING, news.cumulative - news.quantity)
    spans = order.ledger.uncovered(Span(start, news.cumulative))
    fill = Fill(
        execution_id=news.execution_id,
        client_order_id=order.client_order_id,
        venue=order.venue,
        symbol=news.symbol,
        side=news.side,
        quantity=measure(spans),
        price=news.price,
        cumulative=news.cumulative,
        fee=news.fee if spans else _NOTHING,
        executed_at=news.executed_at,
        source=news.source,
        late=late,
    )
    _enter(draft, Booking(fill, spans))


def infer(draft: Draft, news: Report, *, late: bool) -> None:
    """Book what the venue counts as filled and no execution explains, at the price that explains its mean."""
    order = draft.order
    spans = order.ledger.uncovered(Span(_NOTHING, news.filled))
    if not spans:
        return
    if news.average_price is None:
        detail = f"{news.filled} are said to be filled, at no price: its executions have to tell"
        draft.incident(OrderIncidentKind.TERMS_DIFFER, detail)
        return
    fill = Fill(
        execution_id=ExecutionId(f"inferred:{order.client_order_id}:{news.filled}"),
        client_order_id=order.client_order_id,
        venue=order.venue,
        symbol=news.symbol,
        side=news.side,
        quantity=measure(spans),
        price=order.ledger.mean_of_gap(news.filled, news.average_price),
        cumulative=news.filled,
        executed_at=news.updated_at,
        source=news.source,
        inferred=True,
        late=late,
    )
    _enter(draft, Booking(fill, spans))


def bust(draft: Draft, news: Busted) -> None:
    """Take an execution back; it stays known, so that hearing of it again books nothing."""
    order = draft.order
    name = ExecutionId(f"bust:{news.execution_id}")
    entry = order.ledger.entry(news.execution_id)
    if order.ledger.entry(name) is not None:
        return
    if entry is None or not entry.spans:
        detail = f"{news.execution_id} was taken back ({news.reason}), and nothing is booked under that id"
        draft.incident(OrderIncidentKind.ILLEGAL_TRANSITION, detail)
        return
    fill = Fill(
        execution_id=name,
        client_order_id=order.client_order_id,
        venue=order.venue,
        symbol=order.ticket.symbol,
        side=order.ticket.side.opposite,
        quantity=entry.quantity,
        price=entry.price,
        cumulative=order.filled - entry.quantity,
        executed_at=draft.at,
        source=news.source,
        late=order.status.terminal,
    )
    draft.bookings.append(Booking(fill, ()))
    draft.become(
        ledger=order.ledger.without(news.execution_id).with_entry(Entry(name, (), entry.price)),
        announced=max(_NOTHING, order.announced - entry.quantity),
        reason=news.reason,
    )


def open_up(draft: Draft, venue_order_id: VenueOrderId, substatus: str = "") -> None:
    """The venue has an order that was being submitted, unknown or not there."""
    draft.become(standing=OrderStatus.OPEN, venue_order_id=venue_order_id, substatus=substatus, reason="", **NOT_MISSED)


def _enter(draft: Draft, booking: Booking) -> None:
    before, fill = draft.order, booking.fill
    draft.bookings.append(booking)
    draft.become(
        ledger=before.ledger.with_entry(Entry(fill.execution_id, booking.spans, fill.price)),
        announced=max(before.announced, fill.cumulative),
    )
    if not fill.quantity:
        return
    told = f"{fill.quantity} at {fill.price} by {fill.execution_id}"
    if draft.order.filled > before.quantity:
        detail = f"{told} makes {draft.order.filled} of {before.quantity}"
        draft.incident(OrderIncidentKind.OVERFILL, detail)
    elif fill.late:
        draft.incident(OrderIncidentKind.LATE_FILL, f"{told} came after the order was {before.status}")
