"""Short words for crafted cases: bars of one minute, orders for ten shares, happenings to look for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from services.contracts.market import Bar, OrderType, Side, Symbol, TimeInForce
from services.contracts.orders import VenueOrderId
from services.matching.costs import Costs
from services.matching.happenings import Filled, Happening
from services.matching.market import Matcher
from services.matching.orders import WorkingOrder
from services.matching.rules import FillRule, Rules

ACME = Symbol("ACME")
START = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
BUY, SELL = Side.BUY, Side.SELL

Told = TypeVar("Told")


def minute(number: int) -> datetime:
    """The start of the number-th bar."""
    return START + timedelta(minutes=number)


def bar(number: int, prices: str, volume: int = 1000, symbol: Symbol = ACME) -> Bar:
    """The number-th bar; prices are open, high, low and close."""
    open_, high, low, close = (Decimal(each) for each in prices.split())
    return Bar(symbol, minute(number), 60, open_, high, low, close, Decimal(volume))


def order(  # noqa: PLR0913 -- each is one term of the order
    name: str,
    side: Side = BUY,
    quantity: str = "10",
    *,
    limit: str | None = None,
    stop: str | None = None,
    tif: TimeInForce = TimeInForce.DAY,
    symbol: Symbol = ACME,
) -> WorkingOrder:
    """An order; which prices it has says its type."""
    kinds = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }
    return WorkingOrder(
        order_id=VenueOrderId(name),
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        submitted_at=START,
        order_type=kinds[limit is not None, stop is not None],
        limit_price=None if limit is None else Decimal(limit),
        stop_price=None if stop is None else Decimal(stop),
        time_in_force=tif,
    )


def matcher(rule: FillRule = FillRule.NEXT_BAR, *, participation: str | None = None, **costs: str | int) -> Matcher:
    """A matcher; costs are those of `Costs`, as text or numbers."""
    share = None if participation is None else Decimal(participation)
    ticks = int(costs.pop("slippage_ticks", 0))
    priced = Costs(slippage_ticks=ticks, **{name: Decimal(value) for name, value in costs.items()})
    return Matcher(priced, Rules(fill_rule=rule, participation=share))


def of(kind: type[Told], told: list[Happening]) -> list[Told]:
    """The happenings of one kind."""
    return [each for each in told if isinstance(each, kind)]


def fills(told: list[Happening]) -> list[tuple[str, str, str]]:
    """Who filled how much at what price."""
    return [(each.order_id, f"{each.quantity.normalize():f}", str(each.price)) for each in of(Filled, told)]


def words(told: list[Happening]) -> list[str]:
    """What happened in short: "Filled buy"."""
    return [f"{type(each).__name__} {each.order_id}" for each in told]
