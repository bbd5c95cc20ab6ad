"""What the venues sent, kept as they sent it, and for longer when it could not be understood."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Column, ColumnElement, Connection, bindparam, delete, insert, select, update

from services.contracts.orders import ClientOrderId, VenueName
from services.contracts.trading import OrderIncidentKind
from services.kit.moments import microseconds
from services.kit.prepared import Prepared
from services.trading.orders.tables import DENIALS, ORDER_INCIDENTS, RAW_FRAMES, RECONCILIATIONS
from services.trading.orders.transactions import Transactions

_ADD: Final = Prepared(insert(RAW_FRAMES).returning(RAW_FRAMES.c.frame_id))
_CHANGE: Final = Prepared(update(RAW_FRAMES).where(RAW_FRAMES.c.frame_id == bindparam("number")))
_WORDS: Final = 400
# Short transactions: on SQLite each holds up every other writer.
_ROWS_AT_A_TIME: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long is kept what orders do not need.

    Attributes:
        handled: Frames that were understood.
        frames: At most so many of them, the newest.
        quarantined: Frames that were not, and the incidents that tell of them.
        denials: Denials, and comparisons with a venue.
    """

    handled: timedelta = timedelta(days=3)
    frames: int = 500_000
    quarantined: timedelta = timedelta(days=90)
    denials: timedelta = timedelta(days=90)


def keep(
    connection: Connection, venue: VenueName, raw: str, at: datetime, client_order_id: ClientOrderId | None = None
) -> int:
    """Write a frame down, with the order that it tells of where that is known; returns its number."""
    row = {
        "venue": venue,
        "received_at_us": microseconds(at),
        "raw": _storable(raw),
        "client_order_id": client_order_id,
        "problem": "",
        "quarantined": False,
    }
    (added,) = _ADD.rows(connection, row)
    return int(added["frame_id"])


def belongs_to(connection: Connection, frame_id: int, client_order_id: ClientOrderId) -> None:
    """Note of which order a frame tells."""
    _CHANGE.run(connection, {"number": frame_id, "client_order_id": client_order_id})


def quarantine(
    connection: Connection, frame_id: int, problem: str, client_order_id: ClientOrderId | None = None
) -> None:
    """Note why a frame could not be handled."""
    values = {"quarantined": True, "problem": _storable(problem)[:_WORDS], "client_order_id": client_order_id}
    _CHANGE.run(connection, {"number": frame_id, **values})


def prune(transactions: Transactions, now: datetime, retention: Retention) -> int:
    """Forget what is past its retention; returns how many rows went."""
    frame = RAW_FRAMES.c
    handled = frame.quarantined.is_(False)
    due = (
        (frame.frame_id, handled & (frame.received_at_us < microseconds(now - retention.handled))),
        (frame.frame_id, frame.quarantined & (frame.received_at_us < microseconds(now - retention.quarantined))),
        (frame.frame_id, handled & (frame.frame_id <= _last_beyond(retention.frames))),
        (DENIALS.c.denial_id, DENIALS.c.denied_at_us < microseconds(now - retention.denials)),
        (
            RECONCILIATIONS.c.reconciliation_id,
            RECONCILIATIONS.c.ended_at_us < microseconds(now - retention.denials),
        ),
    )
    incident = ORDER_INCIDENTS.c
    of_frames = incident.kind == OrderIncidentKind.UNREADABLE_FRAME
    with transactions.transaction() as transaction:
        old = of_frames & (incident.at_us < microseconds(now - retention.quarantined))
        transaction.connection.execute(delete(ORDER_INCIDENTS).where(old))
    return sum(_forget(transactions, number, old) for number, old in due)


def _storable(text: str) -> str:
    """Postgres takes no NUL in a text."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


def _last_beyond(most: int) -> ColumnElement[int]:
    newest = select(RAW_FRAMES.c.frame_id).where(RAW_FRAMES.c.quarantined.is_(False))
    return newest.order_by(RAW_FRAMES.c.frame_id.desc()).offset(most).limit(1).scalar_subquery()


def _forget(transactions: Transactions, number: Column[int], old: ColumnElement[bool]) -> int:
    removed = 0
    gone = _ROWS_AT_A_TIME
    while gone == _ROWS_AT_A_TIME:
        some = select(number).where(old).limit(_ROWS_AT_A_TIME)
        with transactions.transaction() as transaction:
            gone = transaction.connection.execute(delete(number.table).where(number.in_(some))).rowcount
        removed += gone
    return removed
