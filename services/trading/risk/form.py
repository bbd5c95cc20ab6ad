"""The form in which an order is checked and sent: one value, written in one way."""

from decimal import Decimal

from services.contracts.market import on_tick, tick_at
from services.contracts.orders import OrderTicket, StopLoss
from services.trading.portfolio.position import plain


def fitted(ticket: OrderTicket) -> OrderTicket:
    """The ticket with its prices written to the tick and its quantity without trailing zeros.

    Nothing is rounded: a price that lies between two ticks stays, and the gate denies it.
    """
    stop_loss = ticket.stop_loss
    if stop_loss is not None:
        stop_loss = StopLoss(stop_price=_fitted(stop_loss.stop_price), limit_price=_optional(stop_loss.limit_price))
    return ticket.model_copy(
        update={
            "quantity": plain(ticket.quantity),
            "limit_price": _optional(ticket.limit_price),
            "stop_price": _optional(ticket.stop_price),
            "take_profit": _optional(ticket.take_profit),
            "stop_loss": stop_loss,
        }
    )


def _optional(price: Decimal | None) -> Decimal | None:
    return None if price is None else _fitted(price)


def _fitted(price: Decimal) -> Decimal:
    return price.quantize(tick_at(price)) if on_tick(price) else price
