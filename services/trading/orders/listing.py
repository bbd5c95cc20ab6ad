"""Which orders to show."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from services.contracts.market import Symbol
from services.contracts.orders import OrderStatus, VenueName
from services.kit.moments import microseconds
from services.trading.orders import store
from services.trading.orders.order import Order
from services.trading.orders.tables import ORDERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What orders are looked for; None looks at all.

    Attributes:
        working: Those only that have not ended, or with False those that have.
        before: Those only that were submitted before.
        limit: At most so many.
    """

    status: OrderStatus | None = None
    venue: VenueName | None = None
    strategy: str | None = None
    symbol: Symbol | None = None
    working: bool | None = None
    before: datetime | None = None
    limit: int = 100


def listing(connection: Connection, wanted: Wanted) -> list[Order]:
    """The orders that are wanted, the newest first."""
    columns = ORDERS.c
    query = select(ORDERS).order_by(columns.submitted_at_us.desc(), columns.client_order_id).limit(wanted.limit)
    equal = (
        (columns.status, wanted.status),
        (columns.venue, wanted.venue),
        (columns.strategy, wanted.strategy),
        (columns.symbol, wanted.symbol),
    )
    for column, value in equal:
        if value is not None:
            query = query.where(column == value)
    if wanted.working is not None:
        ended = columns.ended_at_us
        query = query.where(ended.is_(None) if wanted.working else ended.is_not(None))
    if wanted.before is not None:
        query = query.where(columns.submitted_at_us < microseconds(wanted.before))
    return store.orders(connection, query)
