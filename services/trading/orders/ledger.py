"""What of an order is filled, as intervals of its quantity: an execution that is told twice is booked once.

A venue counts the shares of an order from 0; an execution of `quantity` that brought the count to `cumulative` covers
the interval (cumulative - quantity, cumulative]. Two ways of telling of one execution, under whatever ids and in
whatever order, cover the same interval.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from typing import Final

from services.contracts.orders import ExecutionId

EXACT: Final = Context(prec=60)
_NOTHING: Final = Decimal(0)
_PRICE_STEP: Final = Decimal("1E-9")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The shares above `start`, up to `end`."""

    start: Decimal
    end: Decimal

    @property
    def measure(self) -> Decimal:
        return self.end - self.start

    def without(self, other: "Span") -> tuple["Span", ...]:
        """What is left of this span outside of `other`."""
        below = Span(self.start, min(self.end, other.start))
        above = Span(max(self.start, other.end), self.end)
        return tuple(part for part in (below, above) if part.measure > 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """One execution as it is booked. `spans` is empty when it was known before, or was busted."""

    execution_id: ExecutionId
    spans: tuple[Span, ...]
    price: Decimal

    @property
    def quantity(self) -> Decimal:
        return measure(self.spans)


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every execution of an order that was heard of. No two entries cover the same share."""

    entries: tuple[Entry, ...] = ()

    @property
    def filled(self) -> Decimal:
        """Shares that are covered."""
        if not self.entries:
            return _NOTHING
        return sum((entry.quantity for entry in self.entries), _NOTHING)

    @property
    def value(self) -> Decimal:
        """What they cost or brought in, in dollars."""
        with localcontext(EXACT):
            return sum((entry.quantity * entry.price for entry in self.entries), _NOTHING)

    @property
    def average_price(self) -> Decimal | None:
        """Mean price of the covered shares, None when there are none."""
        filled = self.filled
        if not filled:
            return None
        with localcontext(EXACT):
            return _stepped(self.value / filled)

    def entry(self, execution_id: ExecutionId) -> Entry | None:
        """The execution of that id."""
        return next((entry for entry in self.entries if entry.execution_id == execution_id), None)

    def uncovered(self, span: Span) -> tuple[Span, ...]:
        """The parts of `span` that no execution covers yet, in order."""
        parts: tuple[Span, ...] = (span,) if span.measure > 0 else ()
        for covered in self._spans():
            parts = tuple(rest for part in parts for rest in part.without(covered))
        return tuple(sorted(parts))

    def mean_of_gap(self, filled: Decimal, average_price: Decimal) -> Decimal:
        """The price of what is uncovered up to `filled` that makes `average_price` the mean of all of it.

        The venue's mean is rounded: where that would leave a price of zero or less, the mean itself is the price.
        """
        within = Span(_NOTHING, filled)
        gap = measure(self.uncovered(within))
        with localcontext(EXACT):
            known = sum((_overlap(entry.spans, within) * entry.price for entry in self.entries), _NOTHING)
            price = _stepped((filled * average_price - known) / gap)
        return price if price > 0 else average_price

    def with_entry(self, entry: Entry) -> "Ledger":
        """The ledger with one more execution, whose spans must be uncovered."""
        return Ledger((*self.entries, entry))

    def without(self, execution_id: ExecutionId) -> "Ledger":
        """The ledger after an execution was taken back: its id stays known, what lies above it moves down."""
        gone = [span for entry in self.entries if entry.execution_id == execution_id for span in entry.spans]
        kept = (
            replace(entry, spans=() if entry.execution_id == execution_id else _moved_down(entry.spans, gone))
            for entry in self.entries
        )
        return Ledger(tuple(kept))

    def _spans(self) -> Iterable[Span]:
        return (span for entry in self.entries for span in entry.spans)


def measure(spans: Iterable[Span]) -> Decimal:
    """How many shares the spans hold together."""
    return sum((span.measure for span in spans), _NOTHING)


def _overlap(spans: Iterable[Span], within: Span) -> Decimal:
    return sum((max(_NOTHING, min(span.end, within.end) - max(span.start, within.start)) for span in spans), _NOTHING)


def _moved_down(spans: Iterable[Span], gone: Iterable[Span]) -> tuple[Span, ...]:
    moved = []
    for span in spans:
        below = _overlap(gone, Span(_NOTHING, span.start))
        moved.append(Span(span.start - below, span.end - below))
    return tuple(moved)


def _stepped(price: Decimal) -> Decimal:
    stepped = price.quantize(_PRICE_STEP)
    whole = stepped.to_integral_value()
    return whole if stepped == whole else stepped.normalize()  # never 1E+2
