"""Rules that ask how trading, the venue and the symbol stand, whatever the order's numbers are."""

from decimal import Decimal
from typing import Final

from services.contracts.market import Side, TimeInForce
from services.contracts.orders import DenyReason, TradingState
from services.trading.risk.question import Denied, Question, plainly
from services.trading.risk.sight import Market, VerdictState
from services.trading.risk.state import KILL_SWITCH, admits

_NOTHING: Final = Decimal(0)
_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_VERDICTS: Final = {
    VerdictState.MISSING: (DenyReason.VERDICT_MISSING, "There is no preflight verdict for {venue}"),
    VerdictState.EXPIRED: (DenyReason.VERDICT_EXPIRED, "The preflight verdict for {venue} has expired"),
    VerdictState.INVALID: (DenyReason.VERDICT_INVALID, "The preflight verdict for {venue} does not count"),
}


def trading_state(question: Question) -> Denied | None:
    """Halted lets the kill switch close what is held, reducing whatever reduces."""
    state = question.sight.state
    if admits(state, question.intent.strategy, reduces=question.reducing):
        return None
    if state is TradingState.HALTED:
        return Denied(DenyReason.TRADING_HALTED, "Trading is halted. A person resumes it: `sightline resume`.")
    if question.kill_switch and state is TradingState.ACTIVE:
        detail = f"Orders of {KILL_SWITCH} only close what is held, and this one does not. Use another strategy's name."
        return Denied(DenyReason.TRADING_REDUCING, detail)
    detail = (
        f"Only orders that reduce a position pass: {question.sight.venue} has {plainly(question.held.position)}"
        f" {question.ticket.symbol}, and working orders may buy {plainly(question.held.buying)} and sell"
        f" {plainly(question.held.selling)}. A person resumes trading: `sightline resume`."
    )
    return Denied(DenyReason.TRADING_REDUCING, detail)


def signal_fresh(question: Question) -> Denied | None:
    """Not after the intent's own end; what opens exposure not long after its signal, nor before it."""
    intent, at, limits = question.intent, question.sight.at, question.limits
    if intent.expires_at is not None and at >= intent.expires_at:
        late = (at - intent.expires_at).total_seconds()
        return Denied(DenyReason.STALE_SIGNAL, f"The order was not to be sent later than {late:,.1f} s ago.")
    if question.reducing:
        return None
    age = (at - intent.signal_at).total_seconds()
    if age > limits.signal_age_seconds:
        detail = f"The signal is {age:,.1f} s old, the limit is {limits.signal_age_seconds:,.1f} (signal_age_seconds)."
        return Denied(DenyReason.STALE_SIGNAL, f"{detail} Decide anew.")
    if -age > limits.clock_tolerance_seconds:
        return Denied(DenyReason.STALE_SIGNAL, f"The signal lies {-age:,.1f} s in the future. Set the clocks right.")
    return None


def verdict(question: Question) -> Denied | None:
    """Auth vouches for the venue's account, by a verdict that is in force."""
    found = _VERDICTS.get(question.sight.verdict)
    if found is None:
        return None
    reason, words = found
    why = f": {question.sight.verdict_detail}" if question.sight.verdict_detail else ""
    told = words.format(venue=question.sight.venue) + why
    return Denied(reason, f"{told.removesuffix('.')}. `sightline preflight` shows what is wrong.")


def readiness(question: Question) -> Denied | None:
    """The venue is ready and takes orders from the account."""
    account = question.sight.account
    blocked = account is not None and account.blocked
    reasons = question.sight.unready or (("the account is blocked there",) if blocked else ())
    if not reasons:
        return None
    detail = f"{question.sight.venue} is not ready: {'; '.join(reasons)}. `sightline trading` shows when it is."
    return Denied(DenyReason.NOT_READY, detail)


def instrument(question: Question) -> Denied | None:
    """The venue knows the symbol, trades it now, and lets it be sold short where the order does that."""
    symbol, venue, known = question.ticket.symbol, question.sight.venue, question.sight.instrument
    if known is None:
        return Denied(DenyReason.UNKNOWN_SYMBOL, f"{venue} does not know {symbol}. Check how it is written.")
    if not known.tradable:
        return Denied(DenyReason.UNKNOWN_SYMBOL, f"{venue} does not trade {symbol}. Choose another symbol.")
    if known.halted:
        detail = f"Trading in {symbol} is halted. Try again when it goes on."
        return Denied(DenyReason.SYMBOL_HALTED, detail)
    if question.ticket.side is Side.SELL and not known.shortable and question.opening > 0:
        most = max(question.held.shortest, _NOTHING)
        detail = (
            f"{venue} does not lend {symbol} to be sold short. Sell at most the {plainly(most)} shares that are free."
        )
        return Denied(DenyReason.NOT_SHORTABLE, detail)
    return None


def market_open(question: Question) -> Denied | None:
    """The regular session is on, or the order may wait for it."""
    market, time_in_force = question.sight.market, question.ticket.time_in_force
    if market is Market.OPEN:
        return None
    when = "The market is closed" if market is Market.CLOSED else "The regular session is not on"
    if time_in_force in _AT_ONCE:
        detail = f"{when}: an {time_in_force.upper()} order cannot wait for it. Use day or gtc, or wait."
        return Denied(DenyReason.MARKET_CLOSED, detail)
    if question.reducing or question.limits.queue_when_closed:
        return None
    detail = f"{when}. Wait for the session, or let orders queue for it (queue_when_closed)."
    return Denied(DenyReason.MARKET_CLOSED, detail)


def unknown_in_symbol(question: Question) -> Denied | None:
    """No order in the symbol, at any venue, of which nobody knows whether it is there."""
    unknown = question.sight.unknown
    if not unknown:
        return None
    detail = (
        f"Nobody knows yet whether {', '.join(unknown)} in {question.ticket.symbol} is at its venue. It is being asked"
        " for; `sightline orders --unknown` shows how it stands."
    )
    return Denied(DenyReason.UNKNOWN_IN_SYMBOL, detail)
