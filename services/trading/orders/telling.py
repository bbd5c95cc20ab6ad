"""What each word of a venue about an order means."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

from services.contracts.orders import OrderStatus
from services.contracts.trading import OrderIncidentKind
from services.trading.orders.draft import Draft
from services.trading.orders.executing import NOT_MISSED, infer, open_up
from services.trading.orders.news import Report
from services.trading.orders.order import ABSENT, ENDED, UNSETTLED, Order

# A question that was asked this long after we asked for a change, and whose answer knows nothing of it, shows that the
# change did not arrive: a venue takes well under a second.
_SETTLED_AFTER: Final = timedelta(seconds=5)


def report(draft: Draft, news: Report) -> None:
    """Work in how the venue says that the order stands: that it has it, what is filled, and then its word for it."""
    before = draft.order
    if before.venue_order_id not in {None, news.venue_order_id}:
        detail = f"the venue has a second order of this name: {news.venue_order_id} beside {before.venue_order_id}"
        draft.incident(OrderIncidentKind.TERMS_DIFFER, detail)
        return
    _be_there(draft, news)
    if not _stale(before, news):
        _compare(draft, news)
        late = before.status.terminal and news.filled > before.announced
        draft.become(announced=max(draft.order.announced, news.filled))
        if news.asked_at is not None:
            infer(draft, news, late=late)
    _MEANINGS.get(news.status, _strange)(draft, news)
    draft.become(told_at=news.updated_at if before.told_at is None else max(before.told_at, news.updated_at))


def _be_there(draft: Draft, news: Report) -> None:
    order = draft.order
    if order.standing in UNSETTLED:
        if news.status is not OrderStatus.REJECTED:
            open_up(draft, news.venue_order_id, news.substatus)
    elif _thought_absent(order) and news.status is not order.standing:
        detail = f"the venue has it as {news.venue_order_id} ({news.substatus}), and it was {order.standing}"
        draft.incident(OrderIncidentKind.ILLEGAL_TRANSITION, detail)
        open_up(draft, news.venue_order_id, news.substatus)
    draft.become(venue_order_id=news.venue_order_id, **NOT_MISSED)


def _thought_absent(order: Order) -> bool:
    """Whether we believe that the venue never had it, or no longer has it; one that it rejected itself it has had."""
    return order.standing in ABSENT and not (order.standing is OrderStatus.REJECTED and order.told_at is not None)


def _compare(draft: Draft, news: Report) -> None:
    order, ticket = draft.order, draft.order.ticket
    if (news.symbol, news.side) != (ticket.symbol, ticket.side):
        detail = f"sent was {ticket.side} {ticket.symbol}, the venue has {news.side} {news.symbol}"
        draft.incident(OrderIncidentKind.TERMS_DIFFER, detail)
    if news.quantity == order.quantity or news.quantity <= 0:
        return
    # Of a replacement the venue may count only what was left to fill when it came.
    if order.replaces is None or news.quantity > order.quantity:
        detail = f"{order.quantity} {ticket.symbol} were to be worked, the venue works {news.quantity}"
        draft.incident(OrderIncidentKind.TERMS_DIFFER, detail)
    draft.become(quantity=news.quantity)


def _works(draft: Draft, news: Report, *, standing: OrderStatus) -> None:
    order = draft.order
    if _stale(order, news) or order.status is OrderStatus.FILLED:
        return
    if not order.status.terminal:
        kept = {} if order.pending is None or not _settled(order, news) else _NO_PENDING
        _move(draft, news, standing=standing, **kept)
    elif _newer(order, news):
        detail = f"the venue has it as {news.substatus}, and it was {order.status}"
        draft.incident(OrderIncidentKind.ILLEGAL_TRANSITION, detail)
        # News may come late; an answer to a question that was asked after the end is how it is.
        if news.asked_at is not None and news.asked_at > order.changed_at:
            _move(draft, news, standing=standing, **_NO_PENDING)


def _is_filled(draft: Draft, news: Report) -> None:
    """The executions tell; until they have all come the order is as filled as they are."""
    if not _stale(draft.order, news):
        draft.become(substatus=news.substatus)


def _changes(draft: Draft, news: Report, *, pending: OrderStatus) -> None:
    order = draft.order
    if _stale(order, news) or order.status.terminal:
        return
    since = order.pending_since if order.pending is pending else draft.at
    _move(draft, news, pending=pending, pending_since=since, pending_told=True)


def _ends(draft: Draft, news: Report, *, standing: OrderStatus) -> None:
    order = draft.order
    replaced_by = news.replaced_by or order.replaced_by
    if order.standing is standing:
        draft.become(replaced_by=replaced_by)
    elif order.standing not in ENDED:
        _move(draft, news, standing=standing, replaced_by=replaced_by, **_NO_PENDING)
    elif _newer(order, news):
        detail = f"the venue has it as {news.substatus}, and it was {order.standing}"
        draft.incident(OrderIncidentKind.ILLEGAL_TRANSITION, detail)


def _strange(draft: Draft, news: Report) -> None:
    draft.incident(OrderIncidentKind.UNKNOWN_STATUS, f"the venue says {news.substatus!r}, whatever that means")


def _move(draft: Draft, news: Report, **changes: Any) -> None:  # noqa: ANN401 -- fields of Order
    order = draft.order
    moved = order.changed(**changes)
    reason = order.reason if moved.status is order.status else news.reason
    draft.become(substatus=news.substatus, reason=reason, **changes)


def _stale(order: Order, news: Report) -> bool:
    return order.told_at is not None and news.updated_at < order.told_at


def _newer(order: Order, news: Report) -> bool:
    return order.told_at is None or news.updated_at > order.told_at


def _settled(order: Order, news: Report) -> bool:
    """Whether news that does not know of the pending change means that there is none."""
    if order.pending_told and _newer(order, news):
        return True
    if news.asked_at is None or order.pending_since is None:
        return False
    return news.asked_at - order.pending_since >= _SETTLED_AFTER


_NO_PENDING: Final[Mapping[str, Any]] = {"pending": None, "pending_since": None, "pending_told": False}

_MEANINGS: Final[Mapping[OrderStatus | None, Callable[[Draft, Report], None]]] = {
    OrderStatus.OPEN: partial(_works, standing=OrderStatus.OPEN),
    OrderStatus.PARTIAL: partial(_works, standing=OrderStatus.OPEN),
    OrderStatus.SUSPENDED: partial(_works, standing=OrderStatus.SUSPENDED),
    OrderStatus.FILLED: _is_filled,
    OrderStatus.PENDING_CANCEL: partial(_changes, pending=OrderStatus.PENDING_CANCEL),
    OrderStatus.PENDING_REPLACE: partial(_changes, pending=OrderStatus.PENDING_REPLACE),
    OrderStatus.CANCELED: partial(_ends, standing=OrderStatus.CANCELED),
    OrderStatus.EXPIRED: partial(_ends, standing=OrderStatus.EXPIRED),
    OrderStatus.REJECTED: partial(_ends, standing=OrderStatus.REJECTED),
    OrderStatus.REPLACED: partial(_ends, standing=OrderStatus.REPLACED),
}
