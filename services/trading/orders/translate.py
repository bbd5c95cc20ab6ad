"""From a venue's answers to news of the machine."""

from datetime import datetime
from decimal import Decimal

from services.contracts.market import OrderType
from services.contracts.orders import ClientOrderId, OrderStatus, OrderTicket, Source, VenueName
from services.trading.brokers.port import (
    CancelOutcome,
    CancelTaken,
    Change,
    NotSent,
    OutcomeUnknown,
    Rejected,
    VenueFill,
    VenueOrder,
)
from services.trading.orders.news import (
    CancelFailed,
    CancelUnanswered,
    Execution,
    News,
    Report,
    SubmitNotSent,
    SubmitRejected,
    SubmitUnknown,
)
from services.trading.orders.order import Order


def to_report(
    told: VenueOrder,
    source: Source,
    *,
    asked_at: datetime | None,
    traceparent: str,
    replaced_by: ClientOrderId | None = None,
) -> Report:
    """What a venue says of an order; `asked_at` is None when it came by itself."""
    return Report(
        source=source,
        traceparent=traceparent,
        venue_order_id=told.venue_order_id,
        symbol=told.symbol,
        side=told.side,
        quantity=told.quantity,
        status=told.status,
        substatus=told.substatus,
        filled=told.filled,
        average_price=told.average_price,
        updated_at=told.updated_at,
        asked_at=asked_at,
        replaced_by=replaced_by,
        reason=told.reason,
    )


def to_execution(told: VenueFill, source: Source, *, traceparent: str) -> Execution:
    """One execution as a venue told it."""
    return Execution(
        source=source,
        traceparent=traceparent,
        execution_id=told.execution_id,
        venue_order_id=told.venue_order_id,
        symbol=told.symbol,
        side=told.side,
        quantity=told.quantity,
        price=told.price,
        cumulative=told.cumulative,
        executed_at=told.executed_at,
        fee=told.fee,
    )


def of_submit(outcome: Rejected | NotSent | OutcomeUnknown, trace: str) -> News:
    """What became of a submit that the venue did not take."""
    if isinstance(outcome, Rejected):
        reason = f"{outcome.code}: {outcome.reason}" if outcome.code else outcome.reason
        return SubmitRejected(source=Source.SUBMIT, traceparent=trace, reason=reason)
    kind = SubmitNotSent if isinstance(outcome, NotSent) else SubmitUnknown
    return kind(source=Source.SUBMIT, traceparent=trace, reason=outcome.reason)


def of_cancel(outcome: CancelOutcome, trace: str) -> News | None:
    """What became of a request to cancel; None when it was taken: whether it did it, the venue has still to say."""
    if isinstance(outcome, CancelTaken):
        return None
    kind = CancelUnanswered if isinstance(outcome, OutcomeUnknown) else CancelFailed
    return kind(source=Source.SUBMIT, traceparent=trace, reason=f"cancel: {outcome.reason}")


def changed(ticket: OrderTicket, change: Change, quantity: Decimal) -> OrderTicket:
    """A ticket with other prices and the given quantity.

    Raises:
        ValueError: The terms do not fit the order's type.
    """
    terms = ticket.model_dump() | {"quantity": quantity}
    prices = {"limit_price": change.limit_price, "stop_price": change.stop_price}
    return OrderTicket.model_validate(terms | {name: price for name, price in prices.items() if price is not None})


def venue_made(told: VenueOrder, venue: VenueName) -> ClientOrderId:
    """The name under which we keep an order that the venue made: the client order id that it gave, or its own."""
    return told.client_order_id or ClientOrderId(f"{venue}:{told.venue_order_id}")


def relative(told: VenueOrder, kin: Order, at: datetime, *, traceparent: str, replaces: bool) -> Order:
    """An order that the venue made for the intent of `kin`: a leg of it, or what took its place.

    Raises:
        ValueError: The venue tells prices that no ticket can have.
    """
    return Order(
        client_order_id=venue_made(told, kin.venue),
        intent_id=kin.intent_id,
        route=kin.route,
        venue=kin.venue,
        strategy=kin.strategy,
        ticket=_ticket(told, kin),
        quantity=told.quantity,
        standing=OrderStatus.OPEN,
        submitted_at=at,
        changed_at=at,
        venue_order_id=told.venue_order_id,
        substatus=told.substatus,
        sequence=1,
        replaces=kin.client_order_id if replaces else None,
        parent=kin.parent if replaces else kin.client_order_id,
        traceparent=traceparent,
    )


def _ticket(told: VenueOrder, kin: Order) -> OrderTicket:
    return OrderTicket(
        symbol=told.symbol,
        side=told.side,
        quantity=told.quantity,
        order_type=told.order_type or _type_of(told),
        limit_price=told.limit_price,
        stop_price=told.stop_price,
        time_in_force=kin.ticket.time_in_force,
    )


def _type_of(told: VenueOrder) -> OrderType:
    if told.stop_price is not None:
        return OrderType.STOP if told.limit_price is None else OrderType.STOP_LIMIT
    return OrderType.MARKET if told.limit_price is None else OrderType.LIMIT
