"""Splits over night: a strategy's account follows the books, and the strategy waits for bars that compare."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Connection, select

from services.contracts.market import Symbol
from services.trading.portfolio.tables import SPLITS


@dataclass(frozen=True, slots=True)
class BookedSplit:
    """A split that the books have taken over.

    Attributes:
        name: Tells it apart from all others.
        ratio: New shares for an old one.
    """

    name: str
    symbol: Symbol
    ratio: Decimal


def booked(connection: Connection, symbols: Sequence[Symbol], known: Sequence[str]) -> list[BookedSplit]:
    """The splits of symbols that are not known yet, oldest first. Venues book one each: it counts once."""
    query = select(SPLITS.c.symbol, SPLITS.c.session, SPLITS.c.ratio).where(SPLITS.c.symbol.in_(symbols)).distinct()
    rows = connection.execute(query.order_by(SPLITS.c.session)).all()
    found = [BookedSplit(f"{row.symbol} {row.session}", Symbol(row.symbol), Decimal(row.ratio)) for row in rows]
    return [split for split in found if split.name not in known]
