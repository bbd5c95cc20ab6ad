"""Fills for tests of the portfolio."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Final

from services.contracts.market import Side, Symbol
from services.contracts.orders import ClientOrderId, ExecutionId, Fill, Source, VenueName

NOON: Final = datetime(2026, 3, 2, 17, tzinfo=UTC)  # in New York
ALPHA, BETA = VenueName("alpha"), VenueName("beta")
AAPL, MSFT = Symbol("AAPL"), Symbol("MSFT")

_numbers = count(1)


def fill(  # noqa: PLR0913 -- an execution has that many sides
    quantity: int | str | Decimal,
    price: int | str | Decimal,
    *,
    fee: str | Decimal = "0",
    venue: VenueName = ALPHA,
    symbol: Symbol = AAPL,
    at: datetime = NOON,
) -> Fill:
    """An execution; a negative quantity sells."""
    signed = Decimal(quantity)
    return Fill(
        execution_id=ExecutionId(f"e{next(_numbers)}"),
        client_order_id=ClientOrderId("sl-1.0"),
        venue=venue,
        symbol=symbol,
        side=Side.BUY if signed > 0 else Side.SELL,
        quantity=abs(signed),
        price=Decimal(price),
        cumulative=abs(signed),
        fee=Decimal(fee),
        executed_at=at,
        source=Source.STREAM,
    )
