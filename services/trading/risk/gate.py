"""The gate: every order passes it or is denied, with the reason and what to change.

Pure and total: it raises for no order and no sight, however large, small or nonsensical their numbers. A number that
cannot be compared passes no limit. An order that reduces a position is spared by every rule about exposure: whoever
wants out gets out. What has to be right for it too is its form, and that trading is not halted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, localcontext
from typing import Final

from services.contracts.orders import OrderIntent
from services.trading.risk import rules_of_form as form
from services.trading.risk import rules_of_size as size
from services.trading.risk import rules_of_standing as standing
from services.trading.risk.limits import Limits
from services.trading.risk.question import Denied, Question
from services.trading.risk.sight import Sight

# Nothing is trapped: what overflows is infinite, what makes no sense is NaN, and neither is within any limit.
_TOTAL: Final = Context(prec=50, traps=[])


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `spares_reducing` when orders that only take away from a position are not asked."""

    refusal: Callable[[Question], Denied | None]
    spares_reducing: bool = True


RULES: Final = (
    Rule(standing.trading_state, spares_reducing=False),
    Rule(standing.signal_fresh, spares_reducing=False),
    Rule(standing.verdict),
    Rule(standing.readiness),
    Rule(form.lot, spares_reducing=False),
    Rule(form.tick, spares_reducing=False),
    Rule(standing.instrument),
    Rule(standing.market_open, spares_reducing=False),
    Rule(form.reference_price),
    Rule(form.price_collar, spares_reducing=False),
    Rule(standing.unknown_in_symbol),
    Rule(size.daily_loss),
    Rule(size.open_orders),
    Rule(size.order_rate),
    Rule(size.exposures_known),
    Rule(size.order_notional),
    Rule(size.symbol_notional),
    Rule(size.gross_exposure),
    Rule(size.net_exposure),
    Rule(size.day_trader),
    Rule(size.buying_power),
)
"""All rules in the order in which they are asked: the first that refuses is the reason that is told."""


def check(intent: OrderIntent, sight: Sight, limits: Limits) -> Denied | None:
    """What the first rule that refuses says; None when all let the order pass.

    `limits` are the general ones; the intent's strategy takes its own out of them. Raises nothing.
    """
    question = Question(intent, sight, limits.of(intent.strategy))
    with localcontext(_TOTAL):
        for rule in RULES:
            if rule.spares_reducing and question.reducing:
                continue
            denied = rule.refusal(question)
            if denied is not None:
                return denied
    return None
