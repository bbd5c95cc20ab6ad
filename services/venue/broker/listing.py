"""Lists of orders and fills, filtered and paged as Alpaca does."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import TypeVar

from services.venue.broker.accounts import PaperAccount
from services.venue.broker.books import Books
from services.venue.broker.orders import Execution, PaperOrder
from services.venue.broker.reading import ActivityQuery, OrderQuery
from services.venue.broker.wire import Document, activity_document, activity_id, order_document, symbol_of

_DAY = timedelta(days=1)
T = TypeVar("T")


def listed(books: Books, account: PaperAccount, query: OrderQuery) -> list[Document]:
    """Orders by when they were submitted; `after` and `until` are excluded themselves."""
    found = _chosen(books, account, query)
    leg = books.orders.__getitem__ if query.nested else None
    return [order_document(order, leg) for order in islice(found, query.limit)]


def activities(books: Books, account: PaperAccount, query: ActivityQuery) -> list[Document]:
    """Fills by when they happened."""
    executions = books.executions_of(account.account_id)
    first, last = 0, len(executions)
    if query.after is not None:
        first = bisect_right(executions, query.after, key=lambda each: each.at)
    if query.until is not None:
        last = bisect_left(executions, query.until, key=lambda each: each.at)
    if query.date is not None:
        first = max(first, bisect_left(executions, query.date, key=lambda each: each.at))
        last = min(last, bisect_left(executions, query.date + _DAY, key=lambda each: each.at))
    found = _in_direction(executions, first, last, newest_first=query.direction == "desc")
    paged = islice(_after_token(found, query.page_token), query.page_size)
    return [activity_document(each, books.orders[each.order_id].status) for each in paged]


def _chosen(books: Books, account: PaperAccount, query: OrderQuery) -> Iterator[PaperOrder]:
    newest_first = query.direction == "desc"
    if query.status == "open":
        orders: Sequence[PaperOrder] = books.working_of(account.account_id)
    else:
        orders = books.orders_of(account.account_id)
    first = 0 if query.after is None else bisect_right(orders, query.after, key=lambda each: each.submitted_at)
    last = len(orders)
    if query.until is not None:
        last = bisect_left(orders, query.until, key=lambda each: each.submitted_at)
    symbols = {symbol_of(each) for each in query.symbols.split(",") if each.strip()}
    for order in _in_direction(orders, first, last, newest_first=newest_first):
        if query.status == "closed" and order.working:
            continue
        if (symbols and order.symbol not in symbols) or (query.side is not None and order.side is not query.side):
            continue
        if query.nested and order.parent is not None:
            continue
        yield order


def _in_direction(found: Sequence[T], first: int, last: int, *, newest_first: bool) -> Iterator[T]:
    indices = range(last - 1, first - 1, -1) if newest_first else range(first, last)
    return (found[index] for index in indices)


def _after_token(found: Iterator[Execution], token: str) -> Iterator[Execution]:
    passed = not token
    for each in found:
        if passed:
            yield each
        elif activity_id(each) == token:
            passed = True
