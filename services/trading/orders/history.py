"""Everything that happened to an order, for people."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select

from services.contracts.orders import ClientOrderId, DenyReason, Fill, IntentId, OrderIntent, VenueName
from services.contracts.trading import OrderIncidentKind
from services.kit.moments import moment
from services.trading.orders import store
from services.trading.orders.draft import Transition
from services.trading.orders.order import Order
from services.trading.orders.tables import DENIALS, FILLS, ORDER_INCIDENTS, ORDER_TRANSITIONS, RAW_FRAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedFill:
    """An execution that was heard of. Its quantity is 0 when everything it told was booked before."""

    fill: Fill
    booked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A raw frame of a venue; `problem` says why it could not be handled, "" when it was."""

    frame_id: int
    venue: VenueName
    received_at: datetime
    raw: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastIncident:
    """Something that should not have happened."""

    kind: OrderIncidentKind
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Why nothing was sent."""

    intent: OrderIntent
    reason: DenyReason
    detail: str
    denied_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """An order with everything that happened to it, oldest first.

    Attributes:
        family: The intent's other orders: earlier and later routes, replacements, legs.
    """

    order: Order
    intent: OrderIntent | None
    family: tuple[Order, ...]
    transitions: tuple[Transition, ...]
    fills: tuple[BookedFill, ...]
    incidents: tuple[PastIncident, ...]
    frames: tuple[Frame, ...]


def history(connection: Connection, order: Order) -> History:
    """What happened to an order."""
    name = order.client_order_id
    family = store.of_intent(connection, order.intent_id)
    return History(
        order=order,
        intent=store.intent(connection, order.intent_id),
        family=tuple(each for each in family if each.client_order_id != name),
        transitions=transitions(connection, name),
        fills=fills(connection, name),
        incidents=_incidents(connection, name),
        frames=_frames(connection, name),
    )


def transitions(connection: Connection, name: ClientOrderId) -> tuple[Transition, ...]:
    """The changes of an order's status."""
    query = select(ORDER_TRANSITIONS).where(ORDER_TRANSITIONS.c.client_order_id == name)
    rows = connection.execute(query.order_by(ORDER_TRANSITIONS.c.sequence)).mappings()
    return tuple(store.transition(row) for row in rows)


def fills(connection: Connection, name: ClientOrderId) -> tuple[BookedFill, ...]:
    """The executions of an order, in the order of their booking."""
    query = select(FILLS).where(FILLS.c.client_order_id == name).order_by(FILLS.c.position)
    return tuple(
        BookedFill(fill=Fill.model_validate_json(row.fill), booked_at=moment(row.booked_at_us))
        for row in connection.execute(query)
    )


def denials(connection: Connection, intent_id: IntentId | None, limit: int) -> list[Denial]:
    """The newest denials first, of one intent or of all."""
    query = select(DENIALS).order_by(DENIALS.c.denial_id.desc()).limit(limit)
    if intent_id is not None:
        query = query.where(DENIALS.c.intent_id == intent_id)
    return [
        Denial(
            intent=OrderIntent.model_validate_json(row.intent),
            reason=DenyReason(row.reason),
            detail=row.detail,
            denied_at=moment(row.denied_at_us),
        )
        for row in connection.execute(query)
    ]


def quarantined(connection: Connection, limit: int) -> list[Frame]:
    """Frames that could not be handled, the newest first."""
    query = select(RAW_FRAMES).where(RAW_FRAMES.c.quarantined).order_by(RAW_FRAMES.c.frame_id.desc()).limit(limit)
    return [_frame(row) for row in connection.execute(query).mappings()]


def _incidents(connection: Connection, name: ClientOrderId) -> tuple[PastIncident, ...]:
    query = select(ORDER_INCIDENTS).where(ORDER_INCIDENTS.c.subject == name).order_by(ORDER_INCIDENTS.c.at_us)
    return tuple(
        PastIncident(kind=OrderIncidentKind(row.kind), detail=row.detail, at=moment(row.at_us))
        for row in connection.execute(query)
    )


def _frames(connection: Connection, name: ClientOrderId) -> tuple[Frame, ...]:
    query = select(RAW_FRAMES).where(RAW_FRAMES.c.client_order_id == name).order_by(RAW_FRAMES.c.frame_id)
    return tuple(_frame(row) for row in connection.execute(query).mappings())


def _frame(row: RowMapping) -> Frame:
    return Frame(
        frame_id=row["frame_id"],
        venue=VenueName(row["venue"]),
        received_at=moment(row["received_at_us"]),
        raw=row["raw"],
        problem=row["problem"],
    )
