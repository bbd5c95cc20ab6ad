"""What a step of the machine results in, and how it is put together."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.contracts.orders import Fill, OrderStatus, Source
from services.contracts.trading import OrderIncidentKind
from services.trading.orders.ledger import Span
from services.trading.orders.news import News
from services.trading.orders.order import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One change of an order's status.

    Attributes:
        sequence: Counts the order's transitions from 1.
        was: The status before, None for the first.
        unknown_seconds: How long the order had been unknown, where that ended.
    """

    sequence: int
    was: OrderStatus | None
    now: OrderStatus
    substatus: str
    reason: str
    source: Source
    at: datetime
    traceparent: str
    unknown_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that should not happen."""

    kind: OrderIncidentKind
    detail: str


@dataclass(frozen=True, slots=True)
class Booking:
    """An execution for the ledger, with the part of the order that it newly covers: none when it was known before."""

    fill: Fill
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What became of an order.

    Attributes:
        transitions: In the order in which they happened.
        bookings: New executions, those that cover nothing new included. One that was taken back stands as its opposite.
    """

    order: Order
    transitions: tuple[Transition, ...] = ()
    bookings: tuple[Booking, ...] = ()
    incidents: tuple[Incident, ...] = ()

    @property
    def fills(self) -> tuple[Fill, ...]:
        """What changes the position."""
        return tuple(booking.fill for booking in self.bookings if booking.fill.quantity)


@dataclass(slots=True)
class Draft:
    """An order while one piece of news is worked into it.

    Attributes:
        order: As it stands so far.
        at: Our time of the news.
    """

    order: Order
    news: News
    at: datetime
    transitions: list[Transition] = field(default_factory=list)
    bookings: list[Booking] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)

    def become(self, **changes: Any) -> None:  # noqa: ANN401 -- fields of Order
        """Change the order; when that changes its status, it is a transition."""
        before = self.order
        if all(getattr(before, name) == value for name, value in changes.items()):
            return
        after = before.changed(**changes)
        if after.status is not before.status:
            after = after.changed(sequence=before.sequence + 1, changed_at=self.at, unknown_since=self._unknown(after))
            self.transitions.append(
                Transition(
                    sequence=after.sequence,
                    was=before.status if before.sequence else None,
                    now=after.status,
                    substatus=after.substatus,
                    reason=after.reason,
                    source=self.news.source,
                    at=self.at,
                    traceparent=self.news.traceparent,
                    unknown_seconds=self._unknown_seconds(before),
                )
            )
        self.order = after

    def incident(self, kind: OrderIncidentKind, detail: str) -> None:
        """Note what should not happen."""
        self.incidents.append(Incident(kind, detail))

    def step(self) -> Step:
        """The result."""
        return Step(
            order=self.order,
            transitions=tuple(self.transitions),
            bookings=tuple(self.bookings),
            incidents=tuple(self.incidents),
        )

    def _unknown(self, after: Order) -> datetime | None:
        return self.at if after.status is OrderStatus.UNKNOWN else None

    def _unknown_seconds(self, before: Order) -> float:
        if before.unknown_since is None:
            return 0.0
        return max(0.0, (self.at - before.unknown_since).total_seconds())
