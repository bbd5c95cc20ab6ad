"""Facts about orders, venues and the state of trading.

A fact about an order has the client order id as its subject, one about a venue the venue's name, one about trading as a
whole the word "trading". Facts about one order are so delivered in the order in which they happened.
"""

from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, NonNegativeFloat, NonNegativeInt

from services.contracts.events import Event
from services.contracts.market import OrderType, Side, Symbol
from services.contracts.orders import (
    DenyReason,
    ExecutionId,
    IntentId,
    OrderStatus,
    Source,
    StrategyName,
    TradingState,
    VenueName,
    VenueOrderId,
)


class FailoverCause(StrEnum):
    """What proved that an intent could go on to another venue."""

    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    CANCELED = "canceled"


class CircuitState(StrEnum):
    """Whether a venue is used: closed as usual, open not at all, half_open to try it with one order."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Drift(StrEnum):
    """What reconciliation found to be different at the venue."""

    MISSED_FILL = "missed_fill"
    MISSED_STATUS = "missed_status"
    MISSING_AT_VENUE = "missing_at_venue"
    FOREIGN_ORDER = "foreign_order"  # at the venue, under no client order id of ours
    POSITION = "position"


class OrderIncidentKind(StrEnum):
    """What happened to an order that should not happen; each is looked at by a person or a pipeline."""

    LATE_FILL = "late_fill"
    OVERFILL = "overfill"
    ILLEGAL_TRANSITION = "illegal_transition"
    UNREADABLE_FRAME = "unreadable_frame"
    UNKNOWN_STATUS = "unknown_status"
    TERMS_DIFFER = "terms_differ"  # the venue's order is not the one that was sent
    ORPHAN = "orphan"  # at the venue under a client order id of ours that is not in our books


class _OrderFact(Event):
    venue: VenueName
    strategy: StrategyName
    symbol: Symbol
    side: Side


class OrderDenied(Event):
    """The gate let nothing through; nothing was sent. The subject is the intent's id."""

    event_type: ClassVar[str] = "trading.order_denied"

    strategy: StrategyName
    symbol: Symbol
    side: Side
    quantity: Decimal
    reason: DenyReason
    detail: str


class _Transition(_OrderFact):
    """An order changed its status.

    Attributes:
        sequence: Counts the order's transitions from 1.
        was: The status before; None for the first.
        substatus: The venue's own word, "" without one.
        reason: In words, "" where the status says it all.
    """

    intent_id: IntentId
    sequence: NonNegativeInt
    was: OrderStatus | None
    now: OrderStatus
    source: Source
    substatus: str = ""
    reason: str = ""


class OrderSubmitting(_Transition):
    """The intent is committed for good and is about to be sent."""

    event_type: ClassVar[str] = "trading.order_submitting"

    order_type: OrderType
    quantity: Decimal


class OrderNotSent(_Transition):
    """Provably nothing was sent."""

    event_type: ClassVar[str] = "trading.order_not_sent"


class OrderAccepted(_Transition):
    """The venue has the order and works it."""

    event_type: ClassVar[str] = "trading.order_accepted"

    venue_order_id: VenueOrderId


class OrderRejected(_Transition):
    """The venue will not have the order."""

    event_type: ClassVar[str] = "trading.order_rejected"


class OrderUnknown(_Transition):
    """Something was sent and no answer came: the order's whole quantity stays reserved until the venue says."""

    event_type: ClassVar[str] = "trading.order_unknown"


class OrderResolved(_Transition):
    """What was unknown is known now."""

    event_type: ClassVar[str] = "trading.order_resolved"

    unknown_seconds: NonNegativeFloat


class OrderChanged(_Transition):
    """Any other change of a working order: a cancel or a replacement under way, a suspension, back to open."""

    event_type: ClassVar[str] = "trading.order_changed"


class OrderFilled(_Transition):
    """The order is filled whole."""

    event_type: ClassVar[str] = "trading.order_filled"

    quantity: Decimal
    average_price: Decimal


class OrderEnded(_Transition):
    """The order ended with less than its quantity: canceled, expired or replaced."""

    event_type: ClassVar[str] = "trading.order_ended"

    filled: Decimal


class FillBooked(_OrderFact):
    """An execution is in the ledger.

    Attributes:
        delay_seconds: From the execution to its booking.
        slippage_bps: How much worse than the reference price, in basis points; None without a reference.
        submit_traceparent: Trace context of the submit that this fill belongs to, "" when there was none.
    """

    event_type: ClassVar[str] = "trading.fill_booked"

    execution_id: ExecutionId
    quantity: Decimal
    price: Decimal
    source: Source
    inferred: bool
    late: bool
    delay_seconds: NonNegativeFloat
    slippage_bps: float | None = None
    submit_traceparent: str = ""


class OrderIncident(Event):
    """Something happened to an order that should not happen. What was told is kept and nothing was dropped."""

    event_type: ClassVar[str] = "trading.order_incident"

    venue: VenueName
    kind: OrderIncidentKind
    detail: str


class FailedOver(Event):
    """An intent went on to another venue. The subject is the intent's id."""

    event_type: ClassVar[str] = "trading.failed_over"

    from_venue: VenueName
    to_venue: VenueName
    cause: FailoverCause
    symbol: Symbol
    quantity: Decimal


class Reconciled(Event):
    """Our books were compared with the venue's and made equal. The subject is the venue."""

    event_type: ClassVar[str] = "trading.reconciled"

    trigger: str  # start, interval, reconnect, unknown_order, operator
    orders: NonNegativeInt
    differences: NonNegativeInt
    duration_seconds: NonNegativeFloat


class ReconciliationFailed(Event):
    """The venue could not be compared with. The subject is the venue."""

    event_type: ClassVar[str] = "trading.reconciliation_failed"

    trigger: str
    reason: str


class DriftFound(Event):
    """Reconciliation found a difference. The subject is the venue."""

    event_type: ClassVar[str] = "trading.drift_found"

    kind: Drift
    symbol: Symbol
    detail: str


class SplitBooked(Event):
    """A share that is held was split, and our books follow. The subject is the venue.

    Attributes:
        ratio: New shares for an old one.
        before: Shares that were held, negative when short.
    """

    event_type: ClassVar[str] = "trading.split_booked"

    symbol: Symbol
    ratio: Decimal
    before: Decimal


class StreamConnected(Event):
    """A venue's stream stands. The subject is the venue."""

    event_type: ClassVar[str] = "trading.stream_connected"


class StreamLost(Event):
    """A venue's stream is gone, or was given up because it was mute. The subject is the venue."""

    event_type: ClassVar[str] = "trading.stream_lost"

    reason: str


class CircuitChanged(Event):
    """A venue is used again, or no more. The subject is the venue."""

    event_type: ClassVar[str] = "trading.circuit_changed"

    was: CircuitState
    now: CircuitState
    reason: str


class VenueHeld(Event):
    """Somebody holds a venue back: nothing new is opened there. The subject is the venue."""

    event_type: ClassVar[str] = "trading.venue_held"

    actor: str
    reason: str


class VenueRestored(Event):
    """A hold on a venue was lifted. The subject is the venue.

    Attributes:
        held_seconds: Since the first of the holds that were lifted.
        still_held_by: Who holds it all the same; empty when nobody does.
    """

    event_type: ClassVar[str] = "trading.venue_restored"

    actor: str
    reason: str
    held_seconds: NonNegativeFloat
    still_held_by: tuple[str, ...] = ()


class TradingStateChanged(Event):
    """What trading may do has changed. The subject is "trading"."""

    event_type: ClassVar[str] = "trading.state_changed"

    was: TradingState
    now: TradingState
    actor: str
    reason: str


class KillSwitchPulled(Event):
    """Everything is being cancelled and flattened. The subject is "trading"."""

    event_type: ClassVar[str] = "trading.kill_switch_pulled"

    actor: str
    reason: str


class KillSwitchDone(Event):
    """The kill switch ended. The subject is "trading".

    Attributes:
        flat: Every venue confirmed that nothing works and nothing is held.
        left: What could not be done, in words; "" when all was.
    """

    event_type: ClassVar[str] = "trading.kill_switch_done"

    canceled: NonNegativeInt
    flattened: NonNegativeInt
    duration_seconds: NonNegativeFloat
    flat: bool
    left: str


class ReadinessChanged(Event):
    """A venue became ready for orders, or is no more. The subject is the venue."""

    event_type: ClassVar[str] = "trading.readiness_changed"

    ready: bool
    reasons: tuple[str, ...]
    at: AwareDatetime
