"""Venues to choose from in tests of routing."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from services.contracts.market import OrderClass, OrderType, Side, Symbol, TimeInForce
from services.contracts.orders import OrderTicket, VenueName
from services.trading.brokers.port import Capabilities
from services.trading.routing.choice import Candidate

ALPHA, BETA, GAMMA = VenueName("alpha"), VenueName("beta"), VenueName("gamma")
ALL: Final = Capabilities(
    live_orders=True,
    idempotent_submit=True,
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    order_classes=frozenset(OrderClass),
)


def venue(
    name: VenueName,
    score: float = 1.0,
    *,
    healthy: bool = True,
    **can: Any,  # noqa: ANN401 -- any field of the capabilities
) -> Candidate:
    return Candidate(
        venue=name,
        capabilities=replace(ALL, **can),
        healthy=healthy,
        score=score,
        why_not=() if healthy else ("its stream is mute",),
    )


def ticket(side: Side = Side.BUY, quantity: int | Decimal = 10, **changed: Any) -> OrderTicket:  # noqa: ANN401 -- any field of a ticket
    values = {"symbol": Symbol("AAPL"), "side": side, "quantity": Decimal(quantity)}
    return OrderTicket.model_validate({**values, **changed})
