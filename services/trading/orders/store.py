"""Reads and writes of orders and their ledgers, always inside the caller's transaction."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from services.contracts.orders import (
    ClientOrderId,
    ExecutionId,
    Fill,
    IntentId,
    OrderIntent,
    OrderStatus,
    OrderTicket,
    Source,
    VenueName,
    VenueOrderId,
)
from services.kit.moments import microseconds, moment
from services.kit.prepared import Prepared
from services.trading.orders.draft import Step, Transition
from services.trading.orders.ledger import Entry, Ledger, Span
from services.trading.orders.order import Order
from services.trading.orders.tables import FILLS, INTENTS, ORDER_INCIDENTS, ORDER_TRANSITIONS, ORDERS

_BY_NAME = select(ORDERS).where(ORDERS.c.client_order_id == bindparam("name"))
_BY_VENUE_ORDER = select(ORDERS).where(
    ORDERS.c.venue_order_id == bindparam("venue_name"), ORDERS.c.venue == bindparam("at")
)
_ONE = Prepared(_BY_NAME)
_ONE_TO_CHANGE = Prepared(_BY_NAME.with_for_update())
_ONE_AT_VENUE_TO_CHANGE = Prepared(_BY_VENUE_ORDER.with_for_update())
_ANY_OF_INTENT = Prepared(select(ORDERS.c.route).where(ORDERS.c.intent_id == bindparam("intent")).limit(1))
_FILLS_OF = (
    select(FILLS.c.client_order_id, FILLS.c.execution_id, FILLS.c.spans, FILLS.c.price)
    .where(FILLS.c.client_order_id.in_(bindparam("names", expanding=True)))
    .order_by(FILLS.c.client_order_id, FILLS.c.position)
)
_CHANGE_ORDER = Prepared(
    update(ORDERS).where(ORDERS.c.client_order_id == bindparam("name"), ORDERS.c.version == bindparam("was_version"))
)
_ADD_TRANSITION = Prepared(insert(ORDER_TRANSITIONS))
_ADD_FILL = Prepared(insert(FILLS))
_ADD_UNLESS_THERE = {
    (dialect, table.name): Prepared(made(table).on_conflict_do_nothing())
    for dialect, made in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
    for table in (INTENTS, ORDERS, ORDER_INCIDENTS)
}

_AT_A_TIME = 500  # fewer than the parameters that SQLite takes in one statement
_WORDS = 400
_WORD = 64


def orders(connection: Connection, query: Select[Any]) -> list[Order]:
    """The orders that a query on ORDERS finds, with their ledgers."""
    return _orders(connection, connection.execute(query).mappings().all())


def order(connection: Connection, client_order_id: ClientOrderId, *, to_change: bool = False) -> Order | None:
    """One order, None when there is none. `to_change` keeps others from it until the transaction ends."""
    query = _ONE_TO_CHANGE if to_change else _ONE
    return next(iter(_orders(connection, query.rows(connection, {"name": client_order_id}))), None)


def order_at(connection: Connection, venue: VenueName, venue_order_id: VenueOrderId) -> Order | None:
    """The order that the venue calls so, for changing it."""
    rows = _ONE_AT_VENUE_TO_CHANGE.rows(connection, {"venue_name": venue_order_id, "at": venue})
    return next(iter(_orders(connection, rows)), None)


def knows(connection: Connection, intent_id: IntentId) -> bool:
    """Whether there is an order of an intent."""
    return bool(_ANY_OF_INTENT.rows(connection, {"intent": intent_id}))


def of_intent(connection: Connection, intent_id: IntentId) -> list[Order]:
    """The orders of an intent, by route and then by age."""
    query = select(ORDERS).where(ORDERS.c.intent_id == intent_id)
    return orders(connection, query.order_by(ORDERS.c.route, ORDERS.c.submitted_at_us, ORDERS.c.client_order_id))


def unsettled(connection: Connection) -> list[Order]:
    """What works, at whichever venue; reads nothing else."""
    return orders(connection, select(ORDERS).where(ORDERS.c.ended_at_us.is_(None)))


def settled(connection: Connection, names: Sequence[ClientOrderId]) -> dict[ClientOrderId, tuple[OrderStatus, Decimal]]:
    """Of the named orders those that have ended and whose fills are all booked: how, and what was filled."""
    found: dict[ClientOrderId, tuple[OrderStatus, Decimal]] = {}
    columns = (ORDERS.c.client_order_id, ORDERS.c.status, ORDERS.c.announced)
    for start in range(0, len(names), _AT_A_TIME):
        some = ORDERS.c.client_order_id.in_(names[start : start + _AT_A_TIME]) & ORDERS.c.ended_at_us.is_not(None)
        for row in connection.execute(select(*columns).where(some)):
            found[row.client_order_id] = (OrderStatus(row.status), Decimal(row.announced))
    return found


def submitted_after(connection: Connection, since: datetime) -> list[datetime]:
    """When orders were begun after `since`, in order."""
    begun = ORDERS.c.submitted_at_us
    query = select(begun).where(begun > microseconds(since)).order_by(begun)
    return [moment(at) for at in connection.execute(query).scalars()]


def intent(connection: Connection, intent_id: IntentId) -> OrderIntent | None:
    """What was wanted, None when the id is not known."""
    written = connection.execute(select(INTENTS.c.intent).where(INTENTS.c.intent_id == intent_id)).scalar()
    return None if written is None else OrderIntent.model_validate_json(written)


def add_intent(connection: Connection, wanted: OrderIntent, at: datetime) -> None:
    """Write an intent; nothing happens when it is there."""
    row = {
        "intent_id": wanted.intent_id,
        "intent": wanted.model_dump_json(),
        "created_at_us": microseconds(at),
    }
    unless_there(connection, INTENTS, row)


def add(connection: Connection, step: Step) -> bool:
    """Write a new order with what it brings; False, and nothing is written, when one of that name is there."""
    row = {"client_order_id": step.order.client_order_id, **_fixed(step.order), **_changing(step.order)}
    if not unless_there(connection, ORDERS, row):
        return False
    _add_transitions(connection, step.order, step.transitions)
    return True


def change(connection: Connection, before: Order, step: Step, at: datetime) -> bool:
    """Write what a step made of an order, `before`, that is there. `step.order.version` must have grown.

    False, and nothing is written, when another transaction has changed the order since it was as `before`.
    """
    after = step.order
    named = {"name": after.client_order_id, "was_version": before.version}
    if not _CHANGE_ORDER.run(connection, {**named, **_changing(after)}):
        return False
    _add_transitions(connection, after, step.transitions)
    _add_entries(connection, before, step, at)
    return True


def unless_there(connection: Connection, table: Table, row: Mapping[str, object]) -> bool:
    """Insert a row; False, and nothing happens, when one of that key is there."""
    return _ADD_UNLESS_THERE[connection.dialect.name, table.name].run(connection, row) == 1


def transition(row: Mapping[Any, Any]) -> Transition:
    """A row of ORDER_TRANSITIONS."""
    return Transition(
        sequence=row["sequence"],
        was=None if row["was"] is None else OrderStatus(row["was"]),
        now=OrderStatus(row["now"]),
        substatus=row["substatus"],
        reason=row["reason"],
        source=Source(row["source"]),
        at=moment(row["at_us"]),
        traceparent=row["traceparent"],
    )


def _add_transitions(connection: Connection, changed: Order, transitions: Iterable[Transition]) -> None:
    rows = [
        {
            "client_order_id": changed.client_order_id,
            "sequence": each.sequence,
            "was": each.was,
            "now": each.now,
            "substatus": each.substatus[:_WORD],
            "reason": each.reason[:_WORDS],
            "source": each.source,
            "at_us": microseconds(each.at),
            "traceparent": each.traceparent,
        }
        for each in transitions
    ]
    _ADD_TRANSITION.run_each(connection, rows)


def _add_entries(connection: Connection, before: Order, step: Step, at: datetime) -> None:
    known = {entry.execution_id: entry for entry in before.ledger.entries}
    fills = {booking.fill.execution_id: booking.fill for booking in step.bookings}
    new = []
    for position, entry in enumerate(step.order.ledger.entries):
        if entry.execution_id not in known:
            new.append(_entry_row(step.order, entry, fills[entry.execution_id], position, at))
        elif entry != known[entry.execution_id]:  # an execution was taken back
            same = (FILLS.c.client_order_id == before.client_order_id) & (FILLS.c.execution_id == entry.execution_id)
            connection.execute(update(FILLS).where(same).values(spans=_written(entry.spans)))
    _ADD_FILL.run_each(connection, new)


def _entry_row(changed: Order, entry: Entry, fill: Fill, position: int, at: datetime) -> dict[str, object]:
    return {
        "client_order_id": changed.client_order_id,
        "execution_id": entry.execution_id,
        "position": position,
        "spans": _written(entry.spans),
        "quantity": str(fill.quantity),
        "price": str(fill.price),
        "fill": fill.model_dump_json(),
        "booked_at_us": microseconds(at),
    }


def _written(spans: Sequence[Span]) -> str:
    return json.dumps([[str(span.start), str(span.end)] for span in spans])


def _orders(connection: Connection, rows: Sequence[Mapping[Any, Any]]) -> list[Order]:
    ledgers = _ledgers(connection, [row["client_order_id"] for row in rows if row["executions"]])
    return [_order(row, ledgers.get(row["client_order_id"], Ledger())) for row in rows]


def _ledgers(connection: Connection, names: Sequence[str]) -> dict[str, Ledger]:
    found: dict[str, list[Entry]] = {}
    for start in range(0, len(names), _AT_A_TIME):
        for row in connection.execute(_FILLS_OF, {"names": names[start : start + _AT_A_TIME]}):
            spans = tuple(Span(Decimal(first), Decimal(last)) for first, last in json.loads(row.spans))
            entry = Entry(ExecutionId(row.execution_id), spans, Decimal(row.price))
            found.setdefault(row.client_order_id, []).append(entry)
    return {name: Ledger(tuple(entries)) for name, entries in found.items()}


def _fixed(new: Order) -> dict[str, object]:
    return {
        "intent_id": new.intent_id,
        "route": new.route,
        "venue": new.venue,
        "strategy": new.strategy,
        "symbol": new.ticket.symbol,
        "ticket": new.ticket.model_dump_json(),
        "submitted_at_us": microseconds(new.submitted_at),
        "replaces": new.replaces,
        "parent": new.parent,
        "reference_price": None if new.reference_price is None else str(new.reference_price),
        "traceparent": new.traceparent,
    }


def _changing(changed: Order) -> dict[str, object]:
    return {
        "venue_order_id": changed.venue_order_id,
        "quantity": str(changed.quantity),
        "status": changed.status,
        "standing": changed.standing,
        "pending": changed.pending,
        "pending_since_us": _us(changed.pending_since),
        "pending_told": changed.pending_told,
        "announced": str(changed.announced),
        "executions": len(changed.ledger.entries),
        "substatus": changed.substatus[:_WORD],
        "reason": changed.reason[:_WORDS],
        "sequence": changed.sequence,
        "version": changed.version,
        "changed_at_us": microseconds(changed.changed_at),
        "ended_at_us": microseconds(changed.changed_at) if changed.settled else None,
        "told_at_us": _us(changed.told_at),
        "unknown_since_us": _us(changed.unknown_since),
        "not_found": changed.not_found,
        "not_found_since_us": _us(changed.not_found_since),
        "replaced_by": changed.replaced_by,
    }


def _order(row: Mapping[Any, Any], ledger: Ledger) -> Order:
    reference = row["reference_price"]
    return Order(
        client_order_id=ClientOrderId(row["client_order_id"]),
        intent_id=IntentId(row["intent_id"]),
        route=row["route"],
        venue=VenueName(row["venue"]),
        strategy=row["strategy"],
        ticket=OrderTicket.model_validate_json(row["ticket"]),
        quantity=Decimal(row["quantity"]),
        standing=OrderStatus(row["standing"]),
        submitted_at=moment(row["submitted_at_us"]),
        changed_at=moment(row["changed_at_us"]),
        pending=None if row["pending"] is None else OrderStatus(row["pending"]),
        pending_since=_moment(row["pending_since_us"]),
        pending_told=row["pending_told"],
        ledger=ledger,
        announced=Decimal(row["announced"]),
        venue_order_id=row["venue_order_id"],
        substatus=row["substatus"],
        reason=row["reason"],
        sequence=row["sequence"],
        version=row["version"],
        told_at=_moment(row["told_at_us"]),
        unknown_since=_moment(row["unknown_since_us"]),
        not_found=row["not_found"],
        not_found_since=_moment(row["not_found_since_us"]),
        replaces=row["replaces"],
        replaced_by=row["replaced_by"],
        parent=row["parent"],
        reference_price=None if reference is None else Decimal(reference),
        traceparent=row["traceparent"],
    )


def _us(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def _moment(count: int | None) -> datetime | None:
    return None if count is None else moment(count)
