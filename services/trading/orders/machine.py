"""The order state machine: what each piece of news makes of an order.

Pure: no clock, no I/O, no logging. `_RULES` says for each kind of news in which states it can come and what it does
there; `telling` has the same for each word of the venue. The status itself is never set: it follows from the standing,
the pending change and the ledger (`Order.status`). What cannot be is reported as an incident and leaves the order as it
is; only fills are booked whatever was believed before.

One transition is one step: an order that is filled at once was submitting, open, filled.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.contracts.orders import (
    OrderIntent,
    OrderStatus,
    OrderTicket,
    Source,
    VenueName,
    client_order_id,
)
from services.contracts.trading import OrderIncidentKind
from services.trading.orders.draft import Draft, Incident, Step, Transition
from services.trading.orders.executing import bust, execute
from services.trading.orders.news import (
    Busted,
    CancelFailed,
    CancelRequested,
    CancelUnanswered,
    Execution,
    News,
    NotFound,
    ReplaceAccepted,
    ReplaceFailed,
    ReplaceRequested,
    Report,
    SubmitNotSent,
    SubmitRejected,
    SubmitUnknown,
)
from services.trading.orders.order import Order
from services.trading.orders.telling import report

__all__ = ["Incident", "News", "Order", "Step", "Transition", "adopt", "advance", "begin", "succeed"]

_ALL: Final = frozenset(OrderStatus)
_TERMINAL: Final = frozenset(status for status in OrderStatus if status.terminal)
_WORKING: Final = frozenset({OrderStatus.OPEN, OrderStatus.PARTIAL, OrderStatus.SUSPENDED})
_PENDING: Final = frozenset({OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE})
_SUBMITTING: Final = frozenset({OrderStatus.SUBMITTING})
_UNSETTLED: Final = frozenset({OrderStatus.SUBMITTING, OrderStatus.UNKNOWN})


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a kind of news does.

    Attributes:
        states: Those in which it does it.
        overtaken: Those in which it comes too late to matter, and nothing is wrong: the venue has said more by then.
            In all others it cannot be, and is an incident.
    """

    apply: Callable[[Draft, Any], None]
    states: frozenset[OrderStatus]
    overtaken: frozenset[OrderStatus] = frozenset()


def begin(intent: OrderIntent, venue: VenueName, route: int, at: datetime, *, traceparent: str) -> Step:
    """A new order that is about to be sent."""
    order = Order(
        client_order_id=client_order_id(intent.intent_id, route),
        intent_id=intent.intent_id,
        route=route,
        venue=venue,
        strategy=intent.strategy,
        ticket=intent.ticket,
        quantity=intent.ticket.quantity,
        standing=OrderStatus.SUBMITTING,
        submitted_at=at,
        changed_at=at,
        sequence=1,
        reference_price=intent.reference_price,
        traceparent=traceparent,
    )
    return _first(order, Source.SUBMIT, traceparent)


def succeed(order: Order, ticket: OrderTicket, route: int, at: datetime, *, traceparent: str) -> Step:
    """A new order that is about to be sent to take the place of `order`."""
    child = Order(
        client_order_id=client_order_id(order.intent_id, route),
        intent_id=order.intent_id,
        route=route,
        venue=order.venue,
        strategy=order.strategy,
        ticket=ticket,
        quantity=ticket.quantity,
        standing=OrderStatus.SUBMITTING,
        submitted_at=at,
        changed_at=at,
        sequence=1,
        replaces=order.client_order_id,
        parent=order.parent,
        reference_price=order.reference_price,
        traceparent=traceparent,
    )
    return _first(child, Source.SUBMIT, traceparent)


def adopt(order: Order, source: Source, *, traceparent: str) -> Step:
    """An order that the venue made or has, and that we did not send: it begins as OPEN, with `order.sequence` 1."""
    return _first(order, source, traceparent)


def advance(order: Order, news: News, at: datetime) -> Step:
    """What the order becomes at `at`. Raises nothing for what a venue says: what cannot be becomes an incident."""
    rule = _RULES[type(news)]
    draft = Draft(order, news, at)
    if order.status in rule.states:
        rule.apply(draft, news)
    elif order.status not in rule.overtaken:
        draft.incident(
            OrderIncidentKind.ILLEGAL_TRANSITION,
            f"{type(news).__name__} cannot come to an order that is {order.status}",
        )
    return draft.step()


def _first(order: Order, source: Source, traceparent: str) -> Step:
    transition = Transition(
        sequence=order.sequence,
        was=None,
        now=order.status,
        substatus=order.substatus,
        reason=order.reason,
        source=source,
        at=order.changed_at,
        traceparent=traceparent,
    )
    return Step(order=order, transitions=(transition,))


def _rejected(draft: Draft, news: SubmitRejected) -> None:
    draft.become(standing=OrderStatus.REJECTED, reason=news.reason)


def _not_sent(draft: Draft, news: SubmitNotSent) -> None:
    draft.become(standing=OrderStatus.NOT_SENT, reason=news.reason)


def _unknown(draft: Draft, news: SubmitUnknown) -> None:
    draft.become(standing=OrderStatus.UNKNOWN, reason=news.reason)


def _pending(pending: OrderStatus) -> Callable[[Draft, CancelRequested | ReplaceRequested], None]:
    def apply(draft: Draft, news: CancelRequested | ReplaceRequested) -> None:
        draft.become(pending=pending, pending_since=draft.at, pending_told=False, reason=news.reason)

    return apply


def _back(draft: Draft, news: CancelFailed | ReplaceFailed) -> None:
    draft.become(pending=None, pending_since=None, pending_told=False, reason=news.reason)


def _unanswered(draft: Draft, news: CancelUnanswered) -> None:
    draft.become(reason=news.reason)


def _replaced(draft: Draft, news: ReplaceAccepted) -> None:
    child = draft.order.replaced_by or news.child
    draft.become(standing=OrderStatus.REPLACED, pending=None, replaced_by=child, reason="")


def _not_found(draft: Draft, news: NotFound) -> None:
    order, patience = draft.order, news.patience
    since = order.not_found_since or draft.at
    draft.become(not_found=order.not_found + 1, not_found_since=since)
    believed = (
        draft.order.not_found >= patience.answers
        and draft.at - since >= patience.apart
        and draft.at - order.submitted_at >= patience.after
    )
    if believed:
        draft.become(
            standing=OrderStatus.NOT_FOUND_CONFIRMED,
            pending=None,
            reason=f"the venue said {draft.order.not_found} times that it has no such order",
        )


# A submit's own answer can only be overtaken by the stream; that it contradicts the stream is an incident.
_RULES: Final[Mapping[type[News], _Rule]] = {
    SubmitRejected: _Rule(_rejected, _UNSETTLED, frozenset({OrderStatus.REJECTED})),
    SubmitNotSent: _Rule(_not_sent, _SUBMITTING, frozenset({OrderStatus.NOT_SENT})),
    SubmitUnknown: _Rule(_unknown, _SUBMITTING, _ALL - _SUBMITTING),
    Report: _Rule(report, _ALL),
    Execution: _Rule(execute, _ALL),
    CancelRequested: _Rule(_pending(OrderStatus.PENDING_CANCEL), _WORKING | _PENDING),
    CancelFailed: _Rule(_back, frozenset({OrderStatus.PENDING_CANCEL}), _ALL - _SUBMITTING),
    CancelUnanswered: _Rule(_unanswered, frozenset({OrderStatus.PENDING_CANCEL}), _ALL - _SUBMITTING),
    ReplaceRequested: _Rule(_pending(OrderStatus.PENDING_REPLACE), _WORKING),
    ReplaceFailed: _Rule(_back, frozenset({OrderStatus.PENDING_REPLACE}), _ALL - _SUBMITTING),
    ReplaceAccepted: _Rule(_replaced, _WORKING | _PENDING | {OrderStatus.REPLACED}, _TERMINAL),
    NotFound: _Rule(_not_found, _WORKING | _PENDING | {OrderStatus.UNKNOWN}, _TERMINAL | _SUBMITTING),
    Busted: _Rule(bust, _ALL),
}
