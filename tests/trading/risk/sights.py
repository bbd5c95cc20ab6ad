"""Orders and sights for tests of the gate: all is well until a test says otherwise."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from services.contracts.market import Instrument, Side, Symbol
from services.contracts.orders import IntentId, OrderIntent, OrderTicket, TradingState, VenueName
from services.trading.risk.sight import Account, Exposure, Market, Reference, Sight, VerdictState

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
ALPHA, BETA = VenueName("alpha"), VenueName("beta")
AAPL, MSFT = Symbol("AAPL"), Symbol("MSFT")


def ticket(**changed: Any) -> OrderTicket:  # noqa: ANN401 -- any field of a ticket
    """Ten shares of AAPL at the market, worth 1,000 dollars in `sight`."""
    return OrderTicket.model_validate({"symbol": AAPL, "side": Side.BUY, "quantity": Decimal(10), **changed})


def intent(order: OrderTicket | None = None, **changed: Any) -> OrderIntent:  # noqa: ANN401 -- any field of an intent
    values: dict[str, Any] = {"intent_id": IntentId("sl-1"), "strategy": "trend", "signal_at": NOW}
    return OrderIntent(**{**values, "ticket": ticket() if order is None else order, **changed})


def exposure(position: int | Decimal = 0, *, price: int | Decimal = 100, **changed: Any) -> Exposure:  # noqa: ANN401 -- any field of an exposure
    values = {"venue": ALPHA, "symbol": AAPL, **changed}
    return Exposure(**{**values, "position": Decimal(position), "price": Decimal(price)})


def account(**changed: Any) -> Account:  # noqa: ANN401 -- any field of an account
    return replace(Account(buying_power=Decimal(100_000), equity=Decimal(100_000)), **changed)


def sight(**changed: Any) -> Sight:  # noqa: ANN401 -- any field of a sight
    """An open market, a ready venue and nothing held."""
    well = Sight(
        at=NOW,
        venue=ALPHA,
        state=TradingState.ACTIVE,
        verdict=VerdictState.VALID,
        instrument=Instrument(symbol=AAPL),
        market=Market.OPEN,
        reference=Reference(Decimal(100), NOW),
        account=account(),
    )
    return replace(well, **changed)
