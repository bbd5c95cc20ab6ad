"""What a session earned: by what it began with, what was traded in it, and what is held now.

The result of a day is the value of what is held, less the value of what the session began with, plus what came in by
trading. Everything that was earned or lost since the opening is in it, whether it was realised or not, and nothing that
was earned before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, localcontext
from typing import Final
from zoneinfo import ZoneInfo

from services.contracts.market import Symbol
from services.contracts.orders import Fill, VenueName
from services.trading.portfolio.position import EXACT, Position, plain

_NOTHING: Final = Decimal(0)

PositionKey = tuple[VenueName, Symbol]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLine:
    """One position's part in a session. Money is in dollars.

    Attributes:
        opening_quantity: Shares held when the session began.
        opening_price: What a share was worth then; where nobody knew, what it had cost.
        flow: What fills brought in less fees and less what adopted shares were worth.
        realised: Profit from what was closed, before fees.
        day_trades: How often what was opened in this session was closed in it.
        opened_last: The last fill opened or added, so that closing makes a day trade.
    """

    opening_quantity: Decimal = _NOTHING
    opening_price: Decimal = _NOTHING
    flow: Decimal = _NOTHING
    realised: Decimal = _NOTHING
    fees: Decimal = _NOTHING
    day_trades: int = 0
    opened_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DayResult:
    """What a session has earned so far, in dollars; losses are negative.

    Attributes:
        realised: From what was closed, before fees.
        total: Realised and unrealised, after fees.
        unmarked: Symbols held without a present price: valued at what they cost.
    """

    realised: Decimal
    fees: Decimal
    total: Decimal
    unmarked: tuple[Symbol, ...]


def session_date(moment: datetime) -> date:
    """The date in New York at an aware moment: the session that it counts to."""
    return moment.astimezone(ZoneInfo("America/New_York")).date()


def opened(position: Position, mark: Decimal | None) -> SessionLine:
    """The line of a position at the session's beginning, at what a share is worth then."""
    return SessionLine(
        opening_quantity=position.quantity, opening_price=position.average_price if mark is None else mark
    )


def traded(line: SessionLine, before: Position, after: Position, fill: Fill) -> SessionLine:
    """The line after a fill that made `after` of `before`."""
    closes = before.quantity * fill.side.sign < 0
    opens = not closes or fill.quantity > abs(before.quantity)
    with localcontext(EXACT):
        return replace(
            line,
            flow=plain(line.flow + after.cash - before.cash),
            realised=plain(line.realised + after.realised - before.realised),
            fees=plain(line.fees + fill.fee),
            day_trades=line.day_trades + (closes and line.opened_last),
            opened_last=opens,
        )


def day_result(
    lines: Mapping[PositionKey, SessionLine], positions: Iterable[Position], marks: Mapping[Symbol, Decimal]
) -> DayResult:
    """What the session of `lines` has earned, at present prices in dollars by symbol.

    A position without a line, because the session was never opened, began at what it cost.
    """
    unmarked = set()
    with localcontext(EXACT):
        total = sum((line.flow - line.opening_quantity * line.opening_price for line in lines.values()), _NOTHING)
        for position in positions:
            if not position.quantity:
                continue
            mark = marks.get(position.symbol)
            if mark is None:
                unmarked.add(position.symbol)
            total += position.cost if mark is None else position.quantity * mark
            total -= _NOTHING if (position.venue, position.symbol) in lines else position.cost
        return DayResult(
            realised=plain(sum((line.realised for line in lines.values()), _NOTHING)),
            fees=plain(sum((line.fees for line in lines.values()), _NOTHING)),
            total=plain(total),
            unmarked=tuple(sorted(unmarked)),
        )
