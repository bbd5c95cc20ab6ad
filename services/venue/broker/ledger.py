"""Turns what the matching core tells into orders, fills, money and news."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, assert_never

from services.contracts.market import OrderClass, OrderType
from services.matching.happenings import (
    Accepted,
    Adjusted,
    Canceled,
    Expired,
    Filled,
    Happening,
    LegActivated,
    Refused,
    Rejected,
    Replaced,
    Resized,
    Triggered,
)
from services.venue.broker.books import Books
from services.venue.broker.errors import UnprocessableError
from services.venue.broker.frames import Frame, News, frame_of
from services.venue.broker.orders import Execution, PaperOrder, Status

NewId = Callable[[], str]
_ENDS: Final[Mapping[type[Happening], tuple[Status, News]]] = {
    Rejected: (Status.REJECTED, News.REJECTED),
    Canceled: (Status.CANCELED, News.CANCELED),
    Expired: (Status.EXPIRED, News.EXPIRED),
    Replaced: (Status.REPLACED, News.REPLACED),
}


class Ledger:
    """Books what happened and gathers the news of it.

    Args:
        books: Where things stand.
        new_id: Makes UUIDs.
        stamp: What is told of a moment of the market.
    """

    def __init__(self, books: Books, new_id: NewId, stamp: Callable[[datetime], datetime]) -> None:
        self._books = books
        self._new_id = new_id
        self._stamp = stamp
        self._frames: list[Frame] = []

    def take_frames(self) -> list[Frame]:
        """The news since the last call."""
        frames, self._frames = self._frames, []
        return frames

    def apply(self, happenings: Iterable[Happening]) -> None:
        """Book happenings in their order. Raises `UnprocessableError` for a cancel or replacement that was refused."""
        for happening in happenings:
            self._apply(self._books.orders[happening.order_id], happening)

    def become(self, order: PaperOrder, status: Status, news: News, at: datetime) -> None:
        """Put an order into a state and tell of it."""
        at = self._stamp(at)
        order.status = status
        order.updated_at = at
        match status:
            case Status.CANCELED:
                order.canceled_at = at
            case Status.EXPIRED:
                order.expired_at = at
            case Status.REJECTED:
                order.failed_at = at
            case Status.REPLACED:
                order.replaced_at = at
            case _:
                pass
        if status.ended:
            order.work = None
        self._books.put_order(order)
        self.tell(news, order)

    def tell(self, news: News, order: PaperOrder, execution: Execution | None = None) -> None:
        """Add to the news."""
        self._frames.append(frame_of(news, order, event_id=self._new_id(), execution=execution))

    def _apply(self, order: PaperOrder, happening: Happening) -> None:
        match happening:
            case Accepted():
                self._accepted(order, happening.at)
            case Refused():
                raise UnprocessableError(f'order is already in "{order.status}" state')
            case Triggered():
                self._triggered(order, happening.at)
            case Filled():
                self.fill(order, happening)
            case Rejected() | Canceled() | Expired() | Replaced():
                self._ended(order, happening)
            case LegActivated():
                self._activated(order, happening.at)
            case Resized():
                self._restated(order, happening.quantity - order.carried, happening.at)
            case Adjusted():
                self._adjusted(order, happening)
            case _:
                assert_never(happening)

    def _ended(self, order: PaperOrder, end: Rejected | Canceled | Expired | Replaced) -> None:
        if isinstance(end, Replaced):
            order.replaced_by = end.by
        status, news = _ENDS[type(end)]
        self.become(order, status, news, end.at)

    def _accepted(self, order: PaperOrder, at: datetime) -> None:
        if self._waits(order):
            self.become(order, Status.HELD, News.HELD, at)
        else:
            self.become(order, Status.NEW, News.NEW, at)

    def _waits(self, order: PaperOrder) -> bool:
        """A leg whose entry has not filled, and the stop of a pair, which Alpaca shows as held until it is reached."""
        if order.parent is None:
            return False
        entry = self._books.orders[order.parent]
        is_stop = order.order_type in {OrderType.STOP, OrderType.STOP_LIMIT}
        return is_stop or (entry.order_class is OrderClass.BRACKET and not entry.filled)

    def _triggered(self, order: PaperOrder, at: datetime) -> None:
        if order.status is Status.HELD:
            self.become(order, Status.NEW, News.NEW, at)
            return
        order.updated_at = self._stamp(at)
        self._books.put_order(order)

    def _activated(self, order: PaperOrder, at: datetime) -> None:
        if order.status is Status.HELD and not self._waits(order):
            self.become(order, Status.NEW, News.NEW, at)
            return
        self._books.put_order(order)

    def _restated(self, order: PaperOrder, quantity: Decimal, at: datetime) -> None:
        order.quantity = quantity
        order.updated_at = self._stamp(at)
        self._books.put_order(order)
        self.tell(News.RESTATED, order)

    def _adjusted(self, order: PaperOrder, change: Adjusted) -> None:
        ratio = change.quantity / (order.quantity + order.carried)
        order.carried *= ratio
        order.quantity = change.quantity - order.carried
        order.filled = change.filled - order.carried
        order.limit_price, order.stop_price = change.limit_price, change.stop_price
        order.updated_at = self._stamp(change.at)
        self._books.put_order(order)
        self.tell(News.RESTATED, order)

    def fill(self, order: PaperOrder, fill: Filled) -> None:
        """Book a fill, whatever state the order is in."""
        account = self._books.accounts[order.account_id]
        at = self._stamp(fill.at)
        account.money.apply(fill)
        order.filled += fill.quantity
        order.filled_value += fill.quantity * fill.price
        order.filled_at = order.updated_at = at
        execution = Execution(
            execution_id=self._new_id(),
            account_id=order.account_id,
            order_id=order.order_id,
            sequence=self._books.next_execution(),
            symbol=fill.symbol,
            side=fill.side,
            quantity=fill.quantity,
            price=fill.price,
            fee=fill.fee,
            cumulative=order.filled,
            leaves=order.rest,
            position=account.money.quantity(fill.symbol),
            at=at,
        )
        whole = order.rest == 0
        if whole:
            order.status = Status.FILLED
            order.work = None
        elif order.status in {Status.NEW, Status.ACCEPTED, Status.PENDING_NEW, Status.HELD}:
            order.status = Status.PARTIALLY_FILLED
        self._books.put_account(account)
        self._books.put_order(order)
        self._books.add_execution(execution)
        self.tell(News.FILL if whole else News.PARTIAL_FILL, order, execution)
