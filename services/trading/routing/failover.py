"""Whether an intent may go on to another venue after what became of its order: a table, and nothing else decides it.

The rule behind it: a second order needs proof that the first one does not work. Whoever is not sure, waits.
"""

from dataclasses import dataclass
from decimal import Decimal

from services.contracts.trading import FailoverCause
from services.trading.brokers.port import NotSent, Rejected, SubmitOutcome


@dataclass(frozen=True, slots=True)
class Canceled:
    """The venue has confirmed the cancel; `filled` of the order are. Having asked for one is no confirmation."""

    filled: Decimal


@dataclass(frozen=True, slots=True)
class Onward:
    """What may go on to another venue, and what proves it."""

    cause: FailoverCause
    quantity: Decimal


def may_fail_over(outcome: SubmitOutcome | Canceled, quantity: Decimal, *, closes: bool) -> Onward | None:
    """What may go on to another venue; None when nothing may.

    Args:
        outcome: What became of the order at the first venue.
        quantity: The order's, in shares.
        closes: It closes a position: the shares are at the first venue and nowhere else.
    """
    if closes:
        return None
    match outcome:
        case NotSent():
            return Onward(FailoverCause.NOT_SENT, quantity)
        case Rejected(unauthorised=True) | Rejected(venue_side=True):
            return Onward(FailoverCause.REJECTED, quantity)
        case Canceled(filled=filled) if filled < quantity:
            return Onward(FailoverCause.CANCELED, quantity - filled)
        case _:  # accepted, rejected for what it is, filled, or nobody knows
            return None
