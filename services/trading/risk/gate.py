"""The gate: every order passes it or is denied, with the reason and what to change.

Pure and total: it raises for no order and no sight, however large, small or nonsensical their numbers. A number that
cannot be compared passes no limit.
"""

from dataclasses import dataclass
from decimal import Context, localcontext
from typing import Final

from services.contracts.orders import DenyReason, OrderIntent
from services.trading.risk.limits import Limits
from services.trading.risk.sight import Sight


@dataclass(frozen=True, slots=True)
class Denied:
    """Why an order is not sent, with the numbers, and what to change."""

    reason: DenyReason
    detail: str


def check(intent: OrderIntent, sight: Sight, limits: Limits) -> Denied | None:
    """What the first rule that refuses says; None when all let the order pass.

    Args:
        limits: The general ones; those of the intent's strategy are taken from them.
    """
    raise NotImplementedError
