"""The facts that tell of orders: one for each transition, one for each fill."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from services.contracts.events import Event
from services.contracts.orders import Fill, OrderStatus, VenueOrderId
from services.contracts.trading import (
    FillBooked,
    OrderAccepted,
    OrderChanged,
    OrderEnded,
    OrderFilled,
    OrderNotSent,
    OrderRejected,
    OrderResolved,
    OrderSubmitting,
    OrderUnknown,
)
from services.trading.orders.draft import Transition
from services.trading.orders.order import Order

_BASIS_POINTS: Final = 10_000
_BEFORE_THE_VENUE: Final = frozenset({None, OrderStatus.SUBMITTING})


def transition_fact(order: Order, transition: Transition) -> Event:
    """The fact that tells of a transition. `order` is as it stands after all of them."""
    said = {
        "subject": order.client_order_id,
        "venue": order.venue,
        "strategy": order.strategy,
        "symbol": order.ticket.symbol,
        "side": order.ticket.side,
        "intent_id": order.intent_id,
        "sequence": transition.sequence,
        "was": transition.was,
        "now": transition.now,
        "source": transition.source,
        "substatus": transition.substatus,
        "reason": transition.reason,
    }
    if transition.was is OrderStatus.UNKNOWN:
        return OrderResolved(**said, unknown_seconds=transition.unknown_seconds)
    return _FACTS.get(transition.now, _changed)(order, transition, said)


def fill_fact(order: Order, fill: Fill, at: datetime) -> FillBooked:
    """The fact that tells of a fill, booked at `at`."""
    return FillBooked(
        subject=order.client_order_id,
        venue=order.venue,
        strategy=order.strategy,
        symbol=fill.symbol,
        side=fill.side,
        execution_id=fill.execution_id,
        quantity=fill.quantity,
        price=fill.price,
        source=fill.source,
        inferred=fill.inferred,
        late=fill.late,
        delay_seconds=max(0.0, (at - fill.executed_at).total_seconds()),
        slippage_bps=_slippage_bps(order, fill),
        submit_traceparent=order.traceparent,
    )


def _slippage_bps(order: Order, fill: Fill) -> float | None:
    reference = order.reference_price
    if reference is None or fill.side is not order.ticket.side:
        return None
    return float(fill.side.sign * (fill.price - reference) / reference * _BASIS_POINTS)


def _submitting(order: Order, _transition: Transition, said: dict[str, Any]) -> Event:
    return OrderSubmitting(**said, order_type=order.ticket.order_type, quantity=order.ticket.quantity)


def _working(order: Order, transition: Transition, said: dict[str, Any]) -> Event:
    if transition.was in _BEFORE_THE_VENUE:
        return OrderAccepted(**said, venue_order_id=order.venue_order_id or VenueOrderId(""))
    return OrderChanged(**said)


def _filled(order: Order, _transition: Transition, said: dict[str, Any]) -> Event:
    return OrderFilled(**said, quantity=order.filled, average_price=order.average_price)


def _ended(order: Order, _transition: Transition, said: dict[str, Any]) -> Event:
    return OrderEnded(**said, filled=order.filled)


def _not_sent(_order: Order, _transition: Transition, said: dict[str, Any]) -> Event:
    return OrderNotSent(**said)


def _rejected(_order: Order, _transition: Transition, said: dict[str, Any]) -> Event:
    return OrderRejected(**said)


def _unknown(_order: Order, _transition: Transition, said: dict[str, Any]) -> Event:
    return OrderUnknown(**said)


def _changed(_order: Order, _transition: Transition, said: dict[str, Any]) -> Event:
    return OrderChanged(**said)


_FACTS: Final[Mapping[OrderStatus, Callable[[Order, Transition, dict[str, Any]], Event]]] = {
    OrderStatus.SUBMITTING: _submitting,
    OrderStatus.NOT_SENT: _not_sent,
    OrderStatus.REJECTED: _rejected,
    OrderStatus.UNKNOWN: _unknown,
    OrderStatus.OPEN: _working,
    OrderStatus.FILLED: _filled,
    OrderStatus.CANCELED: _ended,
    OrderStatus.EXPIRED: _ended,
    OrderStatus.REPLACED: _ended,
    OrderStatus.NOT_FOUND_CONFIRMED: _ended,
}
