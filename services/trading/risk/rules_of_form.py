"""Rules that hold the order's own numbers against ticks, lots and the market's price."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from services.contracts.market import OrderClass, OrderType, Side, TimeInForce, on_tick, tick_at
from services.contracts.orders import NEVER_ABOVE, NEVER_BELOW, DenyReason
from services.trading.risk.question import Denied, Question, plainly, sound
from services.trading.risk.sight import Market

_SMALLEST: Final = Decimal("1E-9")
_NOWHERE: Final = frozenset({NEVER_BELOW, NEVER_ABOVE})


def lot(question: Question) -> Denied | None:
    """Whole shares; a fraction only of what the venue lets be divided, by a simple market order of the day."""
    quantity = question.ticket.quantity
    if not (sound(quantity) and quantity > 0):
        return Denied(DenyReason.WRONG_LOT, "The quantity is no number above zero that can be traded. Give one.")
    if quantity % 1 == 0:
        return None
    if quantity % _SMALLEST != 0:
        detail = f"{plainly(quantity)} shares has more than nine decimals. Round it."
        return Denied(DenyReason.WRONG_LOT, detail)
    return _fraction(question)


def _fraction(question: Question) -> Denied | None:
    ticket, known, quantity = question.ticket, question.sight.instrument, question.ticket.quantity
    plain = (ticket.order_type, ticket.time_in_force, ticket.order_class)
    if plain != (OrderType.MARKET, TimeInForce.DAY, OrderClass.SIMPLE):
        detail = (
            f"{plainly(quantity)} is no whole number of shares: only simple market orders of the day may be for that."
        )
        return Denied(DenyReason.WRONG_LOT, f"{detail} Use whole shares or such an order.")
    if known is not None and not known.fractionable:
        detail = f"{question.sight.venue} does not divide {ticket.symbol}, and {plainly(quantity)} is no whole number."
        return Denied(DenyReason.WRONG_LOT, f"{detail} Use whole shares.")
    if ticket.side is Side.SELL and not question.reducing:
        detail = (
            f"A fraction cannot be sold short, and of {ticket.symbol} only {plainly(question.held.shortest)} are free."
        )
        return Denied(DenyReason.WRONG_LOT, f"{detail} Sell no more than that, or whole shares.")
    return None


def tick(question: Question) -> Denied | None:
    """Every price is one that the venues quote: a multiple of the tick."""
    for name, price in _prices(question):
        if not (sound(price) and price > 0):
            return Denied(DenyReason.WRONG_TICK, f"The {name} is no number above zero that can be a price. Give one.")
        if not on_tick(price):
            step = tick_at(price)
            below = price // step * step
            detail = f"The {name} of {price:f} is between two ticks of {step}. Use {below:f} or {below + step:f}."
            return Denied(DenyReason.WRONG_TICK, detail)
    return None


def reference_price(question: Question) -> Denied | None:
    """A price of the market is known, and while it is open, a fresh one."""
    reference, limits, symbol = question.sight.reference, question.limits, question.ticket.symbol
    if reference is None or not (sound(reference.price) and reference.price > 0):
        detail = f"No price of {symbol} is known, so that nobody can say what the order is worth. Wait for one."
        return Denied(DenyReason.NO_REFERENCE_PRICE, detail)
    age = (question.sight.at - reference.at).total_seconds()
    if question.sight.market is Market.OPEN and age > limits.reference_age_seconds:
        detail = (
            f"The last price of {symbol} is {age:,.1f} s old, the limit is {limits.reference_age_seconds:,.1f}"
            " (reference_age_seconds). Wait for a new one, or see why prices do not come."
        )
        return Denied(DenyReason.NO_REFERENCE_PRICE, detail)
    return None


def price_collar(question: Question) -> Denied | None:
    """No price far from the market's, and no limit that would trade far beyond it.

    What reduces is not held against a price that does not count.
    """
    reference = question.sight.reference
    if reference is None or reference_price(question) is not None:
        return None  # without such a price only what reduces comes here: the rule before this one has spared it
    band = question.limits.price_band
    low, high = reference.price * (1 - band), reference.price * (1 + band)
    for name, price in _prices(question):
        if price in _NOWHERE and price not in {question.ticket.limit_price, question.ticket.stop_price}:
            continue  # an exit of a bracket that is not wanted
        if not low <= price <= high:
            detail = (
                f"The {name} of {price:f} is more than {band:.0%} away from the market's {_quoted(reference.price)}"
                f" (price_band). Use one from {_quoted(low)} to {_quoted(high)}."
            )
            return Denied(DenyReason.PRICE_COLLAR, detail)
    return _beyond(question, reference.price)


def _beyond(question: Question, market: Decimal) -> Denied | None:
    ticket, collar = question.ticket, question.limits.price_collar
    if ticket.limit_price is None:
        return None
    # A stop-limit order comes to the market when its stop is reached: its limit is held against that.
    base = market if ticket.stop_price is None else ticket.stop_price
    edge = base * (1 + collar * ticket.side.sign)
    if ticket.side is Side.BUY and ticket.limit_price <= edge:
        return None
    if ticket.side is Side.SELL and ticket.limit_price >= edge:
        return None
    detail = (
        f"The limit of {ticket.limit_price:f} would trade more than {collar:.0%} beyond {_quoted(base)} (price_collar)."
        f" Use {'at most' if ticket.side is Side.BUY else 'at least'} {_quoted(edge)}."
    )
    return Denied(DenyReason.PRICE_COLLAR, detail)


def _quoted(price: Decimal) -> str:
    return f"{price.quantize(tick_at(price)):f}"


def _prices(question: Question) -> Iterator[tuple[str, Decimal]]:
    ticket = question.ticket
    stop_loss = ticket.stop_loss
    named = (
        ("limit price", ticket.limit_price),
        ("stop price", ticket.stop_price),
        ("target's price", ticket.take_profit),
        ("protective stop's price", None if stop_loss is None else stop_loss.stop_price),
        ("protective stop's limit", None if stop_loss is None else stop_loss.limit_price),
    )
    return ((name, price) for name, price in named if price is not None)
