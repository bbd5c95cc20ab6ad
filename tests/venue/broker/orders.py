"""Orders for tests, in one line each."""

from typing import Any

from alpaca.trading.enums import OrderClass, OrderSide, TimeInForce
from alpaca.trading.requests import (
    LimitOrderRequest,
    MarketOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
)


def market(side: str = "buy", qty: float = 10, **more: Any) -> MarketOrderRequest:  # noqa: ANN401 -- alpaca-py's own
    return MarketOrderRequest(**_terms(side, qty, more))


def limit(price: float, side: str = "buy", qty: float = 10, **more: Any) -> LimitOrderRequest:  # noqa: ANN401 -- alpaca-py's own
    return LimitOrderRequest(limit_price=price, **_terms(side, qty, more))


def stop(price: float, side: str = "sell", qty: float = 10, **more: Any) -> StopOrderRequest:  # noqa: ANN401 -- alpaca-py's own
    return StopOrderRequest(stop_price=price, **_terms(side, qty, more))


def bracket(target: float, protect: float, qty: float = 10) -> MarketOrderRequest:
    return market(
        qty=qty,
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=target),
        stop_loss=StopLossRequest(stop_price=protect),
    )


def oco(target: float, protect: float, qty: float = 10) -> LimitOrderRequest:
    return limit(
        target,
        "sell",
        qty,
        order_class=OrderClass.OCO,
        take_profit=TakeProfitRequest(limit_price=target),
        stop_loss=StopLossRequest(stop_price=protect),
    )


def _terms(side: str, qty: float, more: dict[str, Any]) -> dict[str, Any]:
    return {"symbol": "AAPL", "qty": qty, "side": OrderSide(side), "time_in_force": TimeInForce.DAY, **more}
