"""News made by hand, and orders brought into each state of the diagram."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.contracts.market import Side
from services.contracts.orders import ClientOrderId, ExecutionId, OrderStatus, Source, VenueName, VenueOrderId
from services.trading.orders import machine
from services.trading.orders.draft import Step
from services.trading.orders.news import (
    CancelRequested,
    Execution,
    News,
    NotFound,
    ReplaceAccepted,
    ReplaceRequested,
    Report,
    SubmitNotSent,
    SubmitRejected,
    SubmitUnknown,
)
from services.trading.orders.order import Order
from tests.trading.orders.support import AAPL, intent, ticket

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
CHILD = ClientOrderId("child")
_VENUE_ID = VenueOrderId("v-1")


@dataclass
class Story:
    """An order and its time; news is worked in one after the other."""

    order: Order
    at: datetime = START

    def hears(self, news: News, *, after: float = 1) -> Step:
        self.at += timedelta(seconds=after)
        step = machine.advance(self.order, news, self.at)
        self.order = step.order
        return step

    def told(self, status: OrderStatus | None, filled: object = 0, **more: Any) -> Report:  # noqa: ANN401 -- of report
        """The venue's word at this moment."""
        return report(status, filled, updated_at=self.at, **more)


def begun(quantity: object = 10) -> Story:
    step = machine.begin(intent(ticket(quantity)), VenueName("alpha"), 0, START, traceparent="00-a-b-01")
    return Story(step.order)


def report(status: OrderStatus | None, filled: object = 0, **more: Any) -> Report:  # noqa: ANN401 -- of Report
    shares = Decimal(str(filled))
    usual = {
        "source": Source.STREAM,
        "venue_order_id": _VENUE_ID,
        "symbol": AAPL,
        "side": Side.BUY,
        "quantity": Decimal(10),
        "status": status,
        "substatus": status.value if status else "strange",
        "filled": shares,
        "average_price": Decimal(100) if shares else None,
        "updated_at": START,
    }
    return Report(**(usual | more))


def execution(quantity: object, cumulative: object, name: str = "", **more: Any) -> Execution:  # noqa: ANN401 -- of Execution
    usual = {
        "source": Source.STREAM,
        "execution_id": ExecutionId(name or f"e{cumulative}"),
        "venue_order_id": _VENUE_ID,
        "symbol": AAPL,
        "side": Side.BUY,
        "quantity": Decimal(str(quantity)),
        "price": Decimal(100),
        "cumulative": Decimal(str(cumulative)),
        "executed_at": START,
    }
    return Execution(**(usual | more))


CANCEL = CancelRequested(source=Source.OPERATOR, reason="kim asked to cancel")
REPLACE = ReplaceRequested(source=Source.OPERATOR, reason="kim asked for other terms")
REPLACED = ReplaceAccepted(source=Source.SUBMIT, child=CHILD)
REJECTED = SubmitRejected(source=Source.SUBMIT, reason="no")
NOT_SENT = SubmitNotSent(source=Source.SUBMIT, reason="no connection")
UNKNOWN = SubmitUnknown(source=Source.SUBMIT, reason="no answer")
NOT_FOUND = NotFound(source=Source.RECONCILIATION)


def in_status(status: OrderStatus) -> Story:
    """A story that has come to `status` in a legal way."""
    story = begun()
    _WAYS[status](story)
    assert story.order.status is status
    return story


def _told(status: OrderStatus) -> Callable[[Story], None]:
    def way(story: Story) -> None:
        _open(story)
        story.hears(story.told(status))

    return way


def _open(story: Story) -> None:
    story.hears(story.told(OrderStatus.OPEN))


def _asked(news: News) -> Callable[[Story], None]:
    def way(story: Story) -> None:
        _open(story)
        story.hears(news)

    return way


def _never_found(story: Story) -> None:
    story.hears(UNKNOWN)
    story.hears(NOT_FOUND, after=100)
    story.hears(NOT_FOUND, after=100)


def _filled(quantity: int) -> Callable[[Story], None]:
    def way(story: Story) -> None:
        _open(story)
        story.hears(execution(quantity, quantity, "first"))

    return way


_WAYS: dict[OrderStatus, Callable[[Story], None]] = {
    OrderStatus.SUBMITTING: lambda _: None,
    OrderStatus.NOT_SENT: lambda story: story.hears(NOT_SENT) and None,
    OrderStatus.REJECTED: lambda story: story.hears(REJECTED) and None,
    OrderStatus.UNKNOWN: lambda story: story.hears(UNKNOWN) and None,
    OrderStatus.OPEN: _open,
    OrderStatus.PARTIAL: _filled(4),
    OrderStatus.FILLED: _filled(10),
    OrderStatus.PENDING_CANCEL: _asked(CANCEL),
    OrderStatus.PENDING_REPLACE: _asked(REPLACE),
    OrderStatus.SUSPENDED: _told(OrderStatus.SUSPENDED),
    OrderStatus.CANCELED: _told(OrderStatus.CANCELED),
    OrderStatus.EXPIRED: _told(OrderStatus.EXPIRED),
    OrderStatus.REPLACED: _asked(REPLACED),
    OrderStatus.NOT_FOUND_CONFIRMED: _never_found,
}
STATUSES = tuple(_WAYS)
