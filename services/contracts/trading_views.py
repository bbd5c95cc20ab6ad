"""What is asked of trading over HTTP, and what it tells."""

from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeInt, StringConstraints

from services.contracts.market import Side, Symbol
from services.contracts.orders import (
    ClientOrderId,
    DenyReason,
    Fill,
    IntentId,
    OrderStatus,
    OrderTicket,
    Price,
    Quantity,
    Source,
    StrategyName,
    TradingState,
    VenueName,
    VenueOrderId,
)
from services.contracts.trading import CircuitState, OrderIncidentKind

Words = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A sentence for people; no control characters."""


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


# --- what is asked


class OrderRequest(_Asked):
    """A wish to trade. The same strategy, symbol, moment and leg are the same wish, and get the same answer.

    Attributes:
        signal_at: When it was decided. A caller that gives none gets the moment of arrival, and must not repeat.
        expires_at: Not to be sent from this moment on.
        reference_price: The price that it was decided at, in dollars.
    """

    strategy: StrategyName = "operator"
    leg: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")] = "entry"
    signal_at: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    reference_price: Price | None = None
    ticket: OrderTicket


class ReplaceRequest(_Asked):
    """Other terms for a working order; what is not given stays."""

    quantity: Quantity | None = None
    limit_price: Price | None = None
    stop_price: Price | None = None


class StateRequest(_Asked):
    """Why the state of trading is changed, for people and the record."""

    reason: Words


class HaltRequest(StateRequest):
    """Pulls the kill switch; `flatten` closes every position as well."""

    flatten: bool = True


class RestoreRequest(StateRequest):
    """Lifts a hold on a venue: the caller's own, or everybody's, which only who may resume trading may do."""

    everyones: bool = False


# --- what is told


class OrderView(_Told):
    """One order at one venue.

    Attributes:
        substatus: The venue's own word.
        average_price: Mean price of its fills, in dollars; None before the first.
        trace_id: The trace that submitted it; `sightline trace ID` shows it. "" when it was not traced.
    """

    client_order_id: ClientOrderId
    intent_id: IntentId
    route: NonNegativeInt
    venue: VenueName
    venue_order_id: VenueOrderId | None
    strategy: str
    ticket: OrderTicket
    status: OrderStatus
    substatus: str
    filled: Decimal
    average_price: Decimal | None
    reason: str
    submitted_at: AwareDatetime
    changed_at: AwareDatetime
    replaces: ClientOrderId | None
    replaced_by: ClientOrderId | None
    trace_id: str


class DenialView(_Told):
    """Why nothing was sent."""

    intent_id: IntentId
    strategy: str
    symbol: Symbol
    side: Side
    quantity: Decimal
    reason: DenyReason
    detail: str
    denied_at: AwareDatetime


class Denied(_Told):
    """The rule that refused, and what to change."""

    reason: DenyReason
    detail: str


class PlacementView(_Told):
    """What became of a wish: denied, or its orders, one for each venue that was tried."""

    intent_id: IntentId
    denied: Denied | None
    orders: tuple[OrderView, ...]


class TransitionView(_Told):
    """One change of an order's status."""

    sequence: NonNegativeInt
    was: OrderStatus | None
    now: OrderStatus
    substatus: str
    source: Source
    reason: str
    at: AwareDatetime
    trace_id: str


class FrameView(_Told):
    """A raw frame of the venue that concerned the order. `problem` is "" when it was understood."""

    received_at: AwareDatetime
    raw: str
    problem: str


class IncidentView(_Told):
    """Something that should not have happened."""

    kind: OrderIncidentKind
    detail: str
    at: AwareDatetime


class OrderHistory(_Told):
    """An order with everything that happened to it, oldest first.

    Attributes:
        family: The wish's other orders: other routes, replacements, legs.
    """

    order: OrderView
    family: tuple[OrderView, ...]
    transitions: tuple[TransitionView, ...]
    fills: tuple[Fill, ...]
    incidents: tuple[IncidentView, ...]
    frames: tuple[FrameView, ...]


class OrderPage(_Told):
    """Orders, the newest first; `next_before` asks for the page after this one, None on the last."""

    orders: tuple[OrderView, ...]
    next_before: AwareDatetime | None = None


class DenialList(_Told):
    """The newest denials first."""

    denials: tuple[DenialView, ...]


class PositionView(_Told):
    """What is held at one venue; negative when short. Money is in dollars, `unrealised` None without a price."""

    venue: VenueName
    symbol: Symbol
    quantity: Decimal
    average_price: Decimal
    mark: Decimal | None
    realised: Decimal
    unrealised: Decimal | None
    fees: Decimal


class PositionList(_Told):
    """All positions, and what they come to."""

    positions: tuple[PositionView, ...]
    realised: Decimal
    unrealised: Decimal
    day: Decimal


class VenueAccountView(_Told):
    """A venue's account as it was told at the last reconciliation; None before the first."""

    venue: VenueName
    cash: Decimal | None
    equity: Decimal | None
    buying_power: Decimal | None
    blocked: bool
    as_of: AwareDatetime | None


class VenueAccountList(_Told):
    """Every venue's account."""

    accounts: tuple[VenueAccountView, ...]


class HoldView(_Told):
    """Who holds a venue back, why and since when."""

    actor: str
    reason: str
    held_at: AwareDatetime


class VenueStateView(_Told):
    """Whether a venue is ready for new orders, and if not, why.

    Attributes:
        reasons: What keeps it from being ready, in words; empty when it is.
        stream_age_seconds: Since the stream was last heard; None while it is down.
        verdict_expires_at: End of the verdict in force; None without one.
        rate_limit_left: Calls that the venue takes in the present minute; None when not known.
        holds: Who holds it back; empty when nobody does.
    """

    venue: VenueName
    environment: str
    ready: bool
    reasons: tuple[str, ...]
    circuit: CircuitState
    score: float
    stream_connected: bool
    stream_age_seconds: float | None
    reconciled_at: AwareDatetime | None
    verdict_expires_at: AwareDatetime | None
    rate_limit_left: int | None
    working: NonNegativeInt
    unknown: NonNegativeInt
    holds: tuple[HoldView, ...] = ()


class TradingView(_Told):
    """How trading stands.

    Attributes:
        owner: Whether this process is the one that trades.
        halt_under_way: The kill switch was pulled and is not done.
    """

    state: TradingState
    reason: str
    actor: str
    changed_at: AwareDatetime
    owner: bool
    halt_under_way: bool
    venues: tuple[VenueStateView, ...]


class CancelView(_Told):
    """The orders that a cancel was asked for."""

    orders: tuple[OrderView, ...]


class KillView(_Told):
    """What the kill switch did.

    Attributes:
        flat: Every venue confirmed that nothing works and nothing is held.
        left: What could not be done, in words; "" when all was.
    """

    canceled: NonNegativeInt
    flattened: NonNegativeInt
    seconds: Annotated[float, Field(ge=0)]
    flat: bool
    left: str


class ReconciliationView(_Told):
    """What a comparison with the venue found."""

    venue: VenueName
    orders: NonNegativeInt
    differences: tuple[str, ...]
    seconds: Annotated[float, Field(ge=0)]
