"""Rules that limit how much: of one order, of a symbol, of everything, in a time, and in a day.

Each passes what is provably within its limit, so that a number that cannot be compared is denied.
"""

from decimal import Decimal
from itertools import takewhile
from typing import Final

from services.contracts.orders import DenyReason
from services.trading.risk.question import Denied, Question, dollars, plainly, sound

_DAY_TRADES: Final = 3
_DAY_TRADER_EQUITY: Final = Decimal(25_000)


def exposures_known(question: Question) -> Denied | None:
    """Whatever is held or works has a quantity and a price."""
    for each in question.sight.exposures:
        if not all(map(sound, (each.position, each.buying, each.selling, each.price))):
            detail = (
                f"Nobody can say what {each.symbol} at {each.venue} is worth: no price of it is known. Wait for one."
            )
            return Denied(DenyReason.NO_REFERENCE_PRICE, detail)
    return None


def order_notional(question: Question) -> Denied | None:
    """What the order is worth."""
    worth, limit = question.worth, question.limits.order_notional
    if worth <= limit:
        return None
    most = limit // question.price
    detail = f"The order is worth {dollars(worth)} dollars, the limit is {dollars(limit)} (order_notional)."
    return Denied(DenyReason.ORDER_NOTIONAL, f"{detail} Send at most {plainly(most)} shares at this price.")


def symbol_notional(question: Question) -> Denied | None:
    """What the symbol comes to at all venues."""
    return _within(
        question.before.symbol,
        question.after.symbol,
        question.limits.symbol_notional,
        DenyReason.SYMBOL_NOTIONAL,
        f"{question.ticket.symbol} would come to {{after}} dollars with what works, it is at {{before}}, the limit is"
        " {limit} (symbol_notional). Send less, or cancel what works.",
    )


def gross_exposure(question: Question) -> Denied | None:
    """What long and short come to together."""
    return _within(
        question.before.gross,
        question.after.gross,
        question.limits.gross_exposure,
        DenyReason.GROSS_EXPOSURE,
        "Long and short together would come to {after} dollars with what works, they are at {before}, the limit is"
        " {limit} (gross_exposure). Send less, or close something.",
    )


def net_exposure(question: Question) -> Denied | None:
    """What long and short differ by."""
    return _within(
        question.before.net,
        question.after.net,
        question.limits.net_exposure,
        DenyReason.NET_EXPOSURE,
        "Long less short would come to {after} dollars with what works, it is at {before}, the limit is {limit}"
        " (net_exposure). Send less, or close something on the same side.",
    )


def open_orders(question: Question) -> Denied | None:
    """How many orders work."""
    working, limit = question.sight.open_orders, question.limits.open_orders
    if working < limit:
        return None
    detail = f"{working} orders work already, the limit is {limit} (open_orders). Cancel some first."
    return Denied(DenyReason.OPEN_ORDERS, detail)


def order_rate(question: Question) -> Denied | None:
    """How many orders were sent lately: in a window that slides."""
    window, limit, at = question.limits.rate_window_seconds, question.limits.orders_in_window, question.sight.at
    sent_at = question.sight.sent_at
    # One look tells whether there are as many: thousands may have been sent within the window.
    if limit and (len(sent_at) < limit or (at - sent_at[-limit]).total_seconds() >= window):
        return None
    ages = ((at - sent).total_seconds() for sent in reversed(sent_at))
    lately = list(takewhile(lambda age: age < window, ages))
    # The order whose leaving of the window makes room for one more.
    wait = window - lately[limit - 1] if limit else window
    detail = f"{len(lately)} orders were sent within {window:,.0f} s, the limit is {limit} (orders_in_window)."
    return Denied(DenyReason.ORDER_RATE, f"{detail} Try again in {wait:,.1f} s." if limit else detail)


def daily_loss(question: Question) -> Denied | None:
    """What the session has lost so far."""
    result, limit = question.sight.day_result, question.limits.daily_loss
    if result > -limit:
        return None
    detail = f"The session has lost {dollars(-result)} dollars so far, the limit is {dollars(limit)} (daily_loss)."
    return Denied(DenyReason.DAILY_LOSS, f"{detail} What reduces a position still passes.")


def buying_power(question: Question) -> Denied | None:
    """What the account can pay, and how much it may be geared."""
    account, venue, limits = question.sight.account, question.sight.venue, question.limits
    if account is None:
        detail = f"{venue} has not told its buying power yet. Wait for the first reconciliation."
        return Denied(DenyReason.BUYING_POWER, detail)
    free = account.buying_power - account.committed
    if not question.cost <= free:
        detail = f"The order takes {dollars(question.cost)} dollars of buying power, {venue} has {dollars(free)} left."
        return Denied(DenyReason.BUYING_POWER, f"{detail} Send less, or close something.")
    most = account.equity * limits.leverage
    if not question.after.venue <= most:
        detail = (
            f"{venue} would carry {dollars(question.after.venue)} dollars on {dollars(account.equity)} of equity, the"
            f" limit is {limits.leverage} times that (leverage). Send less, or close something."
        )
        return Denied(DenyReason.BUYING_POWER, detail)
    return None


def day_trader(question: Question) -> Denied | None:
    """Where the broker still counts day trades: no position that could not be closed on the same day."""
    account, venue = question.sight.account, question.sight.venue
    if account is None or not question.limits.at(venue).pattern_day_trader or account.equity >= _DAY_TRADER_EQUITY:
        return None
    if account.day_trades is not None and account.day_trades < _DAY_TRADES:
        return None
    counted = "an unknown number of" if account.day_trades is None else account.day_trades
    detail = (
        f"{venue} counts day trades: {counted} in five sessions, {_DAY_TRADES} are allowed below"
        f" {dollars(_DAY_TRADER_EQUITY)} dollars of equity. Wait, or clear pattern_day_trader if it no longer does."
    )
    return Denied(DenyReason.BUYING_POWER, detail)


def _within(before: Decimal, after: Decimal, limit: Decimal, reason: DenyReason, words: str) -> Denied | None:
    # What is over its limit already, because prices moved or the limit did, is not made worse by this order.
    if after <= limit or after <= before:
        return None
    return Denied(reason, words.format(before=dollars(before), after=dollars(after), limit=dollars(limit)))
