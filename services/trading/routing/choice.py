"""Which venues an order may go to, the best first. Pure.

- A venue of a research source takes no order, whatever it says of itself otherwise.
- What closes a position goes to the venue that holds it, in whatever state that is: nowhere else are the shares.
- New exposure goes to healthy venues that can do what is asked, by score. The one in use stays in use until it is no
  longer healthy or another is better by a margin: venues that are about equal do not take turns.
- No symbol is held long at one venue and short at another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.contracts.market import Side
from services.contracts.orders import DenyReason, OrderTicket, VenueName
from services.trading.brokers.port import Capabilities

_NOTHING: Final = Decimal(0)
_MARGIN: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A venue that is set up.

    Attributes:
        healthy: It is ready and its circuit allows a new order.
        score: From 0 to 1, see `health.score`.
        why_not: What keeps it from being healthy, in words.
    """

    venue: VenueName
    capabilities: Capabilities
    healthy: bool
    score: float = 1.0
    why_not: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What a venue holds of the order's symbol, in shares; `closing` of them are being closed by working orders."""

    quantity: Decimal
    closing: Decimal = _NOTHING


@dataclass(frozen=True, slots=True)
class Choice:
    """Where an order may go: the best venue first. Without one, `reason` and `detail` say why.

    Attributes:
        nearest: Where it would go if any of those that can do it were healthy: the gate, asked about that venue, may
            say more exactly what is in the way. None with a venue, and when no venue can do it.
    """

    venues: tuple[VenueName, ...]
    reason: DenyReason | None = None
    detail: str = ""
    nearest: VenueName | None = None


def rank(
    candidates: Sequence[Candidate],
    ticket: OrderTicket,
    holdings: Mapping[VenueName, Held],
    in_use: VenueName | None = None,
    *,
    margin: float = _MARGIN,
) -> Choice:
    """Where the order may go.

    Args:
        candidates: The venues that are set up.
        ticket: The order.
        holdings: By venue, what is held of the order's symbol; also at venues that are no candidates.
        in_use: The venue that took the last order for new exposure.
        margin: How much better another's score has to be to take its place.
    """
    against = {venue: held for venue, held in holdings.items() if held.quantity * ticket.side.sign < 0}
    if against:
        return _at_holder(candidates, ticket, against)
    able, refusals = _able(candidates, ticket, opens=True)
    if not able:
        return Choice((), DenyReason.NOT_SUPPORTED, f"No venue can take this order: {_listed(refusals)}.")
    return _healthy(able, in_use, margin)


def _at_holder(candidates: Sequence[Candidate], ticket: OrderTicket, holders: Mapping[VenueName, Held]) -> Choice:
    free = {venue: abs(held.quantity) - held.closing for venue, held in holders.items()}
    enough = [venue for venue, quantity in free.items() if quantity >= ticket.quantity]
    if not enough and len(holders) > 1:
        shares = ", ".join(f"{quantity} at {venue}" for venue, quantity in sorted(free.items()))
        detail = f"No venue holds {ticket.quantity} {ticket.symbol} that could be closed: {shares}. Send one for each."
        return Choice((), DenyReason.HELD_ELSEWHERE, detail)
    # Of several that hold enough, the one whose position comes closest: it is then closed whole.
    venue = min(enough or holders, key=lambda each: (free[each], each))
    candidate = next((each for each in candidates if each.venue == venue), None)
    if candidate is None:
        detail = f"{ticket.symbol} is held at {venue}, which is not set up. Add it to the venues, or close it there."
        return Choice((), DenyReason.HELD_ELSEWHERE, detail)
    able, refusals = _able([candidate], ticket, opens=not enough)
    if not able:
        return Choice((), DenyReason.NOT_SUPPORTED, f"{venue} holds the shares: {_listed(refusals)}.")
    return Choice((venue,)) if enough else _healthy(able, venue, 0.0)


def _healthy(able: Sequence[Candidate], in_use: VenueName | None, margin: float) -> Choice:
    healthy = sorted((each for each in able if each.healthy), key=lambda each: (-each.score, each.venue))
    if not healthy:
        reasons = _listed({each.venue: ", ".join(each.why_not) or "not healthy" for each in able})
        detail = f"No venue takes new orders at present: {reasons}. `sightline trading` shows when one does."
        return Choice((), DenyReason.NO_VENUE, detail, nearest=_nearest(able, in_use))
    kept = next((each for each in healthy if each.venue == in_use), None)
    if kept is not None and healthy[0].score <= kept.score + margin:
        healthy.remove(kept)
        healthy.insert(0, kept)
    return Choice(tuple(each.venue for each in healthy))


def _nearest(able: Sequence[Candidate], in_use: VenueName | None) -> VenueName:
    return min(able, key=lambda each: (each.venue != in_use, -each.score, each.venue)).venue


def _able(
    candidates: Sequence[Candidate], ticket: OrderTicket, *, opens: bool
) -> tuple[list[Candidate], dict[VenueName, str]]:
    """Those that can do what is asked, and of the others what they cannot."""
    able: list[Candidate] = []
    refusals: dict[VenueName, str] = {}
    for candidate in candidates:
        missing = [words for lacks, words in _REFUSALS if lacks(candidate.capabilities, ticket, opens)]
        if missing:
            refusals[candidate.venue] = missing[0].format(ticket=ticket)
        else:
            able.append(candidate)
    return able, refusals


def _listed(reasons: Mapping[VenueName, str]) -> str:
    return "; ".join(f"{venue} {reason}" for venue, reason in sorted(reasons.items())) or "none is set up"


_REFUSALS: Final[tuple[tuple[Callable[[Capabilities, OrderTicket, bool], bool], str], ...]] = (
    (lambda can, _, __: not can.live_orders, "is for research and takes no orders"),
    (lambda can, ticket, _: ticket.order_type not in can.order_types, "takes no {ticket.order_type} orders"),
    (lambda can, ticket, _: ticket.time_in_force not in can.times_in_force, "takes no {ticket.time_in_force} orders"),
    (lambda can, ticket, _: ticket.order_class not in can.order_classes, "takes no {ticket.order_class} orders"),
    (lambda can, ticket, opens: opens and ticket.side is Side.SELL and not can.shorting, "does not sell short"),
)
